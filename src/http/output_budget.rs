//! Whether the files of a prediction fit into memory, told before anything is drawn.

use crate::cog::Detail;
use crate::inputs::Input;
use crate::output::OutputFormat;

/// The bytes of one stroke in an SVG file. Measured are 170: one to three segments of three points
/// each, colour, width and opacity.
const SVG_STROKE: u64 = 220;

/// The bytes of a file beside its strokes and what repeats the prompt.
const FRAME: u64 = 2_500;

/// How often the prompt stands in an SVG file, times the bytes that escaping can make of one.
const PROMPT: u64 = 12;

/// Tenths of a byte that one stroke adds to a PNG file for each pixel of the canvas's side.
/// Measured are 5 to 15.
const PNG_STROKE: u64 = 16;

/// Tenths of a byte of one pixel in a PNG file that is full of strokes. Measured are 31.
const PNG_PIXEL: u64 = 32;

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
    let strokes = input.spec.strokes as u64;
    let bytes = match input.output_format {
        OutputFormat::Svg => {
            let prompt = input.values["prompt"].as_str().map_or(0, str::len) as u64;
            PROMPT * prompt + SVG_STROKE * strokes
        }
        OutputFormat::Png => {
            let canvas = &input.spec.canvas;
            let (width, height) = (u64::from(canvas.width), u64::from(canvas.height));
            let sparse = PNG_STROKE * strokes * width.max(height);
            sparse.min(PNG_PIXEL * width * height) / 10
        }
    };
    (FRAME + bytes).div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(values: &serde_json::Value) -> Input {
        Input::from_values(values.as_object().unwrap()).unwrap()
    }

    #[test]
    fn sizes_are_estimated_from_above_but_not_wildly() {
        // Bytes of files that the embedded model drew in one step with seed 3.
        let cases = [
            (256, 224, "svg", 44_299),
            (2048, 224, "svg", 343_210),
            (16, 224, "svg", 3_820),
            (256, 224, "png", 62_345),
            (2048, 224, "png", 154_636),
            (256, 1024, "png", 357_916),
            (2048, 1024, "png", 1_819_004),
            (16, 224, "png", 5_356),
        ];
        for (strokes, side, format, bytes) in cases {
            let values = json!({
                "num_paths": strokes, "canvas_width": side, "canvas_height": side,
                "output_format": format
            });
            let (estimate, real) = (file_size(&input(&values)), bytes * 4 / 3);
            let fitting = real..real * 5 / 2;
            assert!(
                fitting.contains(&estimate),
                "{values}: {estimate} for {real}"
            );
        }
    }

    #[test]
    fn the_advice_is_the_least_that_helps_or_that_nothing_does() {
        let values = |every: u64| json!({"num_paths": 256, "num_iterations": 600, "display_frequency": every});
        let limit = 1_000_000;
        let refused = check_output(&input(&values(1)), limit).unwrap_err();
        let (_, rest) = refused.msg.split_once("at least ").unwrap();
        let enough: u64 = rest.split(' ').next().unwrap().parse().unwrap();
        assert!(check_output(&input(&values(enough)), limit).is_ok());
        assert!(check_output(&input(&values(enough - 1)), limit).is_err());
        let hopeless = check_output(&input(&values(1)), 1000).unwrap_err();
        assert!(hopeless.msg.contains("even two frames"), "{}", hopeless.msg);
        assert!(check_output(&input(&values(600)), u64::MAX).is_ok());
    }
}
