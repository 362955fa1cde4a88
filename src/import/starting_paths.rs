//! The strokes of clipdraw-interactive, the JSON of its input `starting_paths`.

use serde::Deserialize;

use super::bounded::MAX_COORDINATE;
use crate::plural::counted;
use crate::scene::{POINTS_PER_SEGMENT, Point, REFERENCE_SIDE, Strokes};

/// One stroke.
#[derive(Debug, Deserialize)]
struct StartingPath {
    /// In pixels of a 224 pixel canvas.
    points: Vec<Point>,
    /// The control points between two ends, 2 for each segment.
    num_control_points: Vec<f32>,
    /// Half of the stroke's width (as in diffvg).
    stroke_width: f32,
    /// Red, green, blue and opacity, 0 to 1.
    stroke_color: [f32; 4],
}

/// Why the JSON cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartingPathsError {
    /// It is not a list of such paths.
    #[error("it is not a list of starting paths")]
    Json(#[source] serde_json::Error),
    /// A path is not made of cubic segments.
    #[error(
        "path {index} has {} and {}; n segments have 3 n + 1 points",
        counted(*points, "point", "points"),
        counted(*segments, "segment", "segments")
    )]
    Points {
        /// Which path, counted from 0.
        index: usize,
        /// The number of its points.
        points: usize,
        /// The number of its segments.
        segments: usize,
    },
    /// A coordinate or a width is too large; to paint much larger strokes would take long.
    #[error(
        "path {index} has the coordinate or width {number}; at most {MAX_COORDINATE} are allowed"
    )]
    TooFar {
        /// Which path, counted from 0.
        index: usize,
        /// The number.
        number: f32,
    },
    /// A number is infinite, or a width is not positive.
    #[error("path {index} has a number that is not allowed")]
    Number {
        /// Which path, counted from 0.
        index: usize,
    },
}

/// The size of the canvas and the strokes on it.
pub(super) fn read(text: &str) -> Result<([f32; 2], Strokes), StartingPathsError> {
    let paths: Vec<StartingPath> = serde_json::from_str(text).map_err(StartingPathsError::Json)?;
    let mut strokes = Strokes::new();
    for (index, path) in paths.iter().enumerate() {
        let segments = path.num_control_points.len();
        if segments == 0 || path.points.len() != 1 + POINTS_PER_SEGMENT * segments {
            return Err(StartingPathsError::Points {
                index,
                points: path.points.len(),
                segments,
            });
        }
        let numbers = path.points.iter().flatten().chain(&path.stroke_color);
        if path.stroke_width <= 0.0 || !numbers.chain([&path.stroke_width]).all(|x| x.is_finite()) {
            return Err(StartingPathsError::Number { index });
        }
        let lengths = path.points.iter().flatten().chain([&path.stroke_width]);
        if let Some(number) = lengths
            .copied()
            .find(|number| number.abs() > MAX_COORDINATE)
        {
            return Err(StartingPathsError::TooFar { index, number });
        }
        let color = path.stroke_color.map(|channel| channel.clamp(0.0, 1.0));
        strokes.push(&path.points, path.stroke_width, color);
    }
    Ok(([REFERENCE_SIDE; 2], strokes))
}
