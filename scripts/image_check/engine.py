"""What the checks need of Docker, or of buildah and crun where no Docker engine answers."""

import contextlib
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import time

from image_check import bases, build_log
from image_check.report import Skipped

HERE = os.path.dirname(os.path.realpath(__file__))


# crun refuses machines with both versions of cgroups, even where it uses none: it is shown an empty folder.
WITHOUT_CGROUPS = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /sys/fs/cgroup && exec crun "$@"', "crun"]


def find(work):
    """Docker, if its engine answers; else buildah."""
    if answers(["docker", "version"]):
        return Docker(work)
    missing = [name for name in ("buildah", "crun", "debootstrap") if shutil.which(name) is None]
    if missing:
        raise Skipped(f"no Docker engine answers; not installed: {', '.join(missing)}; on Debian: apt-get install {' '.join(missing)}")
    if os.geteuid() != 0:
        raise Skipped("no Docker engine answers, and only root can build with buildah and crun here")
    return Buildah(work)


def answers(command):
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class Build:
    """The log of a build."""

    def __init__(self, status, log, seconds):
        self.status, self.log, self.seconds = status, log, seconds


class Container:
    """A container in the foreground of a process of this machine."""

    def __init__(self, command, log_path, execute, send_signal):
        """`execute` turns arguments into the command that runs them in the container; `send_signal` does so with a signal's name."""
        self.log_path, self.execute_command, self.signal_command = log_path, execute, send_signal
        with open(log_path, "wb") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def log(self):
        with open(self.log_path, errors="replace") as log:
            return log.read()

    def execute(self, *arguments):
        """Runs a program in the container, as its user."""
        return subprocess.run(self.execute_command(arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)

    def signal(self, number):
        subprocess.run(self.signal_command(signal.Signals(number).name), check=True, capture_output=True, timeout=60)

    def wait(self, timeout):
        """The exit status; `None` if the container still runs."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def end(self):
        if self.process.poll() is None:
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                self.signal(signal.SIGKILL)
            if self.wait(20) is None:
                self.process.kill()
                self.process.wait()


class Engine:
    """What Docker and buildah have in common."""

    def __init__(self, work):
        self.work, self.count = work, 0
        self.environment = dict(os.environ)

    def build(self, root, device, tag, deadline):
        """Runs scripts/docker-build of a checkout; its log is also in the work folder."""
        command = [os.path.join(root, "scripts/docker-build"), "--device", device, "--tag", tag]
        began = time.monotonic()
        log = os.path.join(self.work, f"build-{device}.log")
        with open(log, "w") as file:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT, env=self.environment, start_new_session=True)
            try:
                status = process.wait(max(1.0, deadline - began))
            except subprocess.TimeoutExpired:
                raise Skipped(f"the image for {device} was not built in the time given; finished layers are kept for the next run ({log})") from None
            finally:
                # Also after Ctrl-C and SIGTERM, which the build's session does not get.
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGTERM)
                    process.wait()
        with open(log, errors="replace") as file:
            return Build(status, file.read(), time.monotonic() - began)

    def next_name(self):
        self.count += 1
        return f"clipdraw-check-{os.getpid()}-{self.count}"

    def run(self, image, command, environment=(), volumes=(), timeout=60):
        """Runs a command to its end: the exit status (`None`: not in time) and the output."""
        container = self.start(image, command, environment, volumes)
        try:
            return container.wait(timeout), container.log()
        finally:
            container.end()


class Docker(Engine):
    """A Docker engine."""

    name = "docker"
    runtime = "docker run"

    def __init__(self, work):
        super().__init__(work)
        self.environment["BUILDKIT_PROGRESS"] = "plain"
        self.roots = {}

    def inspect(self, image):
        (found,) = json.loads(output(["docker", "image", "inspect", image]))
        return found["Config"]

    def layers(self, image):
        """Pairs of the bytes of a layer and the instruction that made it."""
        text = output(["docker", "history", "--no-trunc", "--human=false", "--format", "{{json .}}", image])
        rows = [json.loads(line) for line in text.splitlines()]
        return [(int(row["Size"]), row["CreatedBy"]) for row in reversed(rows) if int(row["Size"])]

    def root(self, image):
        """A folder with the files of an image."""
        if image not in self.roots:
            folder = os.path.join(self.work, self.next_name())
            os.makedirs(folder)
            container = output(["docker", "create", image]).strip()
            export = subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE)
            subprocess.run(["tar", "-x", "-C", folder], stdin=export.stdout, check=True)
            output(["docker", "rm", container])
            self.roots[image] = folder
        return self.roots[image]

    def start(self, image, command, environment=(), volumes=()):
        name = self.next_name()
        words = ["docker", "run", "--rm", "--name", name, "--network", "host", "--read-only", "--tmpfs", "/tmp"]
        words += ["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        for variable in environment:
            words += ["--env", variable]
        for source, target in volumes:
            words += ["--volume", f"{source}:{target}"]
        log = os.path.join(self.work, f"{name}.log")
        kill = ["docker", "kill", "--signal"]
        return Container([*words, image, *command], log, lambda arguments: ["docker", "exec", name, *arguments], lambda one: [*kill, one, name])

    def forget_unused(self, device, log):
        """Docker's own `docker builder prune` does this."""

    def close(self):
        for folder in self.roots.values():
            shutil.rmtree(folder, ignore_errors=True)


class Buildah(Engine):
    """buildah, whose storage is in the work folder, and crun on the mounted files of an image."""

    name = "buildah (scripts/image_check/docker_by_buildah)"
    runtime = "crun on the mounted image, in the network of this machine"

    def __init__(self, work):
        super().__init__(work)
        self.storage = os.path.join(work, "storage")
        self.temporary = os.path.join(work, "temporary")
        self.commands = os.path.join(work, "commands")
        self.state = os.path.join(work, "crun")
        for folder in (self.storage, self.temporary, self.commands, self.state):
            os.makedirs(folder, exist_ok=True)
        self.driver = "overlay" if overlay_works(self.temporary) else "vfs"
        configuration = os.path.join(work, "storage.conf")
        with open(configuration, "w") as file:
            file.write(f'[storage]\ndriver = "{self.driver}"\ngraphroot = "{self.storage}"\nrunroot = "{work}/run"\n')
        # The folder outlives the checkout, so that the link may lead to another one, or nowhere.
        link = os.path.join(self.commands, "docker")
        if os.path.lexists(link):
            os.remove(link)
        os.symlink(os.path.join(HERE, "docker_by_buildah"), link)
        self.environment.update(CONTAINERS_STORAGE_CONF=configuration, TMPDIR=self.temporary)
        self.environment["PATH"] = self.commands + os.pathsep + os.environ["PATH"]
        # Builds that were ended leave containers, which hold their layers.
        self.buildah("rm", "--all")
        self.mounted = {}

    def buildah(self, *arguments, **options):
        return output(["buildah", *arguments], env=self.environment, **options)

    def knows_start_interval(self):
        """As in docker_by_buildah."""
        version = re.match(r"buildah version (\d+)\.(\d+)", self.buildah("--version"))
        return (int(version[1]), int(version[2])) >= (1, 33)

    def has(self, image):
        return subprocess.run(["buildah", "inspect", "--type", "image", image], env=self.environment, capture_output=True).returncode == 0

    def inspect(self, image):
        return self.described(image)["Docker"]["config"]

    def described(self, image):
        return json.loads(self.buildah("inspect", "--type", "image", image))

    def layers(self, image):
        """Pairs of the bytes of a layer and the instruction that made it."""
        found = self.described(image)["Docker"]
        with open(os.path.join(self.storage, f"{self.driver}-layers", "layers.json")) as file:
            sizes = {layer.get("diff-digest"): layer.get("diff-size", 0) for layer in json.load(file)}
        made = [entry.get("created_by", "") for entry in found["history"] if not entry.get("empty_layer")]
        layers = [sizes.get(digest, 0) for digest in found["rootfs"]["diff_ids"]]
        return list(zip(layers, made + [""] * (len(layers) - len(made)), strict=False))

    def root(self, image):
        """A folder with the files of an image."""
        identifier = self.identifier(image)
        if identifier not in self.mounted:
            container = self.buildah("from", "--pull=never", image).strip()
            self.mounted[identifier] = (container, self.buildah("mount", container).strip())
        return self.mounted[identifier][1]

    def identifier(self, image):
        return self.described(image)["FromImageID"]

    def start(self, image, command, environment=(), volumes=()):
        name = self.next_name()
        bundle = os.path.join(self.work, name)
        os.makedirs(bundle)
        specification = self.specification(image, command, environment, volumes)
        write_json(os.path.join(bundle, "config.json"), specification)
        crun = [*WITHOUT_CGROUPS, "--root", self.state, "--cgroup-manager=disabled"]

        def execute(arguments):
            # Without this file, the program would run as root.
            process = os.path.join(bundle, "process.json")
            write_json(process, {**specification["process"], "args": arguments})
            return [*crun, "exec", "--process", process, name]

        log = os.path.join(bundle, "log")
        return Container([*crun, "run", "--bundle", bundle, name], log, execute, lambda one: [*crun, "kill", name, one])

    def specification(self, image, command, environment, volumes):
        """What `docker run --read-only --tmpfs /tmp --cap-drop ALL --network host` asks of a runtime."""
        config = self.inspect(image)
        user, _, group = config["User"].partition(":")
        variables = [*(config.get("Env") or []), *environment]
        mounts = [
            mount("/proc", "proc", "proc"),
            mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
            mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"),
            mount("/dev/shm", "tmpfs", "shm", "nosuid", "noexec", "nodev", "mode=1777", "size=65536k"),
            mount("/sys", "bind", "/sys", "rbind", "ro"),
            mount("/tmp", "tmpfs", "tmpfs", "nosuid", "nodev", "mode=1777"),
            *[mount(target, "bind", source, "rbind") for source, target in volumes],
        ]
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": int(user), "gid": int(group or user)},
                "args": [*(config.get("Entrypoint") or []), *(command or config["Cmd"])],
                "env": variables,
                "cwd": config.get("WorkingDir") or "/",
                "capabilities": {kind: [] for kind in ("bounding", "effective", "inheritable", "permitted", "ambient")},
                "noNewPrivileges": True,
            },
            "root": {"path": self.root(image), "readonly": True},
            "hostname": "clipdraw",
            "mounts": mounts,
            "linux": {
                "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
                "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
                "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
            },
        }

    def forget_unused(self, device, log):
        """Removes images, also intermediate ones, that the last builds neither made nor used, so that old layers do not pile up."""
        with open(os.path.join(self.work, f"used-{device}"), "w") as file:
            file.write("\n".join(build_log.images(log)))
        used = set()
        for path in glob.glob(os.path.join(self.work, "used-*")):
            with open(path) as file:
                used.update(file.read().split())
        for image in json.loads(self.buildah("images", "--all", "--json")):
            named = any(bases.HUB in name for name in image.get("names") or [])
            if not named and not any(image["id"].startswith(one) for one in used):
                # One that another still needs stays.
                subprocess.run(["buildah", "rmi", "--force", image["id"]], env=self.environment, capture_output=True)

    def remove_container(self, container):
        self.buildah("rm", container)

    def close(self):
        for container, _ in self.mounted.values():
            self.remove_container(container)
        self.mounted.clear()


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file, indent=1)


def mount(target, kind, source, *options):
    return {"destination": target, "type": kind, "source": source, "options": list(options)}


def overlay_works(folder):
    """Whether this kernel can lay folders over each other there; without it, buildah copies every layer as a whole."""
    place = os.path.join(folder, "overlay-trial")
    folders = [os.path.join(place, name) for name in ("lower", "upper", "work", "merged")]
    for one in folders:
        os.makedirs(one, exist_ok=True)
    options = "lowerdir={},upperdir={},workdir={}".format(*folders[:3])
    works = answers(["mount", "-t", "overlay", "overlay", "-o", options, folders[3]])
    if works:
        subprocess.run(["umount", folders[3]], check=True)
    shutil.rmtree(place, ignore_errors=True)
    return works


def output(command, **options):
    """What a command prints; its standard error becomes part of an exception."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit status {done.returncode}: {done.stderr[-2000:].strip()}")
    return done.stdout
