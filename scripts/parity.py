"""Compares clipdraw's CLIP with open_clip's: embeddings, the gradient of the pictures, and speed.

`scripts/parity` runs this in its own environment:
    scripts/parity              full-size random models in every layout, a table of cosines and times
    scripts/parity --fixtures   writes the small files under tests/it/fixtures
"""

import argparse
import copy
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import open_clip
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "tests/it/fixtures"
MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).reshape(1, 3, 1, 1)
DEVIATION = torch.tensor([0.26862954, 0.26130258, 0.27577711]).reshape(1, 3, 1, 1)
TEXTS = ["a watercolor painting of an underwater submarine", "a cat", "İstanbul at night, 3 cats & it’s raining 😀"]

FULL_TEXT = dict(context_length=77, vocab_size=49408, width=512, heads=8, layers=12)
TINY_TEXT = dict(context_length=77, vocab_size=49408, width=4, heads=2, layers=2)
MODELS = {
    "ViT-B/32": dict(embed_dim=512, vision_cfg=dict(layers=12, width=768, patch_size=32, image_size=224), text_cfg=FULL_TEXT, quick_gelu=True),
    "RN50": dict(embed_dim=1024, vision_cfg=dict(layers=[3, 4, 6, 3], width=64, image_size=224), text_cfg=FULL_TEXT, quick_gelu=True),
    "tiny_vit": dict(embed_dim=24, vision_cfg=dict(layers=3, width=32, patch_size=8, image_size=32, head_width=8), text_cfg=TINY_TEXT, quick_gelu=True),
    "tiny_resnet": dict(embed_dim=24, vision_cfg=dict(layers=[1, 2, 1, 1], width=4, image_size=64, head_width=16), text_cfg=TINY_TEXT, quick_gelu=True),
    "embedded": dict(embed_dim=384, quick_gelu=False, text_cfg=dict(context_length=77, vocab_size=49408, width=192, heads=3, layers=3),
                     vision_cfg=dict(timm_model_name="tf_efficientnet_lite0", timm_pool="avg", timm_proj="linear", timm_proj_bias=True, image_size=64)),
}
ONE_HEAD = dict(TINY_TEXT, heads=1)
MODELS["tiny_vit_script"] = dict(MODELS["tiny_vit"], vision_cfg=dict(MODELS["tiny_vit"]["vision_cfg"], head_width=32), text_cfg=ONE_HEAD)
MODELS["tiny_resnet_script"] = dict(MODELS["tiny_resnet"], vision_cfg=dict(MODELS["tiny_resnet"]["vision_cfg"], head_width=64), text_cfg=ONE_HEAD)


def build(name):
    """The model with random weights, and random statistics in its norms so that folding them is tested."""
    torch.manual_seed(20210226)
    model = open_clip.model.CLIP(**MODELS[name]).eval().requires_grad_(False)
    for key, tensor in model.state_dict().items():
        if key.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
        elif key.endswith(("running_mean", "bias")):
            tensor.normal_(0, 0.1)
        elif tensor.dim() == 1 and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    return model


def state(model, kind=torch.float32):
    """The tensors that a weight file has, in `kind`; the model is left with the same rounding."""
    tensors = {k: v.to(kind) if v.is_floating_point() else v for k, v in model.state_dict().items()}
    model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    return {k: v.contiguous() for k, v in tensors.items() if not k.endswith("num_batches_tracked")}


