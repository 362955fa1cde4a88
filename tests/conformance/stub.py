"""docker/run.py with a body: the inputs of clipdraw under Cog's own server, and drawings for free.

What is logged, measured and given out has the form and the order of clipdraw's, so that whole
answers can be compared. A drawing takes time only if the environment says so.
"""

import os
import time
from pathlib import Path as File

from cog import Path

PREDICTOR = File(__file__).resolve().parents[2] / "docker" / "run.py"
# Of a drawing of up to ten strokes; it grows with their number.
SECONDS_PER_STEP = float(os.environ.get("STUB_SECONDS_PER_STEP", "0"))
FOLDER = File(os.environ["STUB_FOLDER"])
PNG = b"\x89PNG\r\n\x1a\n"
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="{}" height="{}"/>\n'


def setup(self):
    match os.environ.get("STUB_SETUP"):
        case "endless":
            time.sleep(3600)
        case "failing":
            raise RuntimeError("these are no weights")


def terms(prompt):
    texts = [text.rsplit(":", 1)[0].strip() for text in prompt.split("|")]
    return [{"prompt": text, "weight": 1.0, "similarity": 0.5, "loss": -0.5} for text in texts]


def draw(runner, inputs):
    prompt, steps, every = inputs["prompt"], inputs["num_iterations"], inputs["display_frequency"]
    runner.record_metric("seed", 1 if inputs["seed"] is None else inputs["seed"])
    print(f"drawing `{prompt}`")
    for step in range(steps + 1):
        if step == steps or step % every == 0:
            runner.record_metric("step", step)
            runner.record_metric("steps_per_second", 100.0)
            losses = {"total": -0.5, "clip": -0.5, "centre": 0.0, "prompts": terms(prompt)}
            runner.record_metric("losses", losses)
            print(f"step {step}/{steps}")
            file = FOLDER / f"drawing-{step:05}.{inputs['output_format']}"
            svg = SVG.format(inputs["canvas_width"], inputs["canvas_height"])
            file.write_bytes(PNG if inputs["output_format"] == "png" else svg.encode())
            yield Path(file)
        if SECONDS_PER_STEP:
            time.sleep(SECONDS_PER_STEP * max(1, inputs["num_paths"] / 10))


# The class as it stands, so that the inputs cannot differ; only its refusal to run is replaced.
declaration, refusal, _ = PREDICTOR.read_text().partition("raise NotImplementedError(")
assert refusal, "docker/run.py ends with a refusal to run"
exec(compile(declaration + "yield from draw(self, locals())\n", PREDICTOR, "exec"))
Runner.setup = setup  # noqa: F821 (defined by the line above)
