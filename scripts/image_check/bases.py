"""Base images made on this machine, where Docker Hub cannot be reached.

They have the names that the Dockerfile asks for, and of their content what it uses. Nothing of them but Debian's
own packages gets into the image.
"""

import os
import re
import shutil
import subprocess

from image_check.mounts import unmount_below
from image_check.report import Skipped

HUB = "docker.io/library/"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
LABEL = "clipdraw.recipe"

# Another number makes a base image again.
RECIPES = {"debian": "2", "rust": "1", "python": "1"}

# What the slim image of Debian leaves out of packages.
SLIM = """path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/info/*
path-exclude /usr/share/lintian/*
path-exclude /usr/share/locale/*
path-exclude /usr/share/man/*
"""

# The published images of Debian keep neither packages nor lists after an installation.
CLEAN = """DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Acquire::Languages "none";
Acquire::GzipIndexes "true";
Apt::AutoRemove::SuggestsImportant "false";
"""


def wanted(dockerfile):
    """The base images of a Dockerfile, with the defaults of its arguments, in order."""
    arguments, stages, found = {}, set(), []
    for line in dockerfile.splitlines():
        if match := re.match(r"ARG (\w+)=(\S*)$", line):
            arguments.setdefault(match[1], match[2])
        elif match := re.match(r"FROM (\S+)(?: AS (\S+))?$", line):
            name = re.sub(r"\$\{(\w+)\}", lambda variable: arguments[variable[1]], match[1])
            if name not in stages and name not in found:
                found.append(name)
            stages.add(match[2])
    return found


