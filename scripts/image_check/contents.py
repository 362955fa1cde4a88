"""Checks of a built image that do not run its server: configuration, labels, sizes, files, libraries."""

import json
import os
import re
import stat
import subprocess

from image_check.report import shortened

# Bytes.
BUDGETS = {"cpu": 700_000_000, "cuda": 4_000_000_000}

SECOND = 1_000_000_000

USER = 10001

# Libraries that the program opens at run time; the driver's is not part of the image.
OPENED_BY_PROGRAM = {"cpu": [], "cuda": ["libtorch_cuda.so", "libnvrtc.so.13", "libnvrtc-builtins.so.13.0"]}

# libtorch puts this name together at run time; it compiles the kernels of some rare operations.
UNNAMED = ["libcaffe2_nvrtc.so"]

COMPILERS = re.compile(r"(\w+-linux-gnu-)?(gcc|g\+\+|cc|c\+\+|cpp|ld|as|clang|rustc|cargo|make|cmake|nvcc|ptxas)(-[\d.]+)?$")

CACHES = re.compile(r"(\.deb|\.whl|\.crate)$|^/(root/\.cache|root/\.cargo|wheels|build|cache|var/lib/apt/lists|usr/local/cargo)/.")

SECRETS = re.compile(r"/(\.netrc|\.npmrc|\.pypirc|\.git-credentials|\.dockercfg|pip\.conf|credentials(\.toml|\.json)?|id_(rsa|ecdsa|ed25519)|\.env|\.git)$")

SECRET_NAMES = re.compile(r"token|secret|password|credential|api_?key", re.IGNORECASE)


def check_configuration(report, config, device):
    report.equal("user", config.get("User"), f"{USER}:{USER}")
    report.equal("entrypoint", config.get("Entrypoint"), ["/sbin/tini", "--"])
    report.equal("command", config.get("Cmd"), ["/usr/local/bin/clipdraw", "serve"])
    report.equal("ports", sorted(config.get("ExposedPorts") or {}), ["5000/tcp"])
    report.equal("working directory", config.get("WorkingDir"), "/src")
    health = config.get("Healthcheck") or {}
    report.equal("health check", health.get("Test"), ["CMD", "/usr/local/bin/clipdraw-health"])
    times = [health.get(name, 0) / SECOND for name in ("Interval", "Timeout", "StartPeriod")] + [health.get("Retries")]
    report.equal("times of the health check: interval, timeout, start period, retries", times, [10, 6, 300, 3])
    environment = dict(one.split("=", 1) for one in config.get("Env") or [])
    path = environment.pop("PATH", "")
    report.check("PATH has /usr/local/bin", "/usr/local/bin" in path.split(":"), path)
    expected = {"CLIPDRAW_WEIGHTS_DIR": "/weights"}
    if device == "cuda":
        expected |= {"NVIDIA_VISIBLE_DEVICES": "all", "NVIDIA_DRIVER_CAPABILITIES": "compute,utility", "NVIDIA_REQUIRE_CUDA": "cuda>=13.0"}
    report.equal("environment", environment, expected)


def check_labels(report, config, device, facts):
    """The labels, read as Cog's command reads them; `facts` has what they are compared with."""
    labels = config.get("Labels") or {}
    try:
        cog = json.loads(labels.get("run.cog.config", ""))
    except ValueError as error:
        cog = f"no JSON: {error}"
    expected = {"build": {"gpu": device == "cuda", "python_version": "3.12"}, "predict": "docker/run.py:Runner"}
    report.equal("label run.cog.config", cog, expected)
    version = labels.get("run.cog.version", "")
    report.check("label run.cog.version is a version of Cog", re.fullmatch(r"\d+\.\d+\.\d+", version) is not None, version)
    report.equal("label run.cog.openapi_schema is the document that the program prints", labels.get("run.cog.openapi_schema"), facts["schema"])
    try:
        inputs = json.loads(facts["schema"])["components"]["schemas"]["Input"]["properties"]
        report.check("the document declares inputs", "prompt" in inputs, f"{len(inputs)} inputs")
    except (ValueError, KeyError) as error:
        report.check("the document declares inputs", False, repr(error))
    # An empty label and none are the same to Cog.
    report.equal("label run.cog.pip_freeze", labels.get("run.cog.pip_freeze", ""), "")
    report.equal("label run.cog.has_init", labels.get("run.cog.has_init"), "true")
    for name, value in facts["oci"].items():
        report.equal(f"label org.opencontainers.image.{name}", labels.get(f"org.opencontainers.image.{name}"), value)
    known = {"config", "version", "openapi_schema", "pip_freeze", "has_init"}
    others = sorted(name for name in labels if name.startswith("run.cog.") and name[8:] not in known)
    report.equal("other labels of Cog", others, [])


