"""What the scripts of both Python clients share: the server's address, checks, and a receiver of webhooks."""

import base64
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from xml.etree import ElementTree

SERVER = os.environ["SERVER"]
BUSY = os.environ["BUSY_SERVER"]
STARTING = os.environ["STARTING_SERVER"]
MODEL = "clipdraw/clipdraw"
FINAL = "clipdraw/clipdraw-final"


SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 224 224">
<path d="M10 10C60 20 90 80 200 200" fill="none" stroke="#d22" stroke-width="4"/></svg>"""
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFElEQVR42mP4r6EBRyJIiGFoSQAACDI2YT9Pqp8AAAAASUVORK5CYII="
)


def small(prompt, **more):
    """The inputs of a drawing with four frames."""
    return {"prompt": prompt, "num_paths": 2, "num_iterations": 3, "display_frequency": 1, "seed": 7, **more}


def check_svg(data):
    root = ElementTree.fromstring(data)
    assert root.tag == "{http://www.w3.org/2000/svg}svg", root.tag


def check_png(data):
    assert data.startswith(b"\x89PNG\r\n\x1a\n"), data[:20]


def raises(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


class Receiver:
    """A receiver of webhooks, which keeps their headers and bodies."""

    def __init__(self):
        received = self.received = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                length = int(self.headers["content-length"])
                headers = {name.lower(): value for name, value in self.headers.items()}
                received.append((headers, self.rfile.read(length).decode()))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def wait_for(self, count):
        deadline = time.monotonic() + 30
        while len(self.received) < count:
            assert time.monotonic() < deadline, "no webhook came"
            time.sleep(0.02)
        return self.received


def run_all(names):
    """Runs the functions of the script that begin with `test_`, and says which."""
    for name, test in list(names.items()):
        if name.startswith("test_"):
            test()
            print("ok", name.removeprefix("test_"), flush=True)
