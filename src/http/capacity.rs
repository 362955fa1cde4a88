//! Whether the files of a prediction fit into memory, told before anything is drawn.

use crate::encode::OutputFormat;
use crate::prediction::{Detail, Input};

/// The bytes of one stroke in an SVG file, at most: four points for the first segment and three
/// for each of two more, colour, width and opacity.
const STROKE: u64 = 320;

/// The bytes of an SVG file beside its strokes and what repeats the prompt.
const FRAME: u64 = 2_000;

/// How often the prompt stands in a file, times the bytes that escaping can make of one.
const PROMPT: u64 = 12;

/// The bytes of one pixel in a PNG file. Strokes leave large areas of one colour, so that a
/// pixel takes less than one byte.
const PIXEL: u64 = 1;

/// Checks that all files of a prediction together have at most `limit` bytes as data URLs.
///
/// # Errors
/// With the number of steps between frames that would be enough.
pub(super) fn check_output(input: &Input, limit: u64) -> Result<(), Detail> {
    let (steps, every) = (input.spec.steps as u64, input.spec.steps_per_frame as u64);
    let size = file_size(input);
    if frames(steps, every).saturating_mul(size) <= limit {
        return Ok(());
    }
    let enough = (every..=steps).find(|every| frames(steps, *every) * size <= limit);
    let advice = match enough {
        Some(enough) => format!("at least {enough} steps between frames are needed"),
        None => "even two frames are too large, so a smaller canvas or fewer strokes are needed"
            .to_owned(),
    };
    Err(Detail::input(
        "display_frequency",
        format!(
            "{} frames of about {size} bytes are more than the {limit} bytes that this server keeps of a prediction; {advice}, or output_file_prefix to upload the files",
            frames(steps, every)
        ),
    ))
}

/// One frame at the start, one every so many steps, and one at the end.
fn frames(steps: u64, every: u64) -> u64 {
    steps.div_ceil(every) + 1
}

/// The bytes of one file as a data URL, estimated from above.
fn file_size(input: &Input) -> u64 {
    let spec = &input.spec;
    let bytes = match input.output_format {
        OutputFormat::Svg => {
            let prompt = input.values["prompt"].as_str().map_or(0, str::len) as u64;
            FRAME + PROMPT * prompt + STROKE * spec.strokes as u64
        }
        OutputFormat::Png => {
            FRAME + PIXEL * u64::from(spec.canvas.width) * u64::from(spec.canvas.height)
        }
    };
    bytes.div_ceil(3) * 4
}