def check_sizes(report, layers, device):
    for size, made in layers:
        text = re.sub(r"^/bin/(ba)?sh( -\w+)* |#\(nop\) |# buildkit|\s+", " ", made).strip()
        report.note(f"{size / 1e6:9.1f} MB  {text[:100]}")
    total = sum(size for size, _ in layers)
    figure = f"{total / 1e9:.2f} GB of {BUDGETS[device] / 1e9:.1f} GB"
    report.check("size of all layers", 0 < total <= BUDGETS[device], figure)


def files(root):
    """Yields the path in the image, the path here and the status of everything in it."""
    for folder, folders, names in os.walk(root):
        for name in folders + names:
            path = os.path.join(folder, name)
            yield path[len(root.rstrip("/")) :], path, os.lstat(path)


def check_files(report, root, config, history):
    everything = list(files(root))
    programs = [path for path, _, _ in everything if os.path.basename(os.path.dirname(path)) in ("bin", "sbin")]
    found = sorted(path for path in programs if COMPILERS.match(os.path.basename(path)))
    report.equal("compilers in the image", found, [])
    regular = [(path, place, status) for path, place, status in everything if stat.S_ISREG(status.st_mode)]
    caches = sorted(path for path, _, _ in regular if CACHES.search(path))
    report.equal("left by package managers", caches, [])
    secrets = sorted(path for path, _, _ in everything if SECRETS.search(path))
    secrets += [path for path, place, status in regular if status.st_size < 1 << 16 and has_private_key(place)]
    report.equal("files with secrets", secrets, [])
    variables = [one.split("=")[0] for one in config.get("Env") or []]
    named = [one for one in variables if SECRET_NAMES.search(one)]
    named += [shortened(line) for line in history if SECRET_NAMES.search(line.split("{")[0])]
    report.equal("secrets in the environment and the history", named, [])
    if os.geteuid() == 0:
        check_owners(report, everything)
    else:
        report.skip("the owners of files in the image: only root can unpack them")


def has_private_key(path):
    with open(path, "rb") as file:
        return b" PRIVATE KEY-----" in file.read()


def check_owners(report, everything):
    """What the user of the server may change: its own folders, and those for temporary files."""
    own = ("/home/clipdraw", "/weights", "/data", "/var/run/cog", "/run/cog")
    writable = []
    for path, _, status in everything:
        mode = status.st_mode
        if stat.S_ISLNK(mode) or path.startswith(("/proc/", "/sys/", "/dev/")):
            continue
        by_all = mode & stat.S_IWOTH and not mode & stat.S_ISVTX
        if (status.st_uid == USER or by_all) and not any(path == one or path.startswith(one + "/") for one in own):
            writable.append(path)
    report.equal("files that the server may change, outside its own folders", sorted(writable), [])
    owners = {path: status.st_uid for path, _, status in everything}
    for path in ("/data", "/weights"):
        report.equal(f"owner of {path}, and so of a new volume there", owners.get(path), USER)


def check_libraries(report, root, device):
    """Every library under /opt/libtorch is linked, or its name is in one that is."""
    places = {}
    for path, place, status in files(os.path.join(root, "opt/libtorch")):
        if re.search(r"\.so(\.|$)", path) and not stat.S_ISDIR(status.st_mode):
            places[os.path.basename(path)] = place
    program = os.path.join(root, "usr/local/bin/clipdraw")
    used, waiting = set(), [program, *[places[name] for name in OPENED_BY_PROGRAM[device] + UNNAMED if name in places]]
    missing = sorted(name for name in OPENED_BY_PROGRAM[device] if name not in places)
    report.equal("libraries that the program opens and that are missing", missing, [])
    while waiting:
        place = waiting.pop()
        if place in used:
            continue
        used.add(place)
        names = linked(place)
        if place != program:
            # A library opens another by its name, often put together from a part of it.
            stems = mentioned(place)
            names += [name for name in places if name.split(".so")[0] in stems]
        waiting += [places[name] for name in names if name in places]
    unused = {name: os.path.getsize(place) for name, place in places.items() if place not in used and not os.path.islink(place)}
    for name, size in sorted(unused.items(), key=lambda one: -one[1]):
        report.note(f"{size / 1e6:9.1f} MB  {name} is neither linked nor named")
    report.equal("libraries that neither the program nor libtorch opens", sorted(unused), [])
    sizes = sorted(((os.path.getsize(place), os.path.basename(place)) for place in used if place != program and not os.path.islink(place)), reverse=True)
    for size, name in sizes[:8]:
        report.note(f"{size / 1e6:9.1f} MB  {name}")


def linked(place):
    """The names of the libraries that a file links."""
    done = subprocess.run(["readelf", "--dynamic", "--wide", place], capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    return re.findall(r"\(NEEDED\)\s+Shared library: \[([^\]]+)\]", done.stdout)


def mentioned(place):
    """Everything in a file that looks like the beginning of a library's name."""
    command = ["grep", "--text", "--only-matching", "--no-filename", "--extended-regexp", "(lib|nvshmem_)[A-Za-z0-9_-]{2,60}", place]
    done = subprocess.run(command, capture_output=True, env={**os.environ, "LC_ALL": "C"})
    return {line.decode() for line in done.stdout.splitlines()}
