"""Checks of the running image: the server as its users start it, stop it, and give it volumes."""

import base64
import json
import os
import re
import signal
import subprocess
import time

from gpu_check import weights

from image_check.contents import USER
from image_check.serving import Later, Receiver, Served

STORE = "CLIPDRAW_STORE=/data/predictions.sqlite3"

SMALL = {"prompt": "a house", "seed": 7, "num_paths": 8, "num_augmentations": 2, "display_frequency": 10}
QUICK = {**SMALL, "num_iterations": 30}
# Some seconds.
SLOW = {**SMALL, "num_iterations": 250, "display_frequency": 50}
ENDLESS = {**SMALL, "num_iterations": 10000, "display_frequency": 10000}


class Running:
    """All checks of one image. `program` is a clipdraw outside the image, if there is one."""

    def __init__(self, report, engine, image, device, program):
        self.report, self.engine, self.image, self.device, self.program = report, engine, image, device, program
        self.folders = 0

    def run(self):
        parts = [self.server, self.as_cog_runs_it, self.as_replicate_starts_it, self.pip]
        parts += [self.shutdown, self.shutdown_after_grace, self.store, self.crash, self.upgrade, self.weights_by_volume]
        if self.device == "cuda":
            parts = [self.server, self.without_gpu, self.as_cog_runs_it]
        for part in parts:
            try:
                part()
            except (OSError, RuntimeError, KeyError, TypeError, ValueError, subprocess.SubprocessError) as error:
                self.report.check(part.__name__.replace("_", " "), False, repr(error))

    def serve(self, command=(), environment=(), volumes=()):
        return Served(self.engine, self.image, command, environment, volumes)

    def volume(self, name):
        """A new folder of this machine for the server's user, as the volumes of a cluster are."""
        self.folders += 1
        folder = os.path.join(self.engine.work, f"volume-{os.getpid()}-{self.folders}-{name}")
        os.makedirs(folder)
        if os.geteuid() == 0:
            os.chown(folder, USER, USER)
        else:
            os.chmod(folder, 0o777)
        return folder

    def ready(self, served, what):
        """Whether the server becomes ready, which later checks need."""
        ready = served.is_ready()
        return self.report.check(what, ready, f"after {time.monotonic() - served.began:.1f} s" if ready else served.why())

    def server(self):
        """The default command with a root that cannot be written and without a volume."""
        check = self.report.check
        with self.serve() as served:
            first = []
            served.wait_until(lambda: (state := served.state()) and not first.append(state))
            check("the first state of the health check", first[:1] in (["STARTING"], ["READY"]), str(first[:1]))
            if not self.ready(served, "the server starts with a read-only root"):
                return
            self.processes(served)
            self.health(served)
            status, answer = served.draw(QUICK)
            if check("a drawing over HTTP", status == 200 and answer.get("status") == "succeeded", f"{status} {answer.get('error') or answer.get('status')}"):
                self.compare(answer["output"][-1])
            drawing = Later(served.draw, ENDLESS)
            served.wait_until(lambda: served.state() == "BUSY")
            health = served.container.execute("/usr/local/bin/clipdraw-health")
            self.report.equal("the image's health check while it draws: exit status, output", (health.returncode, health.stdout.strip()), (0, "BUSY"))
            served.container.signal(signal.SIGKILL)
            drawing.get(20)
            status = served.container.wait(20)
            check("SIGKILL ends the container", status not in (None, 0), f"exit status {status}")

    def processes(self, served):
        script = "for one in /proc/[0-9]*; do echo $(cat $one/comm) $(grep ^Uid: $one/status | cut -f2); done; id -u; touch /usr/written 2>/dev/null && echo written"
        done = served.container.execute("/bin/sh", "-c", script)
        lines = done.stdout.split("\n")
        self.report.equal("process 1", lines[0], f"tini {USER}")
        self.report.check("the server is a process of tini, of the same user", f"clipdraw {USER}" in lines, ", ".join(lines[:2]))
        self.report.check("the root cannot be written", "written" not in lines and str(USER) in lines, done.stderr.strip())

    def health(self, served):
        done = served.container.execute("/usr/local/bin/clipdraw-health")
        self.report.equal("the image's health check: exit status, output", (done.returncode, done.stdout.strip()), (0, "READY"))
        done = served.container.execute("/usr/bin/env", "PORT=1", "/usr/local/bin/clipdraw-health")
        self.report.check("the image's health check without a server", done.returncode == 1, f"exit status {done.returncode}")
        status, ready = served.request("GET", "/ready")
        self.report.check("/ready", status == 200, str(ready))

    def compare(self, url):
        """A drawing of the image has the bytes of a drawing outside it."""
        svg = contents(url)
        if self.program is None:
            self.report.skip("the bytes of a drawing outside the image: no program there; cargo build --release, or --program FILE")
            return
        expected = os.path.join(self.engine.work, f"outside-{os.getpid()}.svg")
        command = [self.program, "predict", "--weights", "compact-v4", "--device", "cpu", "--json", "-", "--output", expected]
        done = subprocess.run(command, input=json.dumps(QUICK), capture_output=True, text=True, timeout=120)
        if not self.report.check("the same drawing outside the image", done.returncode == 0, done.stderr[-300:] if done.returncode else self.program):
            return
        with open(expected, "rb") as file:
            same = file.read() == svg
        os.remove(expected)
        self.report.check("the bytes of the drawing are those of the program outside the image", same, f"{len(svg)} bytes")

    def pip(self):
        status, text = self.engine.run(self.image, ["python", "-m", "pip", "freeze"])
        self.report.equal("python -m pip freeze: exit status, output", (status, text), (0, ""))
        status, text = self.engine.run(self.image, ["python", "-c", "print(1)"])
        self.report.check("python refuses a program", status == 2 and "no Python" in text, f"exit status {status}")

    def as_cog_runs_it(self):
        """The requests of `cog run IMAGE -i prompt=...`: short time limits, then one prediction, then SIGTERM."""
        with self.serve(environment=["LOG_FORMAT=console", "COG_LOG_LEVEL=warning"]) as served:
            states = []

            def ready():
                state = served.state(timeout=0.25)
                if state and state not in states:
                    states.append(state)
                return state == "READY"

            # Cog gives up on every state but these two.
            passed = served.wait_until(ready, 300) and set(states) <= {"STARTING", "READY"}
            self.report.check("cog run: the health check within 250 ms each time", passed, ", ".join(states) or served.why())
            _, document = served.request("GET", "/openapi.json")
            uri = document["components"]["schemas"]["Output"]
            self.report.check("cog run: the output is files", "uri" in json.dumps(uri), json.dumps(uri)[:100])
            headers = {"Connection": "close"}
            status, answer = served.request("POST", "/predictions", {"input": QUICK, "context": {}}, headers)
            written = [contents(one) for one in answer.get("output") or []]
            drawn = status == 200 and answer["status"] == "succeeded" and all(b"<svg" in one for one in written) and written
            self.report.check("cog run: a prediction with data URLs", bool(drawn), f"{len(written)} files")
            status, answer = served.request("POST", "/predictions", {"input": {"num_paths": "many"}, "context": {}}, headers)
            try:
                location = answer["detail"][0]["loc"]
            except (KeyError, TypeError, IndexError):
                location = answer
            self.report.equal("cog run: a wrong input: status, place", (status, location), (422, ["body", "input", "num_paths"]))
            served.container.signal(signal.SIGTERM)
            # Cog gives three seconds before SIGKILL.
            self.report.equal("cog run: exit status within 3 s of SIGTERM", served.container.wait(3), 0)
            chatter = [line for line in served.container.log().splitlines() if re.search(r"\bINFO\b", line)]
            self.report.equal("cog run: no lines of the level info in the log", chatter, [])

    def as_replicate_starts_it(self):
        """`python -m cog.server.http` with uploads and webhooks; it ends by POST /shutdown."""
        with Receiver() as receiver:
            command = ["python", "-m", "cog.server.http", "--await-explicit-shutdown=true", "--upload-url", f"{receiver.url}/files/"]
            with self.serve(command) as served:
                if not self.ready(served, "Replicate: python -m cog.server.http starts the server"):
                    return
                status, _ = served.begin("replicate-1", QUICK, webhook=f"{receiver.url}/hook", webhook_events_filter=["completed"])
                self.report.equal("Replicate: status of PUT with respond-async", status, 202)

                def completed():
                    return [json.loads(body) for method, path, body in receiver.received if (method, path) == ("POST", "/hook")]

                served.wait_until(completed)
                hook = (completed() or [{}])[0]
                self.report.equal("Replicate: the webhook", (hook.get("id"), hook.get("status")), ("replicate-1", "succeeded"))
                uploads = [path for method, path, _ in receiver.received if method == "PUT"]
                addressed = uploads and all(str(one).startswith(receiver.url) for one in hook.get("output") or [""])
                self.report.check("Replicate: files are uploaded, and the output has their addresses", bool(addressed), f"{len(uploads)} uploads")
                served.container.signal(signal.SIGTERM)
                self.report.equal("Replicate: exit status after SIGTERM, which is ignored", served.container.wait(1), None)
                served.request("POST", "/shutdown")
                self.report.equal("Replicate: exit status after POST /shutdown", served.container.wait(20), 0)

    def shutdown(self):
        """SIGTERM, as of `docker stop`, with a drawing that a client waits for."""
        with self.serve() as served:
            if not self.ready(served, "SIGTERM: the server starts"):
                return
            drawing = Later(served.draw, SLOW)
            served.wait_until(lambda: served.state() == "BUSY")
            served.container.signal(signal.SIGTERM)
            began = time.monotonic()
            status, answer = drawing.get(60)
            finished = status == 200 and answer["status"] == "succeeded"
            self.report.check("SIGTERM: the drawing is finished first", finished, f"{status} {answer['status'] if status else answer}")
            self.report.equal("SIGTERM: exit status", served.container.wait(30), 0)
            self.report.note(f"the container ended after {time.monotonic() - began:.1f} s")

    def shutdown_after_grace(self):
        with self.serve(["/usr/local/bin/clipdraw", "serve", "--shutdown-grace", "1"]) as served:
            if not self.ready(served, "SIGTERM with a long drawing: the server starts"):
                return
            drawing = Later(served.draw, ENDLESS)
            served.wait_until(lambda: served.state() == "BUSY")
            served.container.signal(signal.SIGTERM)
            status, answer = drawing.get(30)
            self.report.equal("SIGTERM with a long drawing: what its client gets", (status, status and answer["status"]), (200, "canceled"))
            self.report.equal("SIGTERM with a long drawing: exit status", served.container.wait(20), 0)

    def store(self):
        """A finished prediction survives a restart, and a second server on the same volume is refused."""
        volumes = [(self.volume("store"), "/data")]
        with self.serve((), [STORE], volumes) as served:
            if not self.ready(served, "the store: the server starts"):
                return
            served.begin("kept", QUICK)
            before = served.finished("kept") or {}
            self.report.equal("the store: a prediction on a volume", before.get("status"), "succeeded")
            with self.serve((), [STORE], volumes) as second:
                status = second.container.wait(30)
                self.report.check("the store: a second server on the volume is refused", status not in (None, 0), f"exit status {status}: {second.why()}")
                said = "another server uses the store /data/predictions.sqlite3" in second.container.log()
                self.report.check("the store: its message names the file and the reason", said, "" if said else second.why())
            self.report.equal("the store: the first server still answers", served.state(), "READY")
            served.container.signal(signal.SIGTERM)
            self.report.equal("the store: exit status", served.container.wait(30), 0)
        with self.serve((), [STORE], volumes) as served:
            if self.ready(served, "the store: the next server starts"):
                after = served.request("GET", "/predictions/kept")[1]
                self.report.check("the store: the prediction is the same after the restart", after == before, f"{len(json.dumps(after))} bytes of JSON")

    def interrupted(self, what, options, stop):
        """A prediction that a restart interrupts is drawn afterwards, with the bytes of one that was not interrupted."""
        volumes = [(self.volume("store"), "/data")]
        command = ["/usr/local/bin/clipdraw", "serve", "--queue", "10", *options]
        with self.serve(command, [STORE], volumes) as served:
            if not self.ready(served, f"{what}: the server starts"):
                return
            served.begin("whole", SLOW)
            whole = served.finished("whole") or {}
            served.begin("interrupted", SLOW)
            served.begin("waiting", {**QUICK, "seed": 8})
            served.wait_until(lambda: served.request("GET", "/predictions/interrupted")[1].get("status") == "processing")
            served.container.signal(stop)
            status = served.container.wait(30)
            left = stop == signal.SIGKILL or status == 0
            self.report.check(f"{what}: the server ends with a prediction under way", left and status is not None, f"exit status {status}")
        with self.serve(command, [STORE], volumes) as served:
            if not self.ready(served, f"{what}: the next server starts") and not served.state():
                return
            found = served.finished("interrupted") or {}
            same = found.get("status") == "succeeded" and found["output"][-1] == whole["output"][-1]
            self.report.check(f"{what}: the prediction is drawn, with the bytes of one without a restart", same, str(found.get("status")))
            self.report.equal(f"{what}: the one that waited is drawn too", (served.finished("waiting") or {}).get("status"), "succeeded")

    def crash(self):
        self.interrupted("a crash", [], signal.SIGKILL)

    def upgrade(self):
        self.interrupted("an upgrade with --keep-on-shutdown", ["--keep-on-shutdown", "--shutdown-grace", "0"], signal.SIGTERM)

    def weights_by_volume(self):
        folder = self.volume("weights")
        weights.write("tiny", os.path.join(folder, "tiny.safetensors"))
        command = ["/usr/local/bin/clipdraw", "serve", "--weights", "/weights/tiny.safetensors"]
        with self.serve(command, volumes=[(folder, "/weights")]) as served:
            if not self.ready(served, "weights on a volume: the server starts"):
                return
            status, answer = served.draw({**QUICK, "num_iterations": 3})
            self.report.check("weights on a volume: a drawing", status == 200 and answer["status"] == "succeeded", f"{status} {answer.get('error') or ''}")
            used = "tiny" in served.container.log()
            self.report.check("weights on a volume: the log names them", used, "" if used else served.why())

    def without_gpu(self):
        """The CUDA image on a machine without a GPU: everything of CUDA but the driver is there, and it says so."""
        status, text = self.engine.run(self.image, ["/usr/local/bin/clipdraw", "--version"])
        if "no CUDA" not in text:
            self.report.skip("the start without a GPU: this machine has one")
            return
        self.report.check("without a GPU: the driver is missing", status == 0 and "libcuda.so.1" in text, text.splitlines()[-2][:200])
        opened = "libtorch_cuda.so" not in text and "NVRTC" not in text
        self.report.check("without a GPU: libtorch's CUDA half and NVRTC can be opened", opened, text if not opened else "")
        with self.serve() as served:
            if self.ready(served, "without a GPU: the server starts"):
                warned = re.search(r"WARN.*(driver|libcuda)", served.container.log())
                self.report.check("without a GPU: the log warns", warned is not None, warned[0][:200] if warned else served.why())
        with self.serve(["/usr/local/bin/clipdraw", "serve", "--device", "cuda"]) as served:
            status = served.container.wait(60)
            told = [line for line in served.container.log().splitlines() if "libcuda.so.1" in line]
            self.report.check("without a GPU: --device cuda does not start, and says why", status not in (None, 0) and bool(told), f"exit status {status}: {told[-1:]}"[:300])


def contents(url):
    """The bytes in a data URL."""
    head, _, data = url.partition(",")
    return base64.b64decode(data) if head.startswith("data:") and head.endswith(";base64") else b""
