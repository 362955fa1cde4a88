"""Writes PyTorch files in many forms, and prints the numbers that tests/it/checkpoints.rs expects.

Run it in the environment of `scripts/parity`:
    python scripts/checkpoint_fixtures.py           writes the small files under tests/it/fixtures/checkpoints
    python scripts/checkpoint_fixtures.py --print   prints the embeddings of the models of the test by open_clip and transformers

The weights follow from a formula that is also in the test (tests/it/support/clip_files.rs).
"""

import argparse
import json
import math
from pathlib import Path

import numpy
import open_clip
import torch

FOLDER = Path(__file__).resolve().parent.parent / "tests/it/fixtures/checkpoints"
MEAN, DEVIATION = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
TEXTS = ["a cat", "a watercolor painting of an underwater submarine"]


def numbers(name, shape):
    """Numbers from -0.5 to 0.5 for a name: the upper 24 bits of splitmix64, with the FNV-1a of the name as seed."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 % 2**64
    with numpy.errstate(over="ignore"):
        x = numpy.uint64(seed) + (numpy.arange(1, math.prod(shape) + 1, dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15))
        x = (x ^ (x >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        x = x ^ (x >> numpy.uint64(31))
    return torch.from_numpy((x >> numpy.uint64(40)).astype(numpy.float64) / 2**24 - 0.5).float().reshape(shape)


def weight(name, shape):
    if len(shape) < 2 and name != "visual.class_embedding":
        return numbers(name, shape) * 0.5 + (1.0 if name.endswith(("weight", "gamma")) else 0.0)
    fan = math.prod(shape[1:]) if len(shape) > 1 else shape[0]
    return numbers(name, shape) * 4.0 * 2.0 ** -(int(math.log2(fan)) // 2)


def model_of(config, **kwargs):
    model = open_clip.model.CLIP(**config, **kwargs).eval().requires_grad_(False)
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and "logit" not in name:
            tensor.copy_(weight(name, tuple(tensor.shape)))
    return model


def normalized(size, mean=MEAN, deviation=DEVIATION):
    mean, deviation = (torch.tensor(values).reshape(1, 3, 1, 1) for values in (mean, deviation))
    return (numbers("picture", (1, 3, size, size)) + 0.5 - mean) / deviation


def embed(model, size, mean=MEAN, deviation=DEVIATION, context=77):
    tokens = open_clip.tokenize(TEXTS, context_length=context)
    image = model.encode_image(normalized(size, mean, deviation), normalize=True)
    return image[0], model.encode_text(tokens, normalize=True)


def row(vector):
    return "[" + ", ".join(f"{x:.5f}" for x in vector[:4].tolist()) + "]"


def show(name, image, text):
    print(f"{name}:\n    image {row(image)}\n    texts {row(text[0])} {row(text[1])}")


WIDE = dict(
    embed_dim=12,
    quick_gelu=False,
    vision_cfg=dict(layers=2, width=96, head_width=48, patch_size=8, image_size=16, mlp_ratio=160 / 96),
    text_cfg=dict(context_length=77, vocab_size=49408, width=16, heads=2, layers=2, mlp_ratio=2.5),
)


def changed(config, **changes):
    """A configuration with other values; `vision_x` and `text_x` are inside the towers."""
    config = {key: dict(value) if isinstance(value, dict) else value for key, value in config.items()}
    for key, value in changes.items():
        tower, _, rest = key.partition("_")
        if tower in ("vision", "text"):
            config[f"{tower}_cfg"][rest] = value
        else:
            config[key] = value
    return config


def print_expected():
    show("wide, gelu", *embed(model_of(WIDE), 16))
    show("wide, quick_gelu", *embed(model_of(changed(WIDE, quick_gelu=True)), 16))
    show("wide, heads of 64", *embed(model_of(changed(WIDE, vision_head_width=96, text_heads=1, quick_gelu=True)), 16))
    norms = changed(WIDE, vision_norm_kwargs=dict(eps=0.5), text_norm_kwargs=dict(eps=0.25))
    show("wide, norms", *embed(model_of(norms), 16))
    show("wide, mean and std", *embed(model_of(WIDE), 16, [0.5, 0.25, 0.125], [0.5, 0.25, 1.0]))
    show("wide, layer scale", *embed(model_of(changed(WIDE, vision_ls_init_value=0.1, text_ls_init_value=0.1)), 16))
    show("wide, 19 pixels", *embed(model_of(changed(WIDE, vision_image_size=19)), 19))
    long = model_of(changed(WIDE, text_context_length=248))
    table = long.positional_embedding
    table[20:] = weight("positional_embedding_res", tuple(table.shape))[20:]
    show("long", *embed(long, 16, context=248))
    text = long.encode_text(open_clip.tokenize(["cat " * 200], context_length=248), normalize=True)
    print("    200 cats", [round(x, 5) for x in text[0, :4].tolist()])
    transformers_expected()


def transformers_expected():
    """The embeddings of the wide model by transformers, with a different activation function in each tower."""
    import sys

    sys.path.insert(0, str(Path(__file__).parent))
    import parity
    from transformers import CLIPConfig, CLIPModel

    vision = dict(hidden_size=96, intermediate_size=160, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=8)
    text = dict(hidden_size=16, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2, eos_token_id=2, layer_norm_eps=0.25)
    model = CLIPModel(CLIPConfig(projection_dim=12, vision_config={**vision, "hidden_act": "gelu"}, text_config=text)).eval()
    state = parity.hugging_face({k: v for k, v in model_of(WIDE).state_dict().items()})
    missing, extra = model.load_state_dict(state, strict=False)
    assert not extra and all("position_ids" in name for name in missing), (missing, extra)
    with torch.no_grad():
        image = model.get_image_features(pixel_values=normalized(16))
        texts = model.get_text_features(input_ids=open_clip.tokenize(TEXTS))
    image, texts = (torch.nn.functional.normalize(getattr(x, "pooler_output", x), dim=-1) for x in (image, texts))
    show("wide in transformers, gelu and quick_gelu, text eps 0.25", image[0], texts)


SMALL = dict(
    embed_dim=6,
    quick_gelu=True,
    vision_cfg=dict(layers=1, width=8, head_width=8, patch_size=4, image_size=8),
    text_cfg=dict(context_length=77, vocab_size=49408, width=8, heads=1, layers=1),
)


def small_state(model):
    """Half precision, and one row for all tokens, so that the files are small. The model gets the same numbers."""
    model.token_embedding.weight.copy_(weight("row", (1, 8)).expand(49408, 8))
    state = {}
    for name, tensor in model.state_dict().items():
        half = tensor.half()
        tensor.copy_(half)
        state[name] = half
    state["token_embedding.weight"] = weight("row", (1, 8)).half().expand(49408, 8)
    return state


def write_files():
    FOLDER.mkdir(exist_ok=True)
    model = model_of(SMALL)
    state = small_state(model)
    show("small", *embed(model, 8))
    slots = {index: dict(step=torch.tensor(3.0), exp_avg=torch.ones(8), exp_avg_sq=torch.ones(8)) for index in range(2)}
    optimizer = dict(state=slots, param_groups=[dict(lr=1e-3, betas=(0.9, 0.98), params=[0, 1])])
    wrapped = {f"module.{name}": tensor for name, tensor in state.items()}
    epoch = dict(epoch=3, name="run", state_dict=wrapped, optimizer=optimizer, scaler=dict(scale=65536.0))
    torch.save(epoch, FOLDER / "epoch_3.pt")
    training = dict(model_state_dict=state, optimizer_state_dict=optimizer, loss=torch.tensor(0.5), args=argparse.Namespace(rate=1e-3))
    torch.save(training, FOLDER / "before_1_6.pt", _use_new_zipfile_serialization=False)
    custom = {}
    for name, tensor in state.items():
        prefix = "" if name.startswith("visual.") or "logit" in name else "text."
        custom[f"_orig_mod.{prefix}{name}"] = tensor
    torch.save(dict(run=[dict(weights=custom), "done"]), FOLDER / "custom_text.pt", _use_new_zipfile_serialization=False, pickle_protocol=4)
    whole = open_clip.model.CLIP(**SMALL).half()
    whole.load_state_dict(state)
    whole.token_embedding.weight = torch.nn.Parameter(state["token_embedding.weight"], requires_grad=False)
    torch.save(torch.nn.DataParallel(whole), FOLDER / "whole_module.pt")
    names = sorted(state)
    shards = {"pytorch_model-00001-of-00002.bin": names[::2], "pytorch_model-00002-of-00002.bin": names[1::2]}
    sharded = FOLDER / "sharded"
    sharded.mkdir(exist_ok=True)
    for file, part in shards.items():
        torch.save({name: state[name] for name in part}, sharded / file)
    places = {name: file for file, part in shards.items() for name in part}
    (sharded / "pytorch_model.bin.index.json").write_text(json.dumps(dict(metadata={}, weight_map=places), indent=1) + "\n")
    for file in FOLDER.rglob("*.*"):
        print(file.name, file.stat().st_size)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--print", action="store_true", help="print the expected numbers and write nothing")
    if parser.parse_args().print:
        print_expected()
    else:
        write_files()


if __name__ == "__main__":
    main()
