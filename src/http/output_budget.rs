//! Whether the files of a prediction fit into memory, checked before anything is drawn.

use crate::cog::Detail;
use crate::inputs::Input;

/// Checks that all files of a prediction together have at most `limit` bytes as data URLs.
///
/// # Errors
/// If they have more; the message says which number of steps between frames, or of drawings, is enough.
pub(super) fn check_output(input: &Input, limit: u64) -> Result<(), Detail> {
    let spec = input.spec();
    let (steps, interval) = (spec.steps as u64, spec.steps_per_frame as u64);
    let size = base64_length(input.estimated_file_bytes());
    let drawings = input.outputs() as u64;
    let all = (frames(steps, interval) * drawings).saturating_mul(size);
    if all <= limit {
        return check_animation(input, limit - all);
    }
    let fits = |interval: &u64| frames(steps, *interval) * drawings * size <= limit;
    let enough = (interval..=steps).find(fits);
    if drawings > 1 && enough.is_none() {
        return Err(too_many_drawings(drawings, size, limit));
    }
    let advice = match enough {
        Some(enough) => format!("use at least {enough} steps between frames"),
        None => {
            "even two frames are too large, so use a smaller canvas or fewer strokes".to_owned()
        }
    };
    Err(Detail::input(
        "display_frequency",
        format!(
            "{} frames of about {size} bytes exceed the {limit} bytes that this server keeps for a prediction; {advice}, or output_file_prefix to upload the files",
            frames(steps, interval) * drawings
        ),
    ))
}

/// The error about drawings that do not fit even with two frames each, of `size` bytes.
fn too_many_drawings(drawings: u64, size: u64, limit: u64) -> Detail {
    let advice = match limit / (2 * size) {
        0 => "use a smaller canvas or fewer strokes".to_owned(),
        most => format!("at most {most} fit"),
    };
    Detail::input(
        "num_outputs",
        format!(
            "even two frames of each of {drawings} drawings, of about {size} bytes, exceed the {limit} bytes that this server keeps for a prediction; {advice}, or use output_file_prefix to upload the files"
        ),
    )
}

/// Checks that the animations, if there are any, have at most `room` bytes as data URLs.
fn check_animation(input: &Input, room: u64) -> Result<(), Detail> {
    let size = base64_length(input.estimated_animation_bytes());
    let drawings = input.outputs() as u64;
    if size.saturating_mul(drawings) <= room {
        return Ok(());
    }
    if drawings > 1 {
        return Err(Detail::input(
            "animation",
            format!(
                "{drawings} animations of about {size} bytes exceed the {room} bytes that this server keeps for a prediction besides its frames; use fewer drawings, more steps between frames, a smaller canvas or fewer strokes, or output_file_prefix to upload the files"
            ),
        ));
    }
    Err(Detail::input(
        "animation",
        format!(
            "an animation of about {size} bytes exceeds the {room} bytes that this server keeps for a prediction besides its frames; use more steps between frames, a smaller canvas or fewer strokes, or output_file_prefix to upload the files"
        ),
    ))
}

/// One frame at the start, one after each interval of steps, and one at the end.
fn frames(steps: u64, interval: u64) -> u64 {
    steps.div_ceil(interval) + 1
}

/// The length of `bytes` bytes in a data URL, in characters.
fn base64_length(bytes: u64) -> u64 {
    bytes.div_ceil(3) * 4
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn input(values: &serde_json::Value) -> Input {
        Input::from_values(values.as_object().unwrap()).unwrap()
    }

    #[test]
    fn the_advice_is_the_smallest_number_of_steps_that_is_enough_if_there_is_one() {
        let values = |every: u64| json!({"num_paths": 256, "num_iterations": 600, "display_frequency": every});
        let limit = 1_000_000;
        let refused = check_output(&input(&values(1)), limit).unwrap_err();
        let (_, rest) = refused.msg.split_once("at least ").unwrap();
        let enough: u64 = rest.split(' ').next().unwrap().parse().unwrap();
        assert!(check_output(&input(&values(enough)), limit).is_ok());
        assert!(check_output(&input(&values(enough - 1)), limit).is_err());
        let impossible = check_output(&input(&values(1)), 1000).unwrap_err();
        assert!(
            impossible.msg.contains("even two frames"),
            "{}",
            impossible.msg
        );
        assert!(check_output(&input(&values(600)), u64::MAX).is_ok());
    }

    #[test]
    fn several_drawings_need_as_much_as_all_of_them() {
        let values = |drawings: u64| json!({"num_paths": 16, "display_frequency": 600, "num_outputs": drawings});
        let size = base64_length(input(&values(1)).estimated_file_bytes());
        assert!(check_output(&input(&values(3)), 6 * size).is_ok());
        let refused = check_output(&input(&values(4)), 6 * size).unwrap_err();
        assert!(refused.msg.contains("at most 3 fit"), "{}", refused.msg);
        assert!(
            json!(refused.loc).to_string().contains("num_outputs"),
            "{refused:?}"
        );
        let values = json!({"num_paths": 16, "display_frequency": 10, "num_outputs": 4});
        let refused = check_output(&input(&values), 8 * size).unwrap_err();
        assert!(
            refused.msg.starts_with("244 frames") && refused.msg.contains("at least 600"),
            "{}",
            refused.msg
        );
    }

    #[test]
    fn an_animation_that_does_not_fit_is_refused() {
        let values = json!({"num_paths": 256, "animation": "webp"});
        let animated = input(&values);
        assert!(check_output(&animated, u64::MAX).is_ok());
        let frames = 61 * base64_length(animated.estimated_file_bytes());
        let refused = check_output(&animated, frames).unwrap_err();
        assert!(
            refused.msg.contains("an animation of about"),
            "{}",
            refused.msg
        );
    }
}
