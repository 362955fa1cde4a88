"""CLIP models with random weights, for machines where nothing can be downloaded: safetensors, OpenAI's names, fp16.

The weights are not normally distributed: all values of a tensor lie between a power of two and twice that, with random
signs. Python's own library makes such numbers in seconds, because a byte of random bits becomes half of one.
"""

import json
import math
import random

# Patch size, width, layers and embedding of the image tower; width and layers of the text tower.
SIZES = {
    "tiny": (32, 64, 2, 64, 64, 2),
    "ViT-B/32": (32, 768, 12, 512, 512, 12),
    "ViT-L/14": (14, 1024, 24, 768, 768, 12),
}

VOCABULARY = 49408
CONTEXT = 77
IMAGE = 224

# The root mean square of a uniform distribution from 1 to 2.
ROOT_MEAN_SQUARE = math.sqrt(7 / 3)


def shapes(size):
    """Yields name, shape and standard deviation of each tensor; a deviation of None stands for ones."""
    patch, width, layers, embedding, text_width, text_layers = SIZES[size]

    def norm(name, width):
        yield name + ".weight", (width,), None
        yield name + ".bias", (width,), 0.01

    def blocks(prefix, width, layers):
        for layer in range(layers):
            block = f"{prefix}transformer.resblocks.{layer}."
            yield from norm(block + "ln_1", width)
            yield from norm(block + "ln_2", width)
            for name, columns, rows in (
                ("attn.in_proj_", width, 3 * width),
                ("attn.out_proj.", width, width),
                ("mlp.c_fc.", width, 4 * width),
                ("mlp.c_proj.", 4 * width, width),
            ):
                yield block + name + "weight", (rows, columns), columns**-0.5
                yield block + name + "bias", (rows,), 0.01

    yield "visual.conv1.weight", (width, 3, patch, patch), (3 * patch * patch) ** -0.5
    yield "visual.class_embedding", (width,), width**-0.5
    yield "visual.positional_embedding", ((IMAGE // patch) ** 2 + 1, width), width**-0.5
    yield from norm("visual.ln_pre", width)
    yield from norm("visual.ln_post", width)
    yield "visual.proj", (width, embedding), width**-0.5
    yield from blocks("visual.", width, layers)
    yield "token_embedding.weight", (VOCABULARY, text_width), 0.02
    yield "positional_embedding", (CONTEXT, text_width), 0.01
    yield from norm("ln_final", text_width)
    yield "text_projection", (text_width, embedding), text_width**-0.5
    yield from blocks("", text_width, text_layers)
    yield "logit_scale", (), None


def values(generator, count, deviation):
    """Numbers of IEEE half precision: 1 bit of sign, 5 of exponent (with bias 15), 10 of mantissa."""
    if deviation is None:
        return b"\x00\x3c" * count
    exponent = 15 + round(math.log2(deviation / ROOT_MEAN_SQUARE))
    high = bytes((byte & 0b10000011) | (exponent << 2) for byte in range(256))
    data = bytearray(2 * count)
    data[0::2] = generator.randbytes(count)
    data[1::2] = generator.randbytes(count).translate(high)
    return data


def write(size, path):
    """Writes a model; the same bytes each time."""
    header, end = {}, 0
    for name, shape, _ in shapes(size):
        start, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    generator = random.Random(1)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, shape, deviation in shapes(size):
            file.write(values(generator, math.prod(shape), deviation))
