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
            description="What to draw. Several prompts are separated by |, each with an optional weight from -10 to 10 after a colon (default 1; a negative weight moves the drawing away from the text): a red fox | watercolor:0.5 | text:-0.3. A stop from 0 to 1 may follow the weight (a sketch:1:0.4): the prompt ends after that part of the steps. A backslash before a colon or | makes it part of the text.",
            default="Watercolor painting of an underwater submarine.",
            max_length=4000,
        ),
        num_paths: int = Input(
            description="Number of strokes.",
            default=256,
            ge=1,
            le=2048,
        ),
        num_iterations: int = Input(
            description="Number of optimization steps.",
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
            description="Radius around the centre in which stroke points are not penalized, in pixels of a 224-pixel canvas (scales with the canvas).",
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
            description="Background colour, #rrggbb or #rgb. With none, the SVG has no background, and the PNG and animations are transparent (a GIF only where nothing is drawn); while it is drawn, the paper is white.",
            default="#ffffff",
            regex="^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$|^none$",
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
        image_prompt: Optional[Path] = Input(
            description="A picture to draw: its CLIP embedding is a target, like that of a prompt. Only its middle square is used. With it, prompt may be empty, and is empty by default.",
            default=None,
        ),
        image_prompt_weight: float = Input(
            description="Weight of the picture in image_prompt, like that of a prompt.",
            default=1.0,
            ge=-10.0,
            le=10.0,
        ),
        likeness: float = Input(
            description="How closely the drawing follows the shapes of the picture in image_prompt, besides its content: from 0 (not at all) to 1 (closely). For this, the whole picture is fitted into the canvas, and the background fills the rest.",
            default=0.0,
            ge=0.0,
            le=1.0,
        ),
        init_svg: Optional[Path] = Input(
            description="The strokes that the drawing starts from: any SVG, or the starting_paths of clipdraw-interactive as JSON. A drawing of this program is continued exactly, with its own inputs where others are not given. Without num_paths, there are as many strokes as in the file. With more, the others are added at random.",
            default=None,
        ),
        fixed_svg: Optional[Path] = Input(
            description="Strokes on top of the drawing that stay as they are while the others are moved, such as a logo to draw around: any SVG.",
            default=None,
        ),
        region_shape: str = Input(
            description="Shape of the region in which strokes are not penalized, around centre_x and centre_y: a circle whose radius is distance_from_centre_threshold, an ellipse, a rectangle, or a frame, which keeps strokes out of a rounded rectangle in the middle. For all but the circle, the threshold is the width of a free margin around the region, by default 0.",
            default="circle",
            choices=["circle", "ellipse", "rectangle", "frame"],
        ),
        region_width: float = Input(
            description="Width of the ellipse, the rectangle or the middle of the frame, in pixels of a 224-pixel canvas (scales with the canvas).",
            default=150.0,
            ge=1.0,
            le=10000.0,
        ),
        region_height: float = Input(
            description="Height of the ellipse, the rectangle or the middle of the frame, in pixels of a 224-pixel canvas (scales with the canvas).",
            default=100.0,
            ge=1.0,
            le=10000.0,
        ),
        region_rotation: float = Input(
            description="Rotation of the ellipse, the rectangle or the middle of the frame in degrees, clockwise.",
            default=0.0,
            ge=-360.0,
            le=360.0,
        ),
        region_mask: Optional[Path] = Input(
            description="A painted region: strokes are not penalized where this picture, stretched over the canvas, is white. Elsewhere the penalty grows with the distance from the white area; distance_from_centre_threshold is the width of a free margin around it, by default 0. It replaces region_shape.",
            default=None,
        ),
        ink: str = Input(
            description="What strokes are drawn with: color (any colour and opacity), opaque (any colour, opacity 1), or black (one opaque pen of a fixed width, black unless stroke_color is given).",
            default="color",
            choices=["color", "opaque", "black"],
        ),
        stroke_color: Optional[str] = Input(
            description="Colour of all strokes, #rrggbb or #rgb. If absent, strokes have colours of their own.",
            default=None,
            regex="^#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$",
        ),
        stroke_width: Optional[float] = Input(
            description="Width of all strokes, in pixels of a 224-pixel canvas (scales with the canvas). If absent, strokes have widths of their own from min_stroke_width to max_stroke_width; those of the black pen are 3 pixels wide.",
            default=None,
            ge=0.1,
            le=400.0,
        ),
        palette: Optional[str] = Input(
            description="Colours that the strokes end up in, for example #e63946,#457b9d. Strokes are pulled towards them more and more during the last 70 % of the steps. If absent, strokes may have any colour.",
            default=None,
            regex="^ *#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})(( *, *| +)#([0-9a-fA-F]{3}|[0-9a-fA-F]{6}))* *$",
        ),
        max_colors: int = Input(
            description="Maximum number of colours in the finished drawing, which chooses them itself; the background counts as one. 0 means no limit.",
            default=0,
            ge=0,
            le=255,
        ),
        clean: bool = Input(
            description="Whether strokes that do not show, because they are covered or hardly opaque, are left out of the finished drawing. No colour of the picture changes by more than 1/255.",
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
        num_outputs: int = Input(
            description="Number of drawings of the same inputs with the seeds seed, seed + 1 and so on, which are drawn together. The output has the frames of all of them; its last files are the finished drawings, in the order of their seeds.",
            default=1,
            ge=1,
            le=16,
        ),
    ) -> Iterator[Path]:
        raise NotImplementedError("the server of this image is clipdraw, not Python")
