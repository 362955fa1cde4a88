"""The inputs of clipdraw in the words of Cog's Python SDK. Nothing ever runs this file.

`cog build` and `cog push` read it, without starting Python, to write the OpenAPI document of the
image; the server in the image is the Rust program `clipdraw`. A test compares every line with
src/inputs/table.rs.

Cog's reader takes string literals as they stand: one per description, no backslash, no joining of
two. Hence the long lines.
"""

from typing import Iterator, Optional

from cog import BaseRunner, Input, Path, streaming


class Runner(BaseRunner):
    @streaming
    def run(
        self,
        prompt: str = Input(
            description="What to draw. Several prompts are separated by |, each with an optional weight from -10 to 10 after a colon (default 1; a negative weight moves the drawing away from the text): a red fox | watercolor:0.5 | text:-0.3. A backslash before a colon or | makes it part of the text.",
            default="Watercolor painting of an underwater submarine.",
            min_length=1,
            max_length=4000,
        ),
        num_paths: int = Input(
            description="Number of strokes.",
            default=256,
            ge=1,
            le=2048,
        ),
        num_iterations: int = Input(
            description="Number of optimisation steps.",
            default=600,
            ge=1,
            le=10000,
        ),
        display_frequency: int = Input(
            description="A frame is emitted every N steps and at the end.",
            default=10,
            ge=1,
            le=10000,
        ),
        distance_from_centre_threshold: float = Input(
            description="Radius around the centre in which stroke points are not penalised, in pixels of a 224-pixel canvas (scales with the canvas).",
            default=75.0,
            ge=0.0,
            le=10000.0,
        ),
        distance_from_centre_power: float = Input(
            description="Exponent of the penalty on the distance beyond the threshold.",
            default=2.0,
            ge=1.0,
            le=10.0,
        ),
        distance_from_centre_weight: float = Input(
            description="Weight of the penalty on distance from the centre; 0 turns it off.",
            default=0.001,
            ge=0.0,
            le=1000000.0,
        ),
        seed: Optional[int] = Input(
            description="Seed for all random choices. The same seed gives the same picture on the same device. If absent, a random seed is chosen and reported.",
            default=None,
            ge=0,
            le=9007199254740991,
        ),
        centre_x: float = Input(
            description="Centre of the penalty-free circle, as a fraction of the canvas width from the left.",
            default=0.5,
            ge=0.0,
            le=1.0,
        ),
        centre_y: float = Input(
            description="Centre of the penalty-free circle, as a fraction of the canvas height from the top.",
            default=0.5,
            ge=0.0,
            le=1.0,
        ),
        num_augmentations: int = Input(
            description="Number of randomly warped views of the picture that CLIP sees in each step.",
            default=4,
            ge=1,
            le=64,
        ),
        min_stroke_width: float = Input(
            description="Minimum stroke width, in pixels of a 224-pixel canvas (scales with the canvas).",
            default=2.0,
            ge=0.1,
            le=400.0,
        ),
        max_stroke_width: float = Input(
            description="Maximum stroke width, in pixels of a 224-pixel canvas (scales with the canvas). Must not be less than min_stroke_width.",
            default=100.0,
            ge=0.1,
            le=400.0,
        ),
        canvas_width: int = Input(
            description="Width of the canvas in pixels.",
            default=224,
            ge=64,
            le=1024,
        ),
        canvas_height: int = Input(
            description="Height of the canvas in pixels.",
            default=224,
            ge=64,
            le=1024,
        ),
        background: str = Input(
            description="Background colour, #rrggbb or #rgb.",
            default="#ffffff",
            regex="^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$",
        ),
        clip_weight: float = Input(
            description="Weight of the CLIP loss. With 0, only the centre constraint acts, which helps when debugging it.",
            default=1.0,
            ge=0.0,
            le=1000.0,
        ),
        recipe: str = Input(
            description="How strokes start and move, and which losses act besides that of the prompt: original is the method of CLIPDraw, compact suits the embedded model, auto selects the one that suits the model in use.",
            default="auto",
            choices=["auto", "original", "compact"],
        ),
        output_format: str = Input(
            description="File format of the frames and of the finished drawing.",
            default="svg",
            choices=["svg", "png"],
        ),
        truncate: bool = Input(
            description="Whether a prompt with more tokens than the model reads is cut after the last word that fits; the log says where. If not, such a prompt is an error.",
            default=False,
        ),
        animation: str = Input(
            description="File format of an animation of the drawing, which comes before the finished drawing in the output. With svg, it moves without a script.",
            default="none",
            choices=["none", "svg", "gif", "webp"],
        ),
        animation_style: str = Input(
            description="What the animation shows: timelapse is all frames, strokes is the finished drawing stroke by stroke.",
            default="timelapse",
            choices=["timelapse", "strokes"],
        ),
    ) -> Iterator[Path]:
        raise NotImplementedError("the server of this image is clipdraw, not Python")
