"""Carries the program to a machine that has the checkout: the binary without its embedded weights, compressed."""

import hashlib
import json
import lzma
import os
import shutil
import subprocess
import tempfile


def pack(binary, weights, packed):
    """Writes a JSON line with the place of the weights and the checksum, then the rest of the binary as xz."""
    with tempfile.TemporaryDirectory() as work:
        stripped = os.path.join(work, "clipdraw")
        shutil.copy(binary, stripped)
        subprocess.run(["strip", stripped], check=True)
        data = read(stripped)
    content = read(weights)
    place = data.find(content)
    if place < 0:
        raise SystemExit(f"gpu-check: {binary} does not contain {weights}")
    header = {"place": place, "sha256": hashlib.sha256(data).hexdigest()}
    rest = data[:place] + data[place + len(content) :]
    with open(packed, "wb") as file:
        file.write(json.dumps(header).encode() + b"\n")
        file.write(lzma.compress(rest, preset=6))
    print(f"{packed}: {os.path.getsize(packed):,} bytes of {len(data):,}")


def unpack(packed, weights, binary):
    """Puts the binary together again."""
    header, rest = read(packed).split(b"\n", 1)
    header, rest = json.loads(header), lzma.decompress(rest)
    place = header["place"]
    data = rest[:place] + read(weights) + rest[place:]
    if hashlib.sha256(data).hexdigest() != header["sha256"]:
        raise SystemExit(f"gpu-check: {packed} was packed with other weights than {weights}")
    with open(binary, "wb") as file:
        file.write(data)
    os.chmod(binary, 0o755)


def read(path):
    with open(path, "rb") as file:
        return file.read()
