"""Runs overlays/gke/iam-token against a stand-in for Google's metadata server."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

SCRIPT = "deploy/kubernetes/overlays/gke/iam-token"
PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
TOKEN = "ya29.c.b0A-_=" + "x" * 1000


class Metadata(BaseHTTPRequestHandler):
    """Answers as the metadata server does: only to requests that have its header."""

    answer = 200

    def do_GET(self) -> None:
        allowed = self.headers["Metadata-Flavor"] == "Google" and self.path == PATH
        status = self.answer if allowed else 403
        body = json.dumps({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"} if status == 200 else {"error": "none"})
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


def token_problems() -> Iterator[str]:
    """What the script does wrong."""
    server = HTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {**os.environ, "GCE_METADATA_HOST": f"127.0.0.1:{server.server_port}"}
    for status, expected in [(200, (0, f"{TOKEN}\n")), (404, (1, ""))]:
        Metadata.answer = status
        answer = subprocess.run([SCRIPT], env=environment, capture_output=True, text=True)
        if (answer.returncode, answer.stdout) != expected:
            yield f"{SCRIPT}: {answer.returncode} and {answer.stdout!r} after a response with {status}"
        if status != 200 and "404" not in answer.stderr:
            yield f"{SCRIPT}: {answer.stderr!r} says nothing about {status}"
    server.shutdown()
