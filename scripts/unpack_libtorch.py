#!/usr/bin/env python3
"""Unpacks from PyTorch's wheels what a C++ program links: libraries and headers.

  unpack_libtorch.py needs  WHEELS cpu|cuda         prints what pip has to fetch besides torch
  unpack_libtorch.py unpack WHEELS cpu|cuda TARGET  fills the folder TARGET and loads the result

Only Python's own library is used, and Python 3.7 suffices.
"""

import ctypes
import fnmatch
import os
import re
import shutil
import sys
import zipfile

# A torch wheel built with CUDA links these two even where no GPU is used; versions as in
# the `cuda-toolkit` package that torch 2.11.0 requires.
CPU_NEEDS = ["nvidia-cuda-cupti==13.0.85", "nvidia-cuda-runtime==13.0.96"]

# What makes a wheel heavy and is linked by Python or CUDA code only.
NOT_FOR_CPU = ["*_cuda.so", "*_cuda_*.so", "*_nvshmem.so", "*_nvrtc.so"]
NEVER = ["*_python.*", "*/libshm*", "*_global_deps.*", "*.a"]
CPU_NVIDIA = ["*/libcudart.so*", "*/libcupti.so*"]


def torch_wheel(folder):
    for name in os.listdir(folder):
        if name.startswith("torch-") and name.endswith(".whl"):
            return zipfile.ZipFile(os.path.join(folder, name))
    sys.exit("unpack_libtorch: no torch wheel in " + folder)


def read(wheel, pattern):
    (name,) = fnmatch.filter(wheel.namelist(), pattern)
    return wheel.read(name).decode("utf-8")


def built_with_cuda(wheel):
    return re.search(r"^cuda.*= '", read(wheel, "torch/version.py"), re.M) is not None


def needs(wheel, kind):
    if not built_with_cuda(wheel):
        return []
    if kind == "cpu":
        return CPU_NEEDS
    required = re.findall(r"^Requires-Dist: ([^;\n]+)", read(wheel, "torch-*/METADATA"), re.M)
    return [one.strip() for one in required if re.match(r"nvidia-|cuda-toolkit", one)]


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def wanted(name, kind):
    """Whether a member of a wheel is needed to compile, to link, to run, or to obey its licence."""
    if matches(name, ["*.dist-info/*LICENSE*", "*.dist-info/*NOTICE*", "*.dist-info/*License*"]):
        return True
    if name.startswith("torch/include/") or name == "torch/version.py":
        return True
    if matches(name, NEVER) or not matches(name, ["*.so", "*.so.*", "*.dylib"]):
        return False
    if name.startswith("nvidia/"):
        return kind == "cuda" or matches(name, CPU_NVIDIA)
    if name.startswith(("torch/lib/", "torch.libs/", "torch/.dylibs/")):
        return kind == "cuda" or not matches(name, NOT_FOR_CPU)
    return False


def unpack(folder, kind, target):
    for wheel_name in sorted(os.listdir(folder)):
        if not wheel_name.endswith(".whl"):
            continue
        with zipfile.ZipFile(os.path.join(folder, wheel_name)) as wheel:
            for name in wheel.namelist():
                if not name.endswith("/") and wanted(name, kind):
                    wheel.extract(name, target)
    lib = os.path.join(target, "torch", "lib")
    with torch_wheel(folder) as wheel:
        cuda = built_with_cuda(wheel)
        version = re.search(r"__version__ = '([^'+]+)", read(wheel, "torch/version.py")).group(1)
    if cuda and kind == "cpu":
        # The real libtorch.so only forwards to the CPU and the CUDA half, and the latter is gone.
        os.remove(os.path.join(lib, "libtorch.so"))
        os.symlink("libtorch_cpu.so", os.path.join(lib, "libtorch.so"))
    if kind == "cuda" and not cuda:
        print("unpack_libtorch: note: the wheel for this platform has no CUDA", file=sys.stderr)
    with open(os.path.join(target, "torch", "build-version"), "w") as file:
        file.write(version + ("+cuda\n" if cuda and kind == "cuda" else "+cpu\n"))
    load(lib)


def load(lib):
    """A library that is missing shows here, with its name, and not after minutes of compiling."""
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    try:
        ctypes.CDLL(os.path.join(lib, "libtorch" + suffix))
    except OSError as error:
        sys.exit("unpack_libtorch: libtorch does not load: %s" % error)


def main(arguments):
    if len(arguments) == 3 and arguments[0] == "needs":
        with torch_wheel(arguments[1]) as wheel:
            for requirement in needs(wheel, arguments[2]):
                print(requirement)
    elif len(arguments) == 4 and arguments[0] == "unpack":
        shutil.rmtree(arguments[3], ignore_errors=True)
        unpack(*arguments[1:])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
