"""Checks of `clipdraw serve` from end to end."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

PART = "server"
SLOTS = 16
COUNTS = (1, 4, 16)

# Seconds in which a canceled prediction ends, beside the time of the steps: two requests over HTTP.
HTTP_SECONDS = 0.02

NO_ANSWER = "no answer"

# Holds all but some bytes of the device's memory until its standard input is closed.
HOLD_MEMORY = """
import sys, torch
free, _ = torch.cuda.mem_get_info()
held = torch.empty(max(0, free - (2 << 30)), dtype=torch.uint8, device="cuda")
print(held.numel(), flush=True)
sys.stdin.read()
"""


class Server:
    """A running server, which is ended after some seconds, together with the programs that a check started."""

    def __init__(self, command, log, environment, seconds):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        command = [*command, "--host", "127.0.0.1", "--port", str(port), "--slots", str(SLOTS)]
        self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        self.others = []
        self.timer = threading.Timer(seconds, self.kill)
        self.timer.daemon = True
        self.timer.start()

    def kill(self):
        for process in [self.process, *self.others]:
            process.kill()

    def request(self, method, path, body=None, headers=None, timeout=60):
        """The status and the JSON of the response."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def draw(self, seed, steps, **inputs):
        """What went wrong with a drawing; empty if it is finished."""
        values = {"prompt": "a fox", "seed": seed, "num_iterations": steps, "display_frequency": 100, **inputs}
        try:
            status, answer = self.request("POST", "/predictions", {"input": values})
        except (OSError, ValueError) as error:
            return f"{NO_ANSWER}: {error}"
        if status == 200 and answer.get("status") == "succeeded":
            return ""
        return f"{status}: {answer.get('error') or answer.get('detail') or answer}"

    def wait_until(self, condition, timeout):
        """Whether something becomes true in time."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(OSError, ValueError):
                if condition():
                    return True
            time.sleep(0.002)
        return False

    def is_ready(self):
        return self.request("GET", "/health-check", timeout=5)[1].get("status") == "READY"

    def stop(self):
        """The exit status after SIGTERM."""
        self.timer.cancel()
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None


def check_server(report, server, steps, cuda):
    """Runs all checks with one server."""
    try:
        ready = server.wait_until(server.is_ready, 60)
        report.check(PART, "the server becomes ready", ready, "ready" if ready else f"not within a minute; exit status {server.process.poll()}")
        if not ready:
            return
        # The first drawing compiles kernels and allocates memory.
        server.draw(0, min(steps, 10))
        step_seconds = [draw_together(report, server, count, steps) for count in COUNTS][0]
        cancel(report, server, step_seconds)
        if cuda:
            want_of_memory(report, server, steps)
    finally:
        status = server.stop()
        report.check(PART, "the server stops after SIGTERM", status == 0, f"exit status {status}")


def draw_together(report, server, count, steps):
    """Drawings at the same time; returns the seconds of a step of all of them."""
    began = time.monotonic()
    with ThreadPoolExecutor(count) as pool:
        problems = sorted(set(pool.map(lambda seed: server.draw(seed, steps), range(count))) - {""})
    step = (time.monotonic() - began) / steps
    name = "1 drawing" if count == 1 else f"{count} drawings at once"
    figure = f"{1000 * step:.2f} ms a step, {count / step:.0f} steps/s of all drawings"
    report.check(PART, name, not problems, "; ".join(problems) or figure)
    return step


def cancel(report, server, step_seconds):
    """The shortest of three times from the request until the prediction is canceled, without the noise of the machine."""
    limit = 10 * step_seconds + HTTP_SECONDS
    times = []
    for attempt in range(3):
        path = f"/predictions/cancel-{attempt}"
        values = {"prompt": "a fox", "seed": attempt, "num_iterations": 10000, "display_frequency": 10000}
        server.request("PUT", path, {"input": values}, {"Prefer": "respond-async"})
        server.wait_until(lambda path=path: server.request("GET", path)[1].get("logs"), 10)
        time.sleep(5 * step_seconds)
        began = time.monotonic()
        server.request("POST", path + "/cancel")
        if server.wait_until(lambda path=path: server.request("GET", path)[1].get("status") == "canceled", 10):
            times.append(time.monotonic() - began)
    figure = f"{1000 * min(times):.0f} ms, limit {1000 * limit:.0f} ms" if times else "not canceled within 10 s"
    report.check(PART, "a drawing is canceled within 10 steps", bool(times) and min(times) <= limit, figure)


def want_of_memory(report, server, steps):
    """Another program takes the memory: every request is answered, and the server works afterwards."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD_MEMORY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    server.others.append(holder)
    try:
        held = int(holder.stdout.readline() or 0)
        report.check(PART, "another program holds all but 2 GB of the device", held > 0, f"{held / 1e9:.1f} GB")
        large = {"canvas_width": 1024, "canvas_height": 1024, "num_paths": 1024, "max_stroke_width": 400}
        with ThreadPoolExecutor(SLOTS) as pool:
            problems = list(pool.map(lambda seed: server.draw(seed, min(steps, 20), **large), range(SLOTS)))
    finally:
        holder.stdin.close()
        try:
            holder.wait(20)
        except subprocess.TimeoutExpired:
            holder.kill()
            holder.wait()
    unanswered = [problem for problem in problems if problem.startswith(NO_ANSWER)]
    figure = "; ".join([f"{problems.count('')} of {len(problems)} drawings finished", *sorted(set(problems) - {""})])
    report.check(PART, "every request is answered without enough memory", not unanswered, figure[:1000])
    # The server may load the model again first.
    ready = server.wait_until(server.is_ready, 30)
    problem = server.draw(1, steps) if ready else "the server is not ready"
    report.check(PART, "a drawing when there is memory again", not problem, problem or "finished")