def hugging_face(tensors):
    """A ViT's tensors under the names of transformers' CLIPModel, queries, keys and values apart."""
    whole = {
        "visual.class_embedding": "vision_model.embeddings.class_embedding",
        "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
        "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
        "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
        "positional_embedding": "text_model.embeddings.position_embedding.weight",
        "logit_scale": "logit_scale",
    }
    parts = [
        ("visual.transformer.resblocks.", "vision_model.encoder.layers."), ("transformer.resblocks.", "text_model.encoder.layers."),
        ("visual.ln_pre.", "vision_model.pre_layrnorm."), ("visual.ln_post.", "vision_model.post_layernorm."),
        ("ln_final.", "text_model.final_layer_norm."), (".attn.out_proj.", ".self_attn.out_proj."), (".ln_1.", ".layer_norm1."),
        (".ln_2.", ".layer_norm2."), (".mlp.c_fc.", ".mlp.fc1."), (".mlp.c_proj.", ".mlp.fc2."),
    ]
    renamed = {}
    for name, tensor in tensors.items():
        new = whole.get(name, name)
        for old, theirs in parts:
            new = new.replace(old, theirs) if name not in whole else new
        if ".attn.in_proj_" in new:
            kind = new.rsplit("_", 1)[1]
            for part, piece in zip("qkv", tensor.chunk(3)):
                renamed[new.split(".attn.")[0] + f".self_attn.{part}_proj.{kind}"] = piece.contiguous()
        elif name == "visual.proj":
            renamed["visual_projection.weight"] = tensor.t().contiguous()
        elif name == "text_projection":
            renamed["text_projection.weight"] = tensor.t().contiguous()
        else:
            renamed[new] = tensor
    return renamed


class Tree(nn.Module):
    """A module that only holds tensors under their dotted names, for TorchScript."""

    def forward(self, x):
        return x


def torch_script(tensors, file):
    """Saves tensors as OpenAI did: a TorchScript archive, running statistics as buffers."""
    root = Tree()
    for name, tensor in tensors.items():
        *path, leaf = name.split(".")
        node = root
        for part in path:
            if part not in node._modules:
                node.add_module(part, Tree())
            node = node._modules[part]
        if leaf.startswith("running_"):
            node.register_buffer(leaf, tensor)
        else:
            node.register_parameter(leaf, nn.Parameter(tensor, requires_grad=False))
    torch.jit.script(root).save(str(file))


def expected(model, pictures, texts, mean=MEAN, deviation=DEVIATION):
    """Unit embeddings, and the gradient of the sum of all cosines with the texts to the pictures."""
    tokens = open_clip.tokenize(texts)
    pictures = pictures.clone().requires_grad_(True)
    text = model.encode_text(tokens, normalize=True)
    image = model.encode_image((pictures - mean) / deviation, normalize=True)
    (gradient,) = torch.autograd.grad((image @ text.t()).sum(), pictures)
    return dict(pictures=pictures.detach(), image=image.detach(), text=text.detach(), gradient=gradient)


