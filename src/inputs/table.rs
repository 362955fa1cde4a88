//! The one table of inputs, and below it the use of each.

use serde_json::{Map, Value};

use super::choice::{AnimationChoice, RecipeChoice};
use super::declaration::{
    Declaration, boolean, broken_rule, choice, color, integer, number, random_integer, text,
};
use super::error::InputError;
use super::field::{Field, Group, MAX_SEED, shortest_number};
use super::prompt::Prompt;
use crate::draw::Spec;
use crate::draw::objective::{CenterConstraint, ObjectiveSpec};
use crate::output::{AnimationFormat, AnimationStyle, OutputFormat};
use crate::scene::{Canvas, Rgb};

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
    /// a red fox | watercolor:0.5 | text:-0.3. A backslash before a colon or | makes it part of the
    /// text.
    prompt: Prompt = text("Watercolor painting of an underwater submarine.", 4000), Prompt;

    /// Number of strokes.
    num_paths: usize = integer(256, 1, 2048), Strokes;

    /// Number of optimisation steps.
    num_iterations: usize = integer(600, 1, 10_000), Steps;

    /// A frame is emitted every N steps and at the end.
    display_frequency: usize = integer(10, 1, 10_000), Steps;

    /// Radius around the centre in which stroke points are not penalised, in pixels of a 224-pixel
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

    /// Background colour, #rrggbb or #rgb.
    background: Rgb = color("#ffffff"), Canvas;

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

    /// File format of an animation of the drawing, which comes before the finished drawing in the output. With svg, it
    /// moves without a script.
    animation: AnimationChoice = choice(), Canvas;

    /// What the animation shows: timelapse is all frames, strokes is the finished drawing stroke by stroke.
    animation_style: AnimationStyle = choice(), Canvas;
}

/// What the inputs ask for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    /// The prompt as the caller wrote it.
    pub(super) prompt: String,
    /// A line for each part of the prompt that could have been meant in another way.
    pub(super) prompt_notes: Vec<String>,
    /// The plan of the drawing.
    pub(super) spec: Spec,
    /// The file format of the frames and of the drawing.
    pub(super) output_format: OutputFormat,
    /// The file format of the animation, if there is one.
    pub(super) animation: Option<AnimationFormat>,
    /// What an animation shows.
    pub(super) animation_style: AnimationStyle,
}

impl Inputs {
    /// Checks the rules that join several inputs.
    pub(super) fn check_together(&self) -> Result<(), InputError> {
        let (min, max) = (self.min_stroke_width, self.max_stroke_width);
        if min <= max {
            return Ok(());
        }
        let rule = format!("it must be at least min_stroke_width, {min}");
        Err(broken_rule("max_stroke_width", &shortest_number(max), rule))
    }

    /// Puts every input to its use. An input that is not named here, or not used, does not compile.
    #[deny(unused_variables)]
    pub(super) fn into_plan(self) -> Plan {
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
            animation,
            animation_style,
        } = self;
        let spec = Spec {
            prompts: prompt.parts,
            canvas: Canvas {
                width: canvas_width,
                height: canvas_height,
                background,
            },
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
            },
            stroke_widths: [min_stroke_width as f32, max_stroke_width as f32],
            preset: recipe.preset(),
            truncate,
        };
        Plan {
            prompt: prompt.text,
            prompt_notes: prompt.notes,
            spec,
            output_format,
            animation: animation.format(),
            animation_style,
        }
    }
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