class Bases:
    """Makes the base images that are missing from the storage of a buildah."""

    def __init__(self, engine, report):
        self.engine, self.report = engine, report
        self.pull_works = True

    def prepare(self, dockerfile):
        names = wanted(dockerfile)
        debian = next(name for name in names if name.startswith("debian:"))
        others = [name for name in names if name != debian]
        for name in (debian, *others):
            self.provide(name, debian)

    def provide(self, name, debian):
        recipe = self.recipe(name)
        have = self.engine.has(HUB + name)
        made_from = have and (self.engine.inspect(HUB + name).get("Labels") or {}).get(LABEL)
        if have and made_from is None:
            self.report.note(f"{name} is there, from Docker Hub")
            return
        if made_from != recipe and self.pull_works:
            self.pull_works = pulled = self.pull(name)
            if pulled:
                self.report.note(f"{name} is pulled from Docker Hub")
                return
        if made_from != recipe:
            self.make(name, debian, recipe)
        self.report.substitute(f"{name}, which cannot be pulled: {self.description(name)}")

    def pull(self, name):
        try:
            # Without this policy, an image of that name made here would do.
            self.engine.buildah("pull", "--policy", "always", "--quiet", HUB + name, timeout=300)
        except (RuntimeError, subprocess.TimeoutExpired):
            return False
        return True

    def kind(self, name):
        return name.split(":")[0]

    def description(self, name):
        return {
            "debian": "made by debootstrap",
            "rust": f"Debian with its C++ compiler and this machine's {rustc('--version')}",
            "python": "Debian with its own Python and pip, told to fetch the wheels of Python 3.12",
        }[self.kind(name)]

    def recipe(self, name):
        """Differs where an image has to be made again."""
        recipe = RECIPES.get(self.kind(name), "")
        return f"{recipe}, {rustc('--version')}" if self.kind(name) == "rust" else recipe

    def make(self, name, debian, recipe):
        kinds = {"debian": self.debian, "rust": self.rust, "python": self.python}
        if self.kind(name) not in kinds:
            raise Skipped(f"the base image {name} cannot be pulled, and there is no way to make it")
        base = "scratch" if name == debian else HUB + debian
        container = self.engine.buildah("from", "--pull=never", base).strip()
        try:
            root = self.engine.buildah("mount", container).strip()
            options = kinds[self.kind(name)](name, container, root)
            self.engine.buildah("umount", container)
            self.engine.buildah("config", *options, "--label", f"{LABEL}={recipe}", container)
            self.engine.buildah("commit", "--quiet", "--format", "docker", "--squash", container, HUB + name)
        finally:
            self.engine.remove_container(container)

    def debian(self, name, _container, root):
        suite = re.match(r"debian:(\w+)-slim$", name)[1]
        command = ["debootstrap", "--variant=minbase", suite, root]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=self.engine.environment)
        unmount_below(root)
        if done.returncode != 0:
            raise Skipped(f"debootstrap cannot make {name}: {(done.stderr or done.stdout)[-500:].strip()}")
        write(root, "etc/dpkg/dpkg.cfg.d/docker", SLIM)
        write(root, "etc/apt/apt.conf.d/docker-clean", CLEAN)
        for folder in ("var/cache/apt", "var/lib/apt/lists", "var/log", "usr/share/man", "usr/share/locale", "usr/share/info"):
            empty(os.path.join(root, folder))
        for folder, _, files in os.walk(os.path.join(root, "usr/share/doc")):
            for file in files:
                if file != "copyright":
                    os.remove(os.path.join(folder, file))
        # As in the published image: no two machines share an identity, and the name server is that of the run.
        for file in ("etc/machine-id", "etc/hostname", "etc/resolv.conf"):
            write(root, file, "")
        return ["--cmd", "bash"]

    def rust(self, name, container, root):
        version = re.match(r"rust:([\d.]+)-", name)[1]
        if not re.match(rf"rustc {re.escape(version)}(\.|$|\s)", rustc("--version")):
            raise Skipped(f"the base image {name} cannot be pulled, and this machine has {rustc('--version')}")
        self.install(container, "ca-certificates", "g++", "make", "pkg-config")
        shutil.copyfile(CERTIFICATES, root + CERTIFICATES)
        self.copy_settings("~/.cargo/config.toml", root + "/usr/local/cargo/config.toml")
        toolchain = os.path.join(root, "usr/local/rustup")
        sysroot = rustc("--print", "sysroot")
        shutil.copytree(sysroot, toolchain, symlinks=True, ignore=shutil.ignore_patterns("doc", "man", "src"))
        return ["--cmd", "bash", "--env", "CARGO_HOME=/usr/local/cargo", "--env", "PATH=/usr/local/cargo/bin:/usr/local/rustup/bin:/usr/sbin:/usr/bin:/sbin:/bin"]

    def python(self, name, container, root):
        version = re.match(r"python:([\d.]+)-", name)[1]
        self.install(container, "ca-certificates", "python3", "python3-pip")
        shutil.copyfile(CERTIFICATES, root + CERTIFICATES)
        self.copy_settings("/etc/pip.conf", root + "/etc/pip.conf")
        self.copy_settings("~/.config/pip/pip.conf", root + "/root/.config/pip/pip.conf")
        write(root, "etc/xdg/pip/pip.conf", f"[download]\npython-version = {version}\nonly-binary = :all:\n")
        return ["--cmd", "python3"]

    def install(self, container, *packages):
        script = f"apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends {' '.join(packages)} && rm -rf /var/lib/apt/lists/*"
        try:
            self.engine.buildah("run", "--isolation", "chroot", container, "--", "sh", "-c", script)
        except RuntimeError as error:
            raise Skipped(f"Debian's packages cannot be installed: {error}") from None

    def copy_settings(self, source, target):
        """Settings by which this machine reaches the registry; the images stay on it."""
        source = os.path.expanduser(source)
        if os.path.exists(source):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(source, target)


def rustc(*arguments):
    program = shutil.which("rustc") or os.path.expanduser("~/.cargo/bin/rustc")
    try:
        return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "no rustc"


def write(root, name, text):
    path = os.path.join(root, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.islink(path):
        os.remove(path)
    with open(path, "w") as file:
        file.write(text)


def empty(folder):
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        path = os.path.join(folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.remove(path)