def metadata(name):
    model = MODELS[name]
    vision, text = model["vision_cfg"], model["text_cfg"]
    channels = vision["width"] * (32 if isinstance(vision["layers"], list) else 1)
    heads = {"vision_heads": str(channels // vision.get("head_width", 64)), "text_heads": str(text["heads"])}
    return {**heads, "activation": "quick_gelu" if model["quick_gelu"] else "gelu"}


def answered(name):
    """A tiny model's half-precision tensors, and what open_clip makes of them."""
    model = build(name)
    tensors = state(model, torch.float16)
    side = MODELS[name]["vision_cfg"]["image_size"]
    return tensors, expected(model, torch.rand(2, 3, side, side), TEXTS)


def save_answers(name, answers):
    save_file(answers, FIXTURES / f"{name}_expected.safetensors", {"texts": json.dumps(TEXTS)})


def write_fixtures():
    torch.set_num_threads(1)
    for name in ["tiny_vit", "tiny_resnet"]:
        tensors, answers = answered(name)
        save_file(tensors, FIXTURES / f"{name}.safetensors", metadata(name))
        save_answers(name, answers)
        # OpenAI's archives say nothing about heads, so these follow the rule of 64 channels, and at least one head.
        tensors, answers = answered(f"{name}_script")
        torch_script(tensors, FIXTURES / f"{name}_script.pt")
        save_answers(f"{name}_script", answers)
    tensors, _ = answered("tiny_vit")
    save_file(hugging_face(tensors), FIXTURES / "tiny_vit_hf.safetensors", metadata("tiny_vit"))
    save_answers("embedded", embedded_answers())
    for file in filter(Path.is_file, FIXTURES.iterdir()):
        file.chmod(0o644)
    subprocess.run([sys.executable, ROOT / "scripts/checkpoint_fixtures.py"], check=True)
    subprocess.run([sys.executable, ROOT / "scripts/token_fixture.py", FIXTURES / "tokens.json.gz"], check=True)


def timm_names(visual, folded, tower):
    """An embedded tower's tensors under timm's names. Its norms lie in its convolutions, so timm's do nothing but add the bias."""
    trunk = visual.trunk
    pairs = [("stem", trunk.conv_stem, trunk.bn1), ("head", trunk.conv_head, trunk.bn2)]
    for index, block in enumerate(block for stage in trunk.blocks for block in stage):
        if hasattr(block, "conv_pwl"):
            parts = [("expand", block.conv_pw, block.bn1), ("depthwise", block.conv_dw, block.bn2), ("project", block.conv_pwl, block.bn3)]
        else:
            parts = [("depthwise", block.conv_dw, block.bn1), ("project", block.conv_pw, block.bn2)]
        pairs += [(f"blocks.{index}.{part}", convolution, norm) for part, convolution, norm in parts]
    for name, convolution, norm in pairs:
        convolution.weight.copy_(folded.pop(f"{tower}.{name}.weight"))
        norm.weight.fill_(1), norm.running_mean.zero_(), norm.running_var.fill_(1 - norm.eps)
        norm.bias.copy_(folded.pop(f"{tower}.{name}.bias"))
    visual.head.proj.weight.copy_(folded.pop(f"{tower}.projection.weight"))
    visual.head.proj.bias.copy_(folded.pop(f"{tower}.projection.bias"))


class ByTurns(nn.Module):
    """Image towers that read pictures by turns, two by two."""

    def __init__(self, towers):
        super().__init__()
        self.towers = nn.ModuleList(towers)

    def forward(self, pictures):
        pairs = pictures.split(2)
        return torch.cat([self.towers[turn % len(self.towers)](pair) for turn, pair in enumerate(pairs)])


def embedded_file():
    """The tensors of the weight file as 32-bit numbers, rows of bytes multiplied by their scale, and its facts."""
    with safe_open(next((ROOT / "weights").glob("compact-*.safetensors")), "pt") as file:
        tensors, facts = {name: file.get_tensor(name).float() for name in file.keys()}, file.metadata()
    for name in [name for name in tensors if name.endswith(".scale")]:
        tensor, scale = tensors[name.removesuffix(".scale")], tensors.pop(name)
        tensor *= scale.reshape(-1, *[1] * (tensor.dim() - 1))
    return tensors, facts


def embedded_model():
    model = open_clip.model.CLIP(**MODELS["embedded"]).eval().requires_grad_(False)
    tensors, facts = embedded_file()
    towers = []
    # The names are those that have not been given to a tower yet.
    while names := sorted(name.split(".")[0] for name in tensors if name.startswith("visual")):
        towers.append(copy.deepcopy(model.visual))
        timm_names(towers[-1], tensors, names[0])
    model.load_state_dict(tensors, strict=False)
    model.visual = ByTurns(towers)
    channels = [torch.tensor([float(x) for x in facts[key].split(",")]).reshape(1, 3, 1, 1) for key in ["image_mean", "image_std"]]
    return model, channels


def embedded_answers():
    torch.manual_seed(1)
    model, channels = embedded_model()
    # Two for each tower, and the last one alone.
    pictures = torch.rand(2 * len(model.visual.towers) - 1, 3, 64, 64)
    return expected(model, pictures, TEXTS, *channels)


def cosine(a, b):
    a, b = a.double().flatten(1), b.double().flatten(1)
    return torch.cosine_similarity(a, b, dim=1).min().item()


def run_probe(probe, model, precision, pictures, answers):
    command = [probe, str(model), precision, "0", str(pictures), str(answers)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if not process.stdout.readline():
        process.wait()
        raise SystemExit(f"clip_probe failed on {model}")
    return process


def read_answers(file, wanted):
    found = load_file(file)
    return {name: found[name].reshape(wanted[name].shape) for name in ["image", "text", "gradient"]}


def layouts(name, model, folder):
    """Every layout that exists for this model, as files."""
    if name == "embedded":
        return {"built in": "embedded"}
    # OpenAI stored half precision, so the model is rounded to it before open_clip answers.
    tensors = state(model, torch.float16)
    files = {"OpenAI names": folder / "openai.safetensors", "TorchScript": folder / "openai.pt"}
    save_file(tensors, files["OpenAI names"])
    torch_script(tensors, files["TorchScript"])
    if "ViT" in name:
        files["Hugging Face"] = folder / "hugging_face.safetensors"
        renamed = hugging_face(tensors)
        save_file(renamed, files["Hugging Face"], {"format": "pt"})
        check_names(renamed)
    return files


def check_names(renamed):
    """transformers itself must find every tensor of a full-size ViT-B/32 and miss none."""
    from transformers import CLIPConfig, CLIPModel

    with torch.device("meta"):
        names = {n for n in CLIPModel(CLIPConfig()).state_dict() if not n.endswith("position_ids")}
    if names != set(renamed):
        raise SystemExit(f"not transformers' names: {sorted(names ^ set(renamed))[:5]}")


def time_theirs(model, pictures, texts):
    direction = model.encode_text(open_clip.tokenize(texts), normalize=True).sum(0)

    def step():
        start = time.perf_counter()
        views = pictures.clone().requires_grad_(True)
        image = model.encode_image((views - MEAN) / DEVIATION, normalize=True)
        torch.autograd.grad((image @ direction).sum(), views)
        return time.perf_counter() - start

    step()
    return step


def compare(name, probe, folder, rounds):
    model, channels = embedded_model() if name == "embedded" else (build(name), (MEAN, DEVIATION))
    files = layouts(name, model, folder)
    side = MODELS[name]["vision_cfg"]["image_size"]
    wanted = expected(model, torch.rand(4, 3, side, side), TEXTS, *channels)
    pictures, answers = folder / "pictures.safetensors", folder / "answers.safetensors"
    save_file({"pictures": wanted["pictures"]}, pictures, {"texts": json.dumps(TEXTS)})
    good = True
    for layout, file in files.items():
        process = run_probe(probe, file, "fp32", pictures, answers)
        found = read_answers(answers, wanted)
        cosines = [cosine(found[part], wanted[part]) for part in ["image", "text", "gradient"]]
        ours, theirs = alternate(process, time_theirs(model, wanted["pictures"], TEXTS), rounds)
        good &= min(cosines[:2]) > 0.99999 and cosines[2] > 0.9999
        numbers = " ".join(f"{value:.9f}" for value in cosines)
        print(f"{name:10} {layout:13} {numbers} {ours * 1e3:9.1f} {theirs * 1e3:9.1f}", flush=True)
    return good


def alternate(process, theirs, rounds):
    """Medians of steps that take turns, so that a busy machine slows both alike."""
    ours, others = [], []
    for _ in range(rounds + 1):
        process.stdin.write("\n")
        process.stdin.flush()
        ours.append(float(process.stdout.readline()))
        others.append(theirs())
    process.stdin.close()
    process.wait()
    return statistics.median(ours[1:]), statistics.median(others[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fixtures", action="store_true", help="write the files under tests/it/fixtures")
    parser.add_argument("--rounds", type=int, default=9, help="timed steps of each side")
    parser.add_argument("--models", nargs="*", default=["embedded", "ViT-B/32", "RN50"])
    options = parser.parse_args()
    if options.fixtures:
        return write_fixtures()
    probe = os.environ["CLIP_PROBE"]
    print("smallest cosine with open_clip, and milliseconds of a step forward and back, 4 views, fp32, CPU")
    print(f"{'model':10} {'layout':13} {'image':>11} {'text':>11} {'gradient':>11} {'clipdraw':>9} {'open_clip':>9}")
    with tempfile.TemporaryDirectory() as folder:
        results = [compare(name, probe, Path(folder), options.rounds) for name in options.models]
    if not all(results):
        raise SystemExit("a cosine is too small")


if __name__ == "__main__":
    main()
