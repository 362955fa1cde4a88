//! The one table of inputs, and below it the use of each.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::choice::{AnimationChoice, InkChoice, RecipeChoice, RegionShape};
use super::declaration::{
    Declaration, FileInput, boolean, broken_rule, choice, color_or_none, file, integer, number,
    optional_color, optional_colors, optional_number, random_integer, text,
};
use super::error::InputError;
use super::field::{Field, Group, MAX_SEED, shortest_number};
use super::mask::MaskPicture;
use super::prompt::Prompt;
use crate::draw::objective::{CenterConstraint, LikenessSpec, ObjectiveSpec, PaletteSpec, Region};
use crate::draw::{ImagePrompt, Spec};
use crate::import::{DecodedPicture, ImportedStrokes};
use crate::output::{AnimationFormat, AnimationStyle, OutputFormat};
use crate::scene::{Canvas, Rgb, Strokes};

/// Makes three things of each row: an entry of [`FIELDS`], a member of [`Inputs`], and the code
/// that reads it. The comment above a row is the description that callers see, and its last word is
/// the group.
macro_rules! inputs {
    ($($(#[doc = $description:literal])+ $name:ident: $type:ty = $declaration:expr, $group:ident;)+) => {
        /// Every input, in the order in which they are shown.
        pub const FIELDS: &[Field] = &[$(Field {
            name: stringify!($name),
            kind: {
                const ROW: Declaration<$type> = $declaration;
                ROW.kind
            },
            description: concat!($($description),+).trim_ascii(),
            group: Group::$group,
        }),+];

        /// The checked value of every input.
        #[expect(clippy::doc_markdown, reason = "the comments are plain text for callers")]
        #[derive(Debug)]
        pub(super) struct Inputs {
            $($(#[doc = $description])+ pub(super) $name: $type,)+
        }

        impl Inputs {
            /// Checks a map with the value of every input. Adds to `errors` what is wrong, in the
            /// table's order; `None` if anything is.
            pub(super) fn read(
                values: &Map<String, Value>,
                errors: &mut Vec<InputError>,
            ) -> Option<Self> {
                $(let $name = {
                    const ROW: Declaration<$type> = $declaration;
                    let name = stringify!($name);
                    let value = values.get(name).unwrap_or(&Value::Null);
                    ROW.read(name, value).map_err(|error| errors.push(error)).ok()
                };)+
                Some(Self { $($name: $name?),+ })
            }
        }
    };
}

inputs! {
    /// What to draw. Several prompts are separated by |, each with an optional weight from -10 to 10
    /// after a colon (default 1; a negative weight moves the drawing away from the text):
    /// a red fox | watercolor:0.5 | text:-0.3. A stop from 0 to 1 may follow the weight (a sketch:1:0.4):
    /// the prompt ends after that part of the steps. A backslash before a colon or | makes it part of the
    /// text.
    prompt: Prompt = text("Watercolor painting of an underwater submarine.", 4000), Prompt;

    /// Number of strokes.
    num_paths: usize = integer(256, 1, 2048), Strokes;

    /// Number of optimization steps.
    num_iterations: usize = integer(600, 1, 10_000), Steps;

    /// A frame is emitted every N steps and at the end.
    display_frequency: usize = integer(10, 1, 10_000), Steps;

    /// Radius around the centre in which stroke points are not penalized, in pixels of a 224-pixel
    /// canvas (scales with the canvas).
    distance_from_centre_threshold: f64 = number(75.0, 0.0, 10_000.0), Center;

    /// Exponent of the penalty on the distance beyond the threshold.
    distance_from_centre_power: f64 = number(2.0, 1.0, 10.0), Center;

    /// Weight of the penalty on distance from the centre; 0 turns it off.
    distance_from_centre_weight: f64 = number(0.001, 0.0, 1_000_000.0), Center;

    /// Seed for all random choices. The same seed gives the same picture on the same device. If
    /// absent, a random seed is chosen and reported.
    seed: u64 = random_integer(0, MAX_SEED), Prompt;

    /// Centre of the penalty-free circle, as a fraction of the canvas width from the left.
    centre_x: f64 = number(0.5, 0.0, 1.0), Center;

    /// Centre of the penalty-free circle, as a fraction of the canvas height from the top.
    centre_y: f64 = number(0.5, 0.0, 1.0), Center;

    /// Number of randomly warped views of the picture that CLIP sees in each step.
    num_augmentations: usize = integer(4, 1, 64), Steps;

    /// Minimum stroke width, in pixels of a 224-pixel canvas (scales with the canvas).
    min_stroke_width: f64 = number(2.0, 0.1, 400.0), Strokes;

    /// Maximum stroke width, in pixels of a 224-pixel canvas (scales with the canvas). Must not be
    /// less than min_stroke_width.
    max_stroke_width: f64 = number(100.0, 0.1, 400.0), Strokes;

    /// Width of the canvas in pixels.
    canvas_width: u32 = integer(224, 64, 1024), Canvas;

    /// Height of the canvas in pixels.
    canvas_height: u32 = integer(224, 64, 1024), Canvas;

    /// Background colour, #rrggbb or #rgb. With none, the SVG has no background, and the PNG and
    /// animations are transparent (a GIF only where nothing is drawn); while it is drawn, the paper is
    /// white.
    background: Option<Rgb> = color_or_none("#ffffff"), Canvas;

    /// Weight of the CLIP loss. With 0, only the centre constraint acts, which helps when debugging
    /// it.
    clip_weight: f64 = number(1.0, 0.0, 1000.0), Steps;

    /// How strokes start and move, and which losses act besides that of the prompt: original is the
    /// method of CLIPDraw, compact suits the embedded model, auto selects the one that suits the
    /// model in use.
    recipe: RecipeChoice = choice(), Steps;

    /// File format of the frames and of the finished drawing.
    output_format: OutputFormat = choice(), Canvas;

    /// Whether a prompt with more tokens than the model reads is cut after the last word that fits; the
    /// log says where. If not, such a prompt is an error.
    truncate: bool = boolean(false), Prompt;

    /// A picture to draw: its CLIP embedding is a target, like that of a prompt.
    /// Only its middle square is used. With it, prompt may be empty, and is empty by default.
    image_prompt: FileInput<DecodedPicture> = file(), Prompt;

    /// Weight of the picture in image_prompt, like that of a prompt.
    image_prompt_weight: f64 = number(1.0, -10.0, 10.0), Prompt;

    /// How closely the drawing follows the shapes of the picture in image_prompt, besides its content: from 0 (not
    /// at all) to 1 (closely). For this, the whole picture is fitted into the canvas, and the background fills the
    /// rest.
    likeness: f64 = number(0.0, 0.0, 1.0), Prompt;

    /// The strokes that the drawing starts from: any SVG, or the starting_paths of clipdraw-interactive as JSON. A
    /// drawing of this program is continued exactly, with its own inputs where others are not given. Without
    /// num_paths, there are as many strokes as in the file. With more, the others are added at random.
    init_svg: FileInput<ImportedStrokes> = file(), Strokes;

    /// Strokes on top of the drawing that stay as they are while the others are moved, such as a logo to draw
    /// around: any SVG.
    fixed_svg: FileInput<ImportedStrokes> = file(), Strokes;

    /// Shape of the region in which strokes are not penalized, around centre_x and centre_y: a
    /// circle whose radius is distance_from_centre_threshold, an ellipse, a rectangle, or a frame,
    /// which keeps strokes out of a rounded rectangle in the middle. For all but the circle, the
    /// threshold is the width of a free margin around the region, by default 0.
    region_shape: RegionShape = choice(), Center;

    /// Width of the ellipse, the rectangle or the middle of the frame, in pixels of a 224-pixel canvas
    /// (scales with the canvas).
    region_width: f64 = number(150.0, 1.0, 10_000.0), Center;

    /// Height of the ellipse, the rectangle or the middle of the frame, in pixels of a 224-pixel canvas
    /// (scales with the canvas).
    region_height: f64 = number(100.0, 1.0, 10_000.0), Center;

    /// Rotation of the ellipse, the rectangle or the middle of the frame in degrees, clockwise.
    region_rotation: f64 = number(0.0, -360.0, 360.0), Center;

    /// A painted region: strokes are not penalized where this picture, stretched over the canvas, is white.
    /// Elsewhere the penalty grows with the distance from the white area; distance_from_centre_threshold is the
    /// width of a free margin around it, by default 0. It replaces region_shape.
    region_mask: FileInput<MaskPicture> = file(), Center;

    /// What strokes are drawn with: color (any colour and opacity), opaque (any colour, opacity 1), or
    /// black (one opaque pen of a fixed width, black unless stroke_color is given).
    ink: InkChoice = choice(), Strokes;

    /// Colour of all strokes, #rrggbb or #rgb. If absent, strokes have colours of their own.
    stroke_color: Option<Rgb> = optional_color(), Strokes;

    /// Width of all strokes, in pixels of a 224-pixel canvas (scales with the canvas). If absent,
    /// strokes have widths of their own from min_stroke_width to max_stroke_width; those of the black
    /// pen are 3 pixels wide.
    stroke_width: Option<f64> = optional_number(0.1, 400.0), Strokes;

    /// Colours that the strokes end up in, for example #e63946,#457b9d. Strokes are pulled towards them more and more
    /// during the last 70 % of the steps. If absent, strokes may have any colour.
    palette: Option<Vec<Rgb>> = optional_colors::<32>(), Strokes;

    /// Maximum number of colours in the finished drawing, which chooses them itself; the background counts as one.
    /// 0 means no limit.
    max_colors: usize = integer(0, 0, 255), Strokes;

    /// Whether strokes that do not show, because they are covered or hardly opaque, are left out of the
    /// finished drawing. No colour of the picture changes by more than 1/255.
    clean: bool = boolean(false), Canvas;

    /// File format of an animation of the drawing, which comes before the finished drawing in the output. With svg, it
    /// moves without a script.
    animation: AnimationChoice = choice(), Canvas;

    /// What the animation shows: timelapse is all frames, strokes is the finished drawing stroke by stroke.
    animation_style: AnimationStyle = choice(), Canvas;

    /// Number of drawings of the same inputs with the seeds seed, seed + 1 and so on, which are drawn together. The output
    /// has the frames of all of them; its last files are the finished drawings, in the order of their seeds.
    num_outputs: usize = integer(1, 1, MAX_OUTPUTS as i64), Prompt;
}

/// The ratio of the sides of a picture above which a note says that only its middle square is a prompt: that of most photographs.
const MAX_RATIO: f64 = 1.5;

/// The name of the input with a picture as the prompt.
pub(super) const IMAGE_PROMPT: &str = "image_prompt";

/// The name of the input with the radius of the circle, or the width of the free margin around another region.
pub(super) const THRESHOLD: &str = "distance_from_centre_threshold";

/// The name of the input with the shape of the region.
pub(super) const REGION_SHAPE: &str = "region_shape";

/// The name of the input with a painted region.
pub(super) const REGION_MASK: &str = "region_mask";

/// The name of the input that says how much the shapes of the picture in `image_prompt` are followed.
pub(super) const LIKENESS: &str = "likeness";

/// The maximum number of drawings of one prediction.
pub(super) const MAX_OUTPUTS: u64 = 16;

/// The maximum number of strokes of all drawings of one prediction, if there are several. Their paths and gradients then
/// take less than 100 megabytes of memory.
const MAX_STROKES_TOGETHER: usize = 8192;

/// The maximum number of views of all drawings of one prediction, if there are several. Each takes some megabytes in CLIP.
const MAX_VIEWS_TOGETHER: usize = 256;

/// What the inputs ask for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// The prompt as the caller wrote it.
    pub(super) prompt: String,
    /// A line for each part of the prompt that could have been meant in another way, and for what was changed or left out of a
    /// file with strokes.
    pub(super) notes: Vec<String>,
    /// The plan of the drawing.
    pub(super) spec: Spec,
    /// The file format of the frames and of the drawing.
    pub(super) output_format: OutputFormat,
    /// Whether strokes that do not show are left out of the finished drawing.
    pub(super) clean: bool,
    /// The file format of the animation, if there is one.
    pub(super) animation: Option<AnimationFormat>,
    /// What an animation shows.
    pub(super) animation_style: AnimationStyle,
    /// The number of drawings.
    pub(super) outputs: usize,
}

impl Inputs {
    /// Checks the rules that join several inputs.
    pub(super) fn check_together(&self) -> Result<(), InputError> {
        let (min, max) = (self.min_stroke_width, self.max_stroke_width);
        if min > max {
            let rule = format!("it must be at least min_stroke_width, {min}");
            return Err(broken_rule("max_stroke_width", &shortest_number(max), rule));
        }
        let moving = self
            .init_svg
            .as_content()
            .map_or(0, |file| file.strokes.moving());
        if self.num_paths < moving {
            let rule = format!("it must be at least {moving}, the number of strokes in init_svg");
            return Err(broken_rule("num_paths", &self.num_paths.into(), rule));
        }
        if self.likeness > 0.0 && self.image_prompt == FileInput::Absent {
            let rule = "it must be 0 without image_prompt, the picture whose shapes it is about";
            let value = shortest_number(self.likeness);
            return Err(broken_rule(LIKENESS, &value, rule.to_owned()));
        }
        if self.region_shape != RegionShape::Circle && self.region_mask != FileInput::Absent {
            let rule = "it cannot be combined with region_mask, which is a shape of its own";
            let word = self.region_shape.word().into();
            return Err(broken_rule("region_shape", &word, rule.to_owned()));
        }
        self.check_outputs()?;
        self.check_colors()
    }

    /// Checks that several drawings are not too much together.
    fn check_outputs(&self) -> Result<(), InputError> {
        if self.num_outputs == 1 {
            return Ok(());
        }
        let fixed = self.fixed_svg.as_content();
        let strokes = self.num_paths + fixed.map_or(0, |file| file.strokes.len());
        let seeds = MAX_SEED as u64 - self.seed + 1;
        for (most, reason) in [
            (
                MAX_STROKES_TOGETHER / strokes,
                format!("all of them together may have {MAX_STROKES_TOGETHER} strokes"),
            ),
            (
                MAX_VIEWS_TOGETHER / self.num_augmentations,
                format!("num_augmentations of all of them together may be {MAX_VIEWS_TOGETHER}"),
            ),
            (
                usize::try_from(seeds).unwrap_or(usize::MAX),
                format!("seeds end at {MAX_SEED}"),
            ),
        ] {
            if self.num_outputs > most {
                let most = most.max(1);
                let rule = format!("it must be at most {most}, because {reason}");
                return Err(broken_rule("num_outputs", &self.num_outputs.into(), rule));
            }
        }
        Ok(())
    }

    /// Checks the rules about colours.
    fn check_colors(&self) -> Result<(), InputError> {
        let background = usize::from(self.background.is_some());
        let limit = |rule: String| Err(broken_rule("max_colors", &self.max_colors.into(), rule));
        if self.max_colors == 1 && background == 1 {
            return limit(
                "it must be at least 2, because the background is a colour, too".to_owned(),
            );
        }
        let Some(palette) = &self.palette else {
            return Ok(());
        };
        if self.max_colors > 0 && palette.len() + background > self.max_colors {
            let all = palette.len() + background;
            return limit(format!(
                "palette and background have {all} colours; leave it out, because palette limits them"
            ));
        }
        let text = palette
            .iter()
            .map(Rgb::to_string)
            .collect::<Vec<_>>()
            .join(",");
        let other = match (self.stroke_color, self.ink) {
            (Some(_), _) => "stroke_color",
            (None, InkChoice::Black) => "ink=black",
            _ => return Ok(()),
        };
        let rule =
            format!("it cannot be combined with {other}, which gives all strokes one colour");
        Err(broken_rule("palette", &text.into(), rule))
    }

    /// The colours that strokes end with.
    fn palette_spec(&mut self) -> Option<PaletteSpec> {
        let palette = self.palette.take().map(PaletteSpec::Given);
        let has_one_color = self.stroke_color.is_some() || self.ink == InkChoice::Black;
        let background = usize::from(self.background.is_some());
        palette.or_else(|| {
            let max = self
                .max_colors
                .checked_sub(background)
                .filter(|max| *max > 0);
            max.filter(|_| !has_one_color).map(PaletteSpec::Found)
        })
    }

    /// Puts every input to its use. An input that is not named here, or not used, does not compile.
    #[deny(unused_variables)]
    #[expect(clippy::too_many_lines, reason = "there are some lines for each input")]
    pub(super) fn into_plan(mut self) -> Plan {
        let palette_spec = self.palette_spec();
        let Inputs {
            prompt,
            num_paths,
            num_iterations,
            display_frequency,
            distance_from_centre_threshold,
            distance_from_centre_power,
            distance_from_centre_weight,
            seed,
            centre_x,
            centre_y,
            num_augmentations,
            min_stroke_width,
            max_stroke_width,
            canvas_width,
            canvas_height,
            background,
            clip_weight,
            recipe,
            output_format,
            truncate,
            image_prompt,
            image_prompt_weight,
            likeness,
            init_svg,
            fixed_svg,
            region_shape,
            region_width,
            region_height,
            region_rotation,
            region_mask,
            ink,
            stroke_color,
            stroke_width,
            palette: _,
            max_colors: _,
            clean,
            animation,
            animation_style,
            num_outputs,
        } = self;
        let canvas = Canvas {
            is_transparent: background.is_none(),
            ..Canvas::new(
                [canvas_width, canvas_height],
                background.unwrap_or(Rgb::WHITE),
            )
        };
        let lost_pictures = lost_pictures(&init_svg, &image_prompt, &region_mask);
        let picture_notes = picture_notes(&image_prompt, &region_mask, &canvas);
        let strokes = GivenStrokes::new(init_svg, fixed_svg, &canvas);
        let mask = region_mask
            .content()
            .map(|picture| picture.on_canvas(&canvas));
        let image_prompts = image_prompts(image_prompt, image_prompt_weight);
        let spec = Spec {
            prompts: prompt.parts,
            canvas,
            start: strokes.start,
            fixed: strokes.fixed,
            strokes: num_paths,
            steps: num_iterations,
            steps_per_frame: display_frequency,
            views: num_augmentations,
            seed,
            objective: ObjectiveSpec {
                clip_weight,
                center: CenterConstraint {
                    position: [centre_x, centre_y],
                    threshold: distance_from_centre_threshold,
                    power: distance_from_centre_power,
                    weight: distance_from_centre_weight,
                },
                palette: palette_spec,
                likeness: likeness_spec(&image_prompts, likeness),
                region: mask.map_or_else(
                    || region_shape.region([region_width, region_height], region_rotation),
                    |mask| Region::Mask(Arc::new(mask)),
                ),
            },
            stroke_widths: [min_stroke_width as f32, max_stroke_width as f32],
            ink: ink.ink(stroke_color, stroke_width),
            preset: recipe.preset(),
            truncate,
            image_prompts,
        };
        Plan {
            prompt: prompt.text,
            notes: [prompt.notes, strokes.notes, lost_pictures, picture_notes].concat(),
            spec,
            output_format,
            clean,
            animation: animation.format(),
            animation_style,
            outputs: num_outputs,
        }
    }
}

/// The strokes in files, on the canvas of a drawing.
struct GivenStrokes {
    /// Those that the drawing starts from.
    start: Option<Arc<Strokes>>,
    /// Those that stay as they are.
    fixed: Option<Arc<Strokes>>,
    /// A line for each thing that was changed or left out.
    notes: Vec<String>,
}

impl GivenStrokes {
    /// Without a file of fixed strokes, they are those of the drawing that is continued.
    fn new(
        init_svg: FileInput<ImportedStrokes>,
        fixed_svg: FileInput<ImportedStrokes>,
        canvas: &Canvas,
    ) -> Self {
        let mut notes = Vec::new();
        for (name, file) in [("init_svg", &init_svg), ("fixed_svg", &fixed_svg)] {
            let lines = file.as_content().into_iter().flat_map(|file| &file.notes);
            notes.extend(lines.map(|line| format!("{name}: {line}")));
        }
        let start = init_svg.content().map(|file| file.on_canvas(canvas));
        let fixed = fixed_svg.content().map(|file| file.on_canvas(canvas));
        let (start, own_fixed) = start.map(Strokes::divided).unzip();
        let fixed = fixed
            .or(own_fixed)
            .filter(|strokes: &Strokes| !strokes.is_empty());
        Self {
            start: start.map(Arc::new),
            fixed: fixed.map(Arc::new),
            notes,
        }
    }
}

/// The picture that is a prompt, if there is one.
fn image_prompts(picture: FileInput<DecodedPicture>, weight: f64) -> Vec<ImagePrompt> {
    let image = picture
        .content()
        .map(|picture| ImagePrompt::new(picture, weight as f32));
    image.into_iter().collect()
}

/// A line for each picture that the drawing in `init_svg` was drawn with and that is not given again.
fn lost_pictures(
    init_svg: &FileInput<ImportedStrokes>,
    prompt: &FileInput<DecodedPicture>,
    mask: &FileInput<MaskPicture>,
) -> Vec<String> {
    let Some(file) = init_svg.as_content() else {
        return Vec::new();
    };
    let was_given = |name| file.inputs.get(name).is_some_and(|value| !value.is_null());
    let lost_prompt = *prompt == FileInput::Absent && was_given(IMAGE_PROMPT);
    let lost_mask = *mask == FileInput::Absent && was_given(REGION_MASK);
    let lost = [
        (IMAGE_PROMPT, lost_prompt, "a picture as the prompt"),
        (REGION_MASK, lost_mask, "a painted region"),
    ];
    let lines = lost.into_iter().filter(|(_, is_lost, _)| *is_lost);
    lines
        .map(|(name, _, what)| {
            format!(
                "init_svg: it was drawn with {what}, which is not in the file; give it again as {name}"
            )
        })
        .collect()
}

/// Lines about what is not used of pictures.
fn picture_notes(
    prompt: &FileInput<DecodedPicture>,
    mask: &FileInput<MaskPicture>,
    canvas: &Canvas,
) -> Vec<String> {
    let of_prompt = prompt.as_content().map(|picture| {
        let [shorter, longer] = [
            picture.width.min(picture.height),
            picture.width.max(picture.height),
        ];
        let is_long = longer as f64 > MAX_RATIO * shorter as f64;
        let square = is_long.then(|| {
            format!("only the middle square is used as the prompt, {shorter} of {longer} pixels")
        });
        picture.notes.iter().cloned().chain(square)
    });
    let of_mask = mask.as_content().map(|picture| picture.notes(canvas));
    let of_prompt = of_prompt.into_iter().flatten();
    let of_mask = of_mask.into_iter().flatten();
    of_prompt
        .map(|note| format!("image_prompt: {note}"))
        .chain(of_mask.map(|note| format!("region_mask: {note}")))
        .collect()
}

/// The picture whose shapes are followed, if they are.
fn likeness_spec(images: &[ImagePrompt], amount: f64) -> Option<LikenessSpec> {
    let image = images.first().filter(|_| amount > 0.0)?;
    Some(LikenessSpec {
        picture: image.picture(),
        amount: amount as f32,
    })
}

/// The input of that name.
pub fn find(name: &str) -> Option<&'static Field> {
    FIELDS.iter().find(|field| field.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_table_are_allowed_by_the_table() {
        for field in FIELDS {
            assert!(
                field
                    .kind
                    .default_value()
                    .is_none_or(|value| field.kind.violations(&value).is_empty()),
                "{}",
                field.name
            );
        }
    }

    #[test]
    fn descriptions_are_one_line_of_whole_sentences() {
        for field in FIELDS {
            let text = field.description;
            assert!(
                !text.is_empty() && !text.contains("  ") && !text.contains('\n'),
                "{text}"
            );
        }
    }
}
