"""A server in a container, and a receiver of its webhooks and uploads."""

import contextlib
import http.server
import json
import socket
import threading
import time
import urllib.error
import urllib.request


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Served:
    """A running server: the container and its address."""

    def __init__(self, engine, image, command=(), environment=(), volumes=()):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.began = time.monotonic()
        self.container = engine.start(image, command, [f"PORT={self.port}", *environment], volumes)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.container.end()

    def request(self, method, path, body=None, headers=None, timeout=120):
        """The status and the JSON of the response."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, json.loads(response.read() or b"null")
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            with contextlib.suppress(ValueError):
                return error.code, json.loads(text)
            return error.code, text

    def state(self, timeout=5.0):
        """What /health-check says; `None` without an answer."""
        with contextlib.suppress(OSError, ValueError):
            return self.request("GET", "/health-check", timeout=timeout)[1]["status"]
        return None

    def wait_until(self, condition, timeout=60.0):
        """Whether something becomes true in time, while the container runs."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, ValueError):
                if condition():
                    return True
            if self.container.process.poll() is not None:
                return False
            time.sleep(0.05)
        return False

    def is_ready(self, timeout=60.0):
        return self.wait_until(lambda: self.state() == "READY", timeout)

    def draw(self, values, timeout=120):
        return self.request("POST", "/predictions", {"input": values}, timeout=timeout)

    def begin(self, identifier, values, **more):
        """Starts a drawing that no client waits for."""
        return self.request("PUT", f"/predictions/{identifier}", {"input": values, **more}, {"Prefer": "respond-async"})

    def finished(self, identifier, timeout=120.0):
        """A prediction at its end; `None` if it does not end in time."""
        found = {}

        def ended():
            found.update(self.request("GET", f"/predictions/{identifier}")[1])
            return found.get("status") in ("succeeded", "failed", "canceled")

        return found if self.wait_until(ended, timeout) else None

    def why(self):
        """The end of the log, for a check that failed."""
        return " / ".join(self.container.log().splitlines()[-4:])[-600:]


class Later:
    """A request on a thread of its own."""

    def __init__(self, function, *arguments):
        self.answer = None
        self.thread = threading.Thread(target=self.run, args=(function, arguments), daemon=True)
        self.thread.start()

    def run(self, function, arguments):
        try:
            self.answer = function(*arguments)
        except OSError as error:
            self.answer = (None, repr(error))

    def get(self, timeout):
        self.thread.join(timeout)
        return self.answer or (None, "no answer in time")


class Receiver:
    """Takes everything that is sent to it: `received` has method, path and body."""

    def __init__(self):
        received = self.received = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def take(self):
                length = int(self.headers.get("Content-Length") or 0)
                received.append((self.command, self.path, self.rfile.read(length)))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_PUT = take

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
