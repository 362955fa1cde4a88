//! Any bytes as a file that a caller gives: it is refused with a reason, or what is read keeps its limits.

use clipdraw::import::{MAX_PICTURE_PIXELS, MAX_STROKES, decode_picture, read_strokes};
use clipdraw::scene::Canvas;

/// Checks the property for one input.
pub(crate) fn check(bytes: &[u8]) {
    match read_strokes(bytes) {
        Ok(imported) => {
            let strokes = imported.on_canvas(&Canvas::default());
            assert!((1..=MAX_STROKES).contains(&strokes.len()) && strokes.fixed <= strokes.len());
            assert!(
                strokes
                    .points
                    .iter()
                    .flatten()
                    .all(|number| number.is_finite())
            );
            assert!(
                strokes
                    .half_widths
                    .iter()
                    .all(|width| width.is_finite() && *width > 0.0)
            );
            let mut channels = strokes.colors.iter().flatten();
            assert!(channels.all(|channel| (0.0..=1.0).contains(channel)));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    match decode_picture(bytes) {
        Ok(picture) => {
            let pixels = picture.width * picture.height;
            assert!((1..=MAX_PICTURE_PIXELS).contains(&(pixels as u64)));
            assert_eq!(picture.values.len(), picture.channels * pixels);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
