//! The data of a drawing: a canvas, the strokes on it, and the picture that they form.
//!
//! Nothing here depends on tensors, files or the network.

mod color;
mod canvas;
mod picture;
mod strokes;
mod gradient;
pub mod start;

pub use canvas::{Canvas, REFERENCE_SIDE};
pub use color::{ColorError, Rgb};
pub use gradient::StrokeGradient;
pub use picture::Picture;
pub use strokes::{POINTS_PER_SEGMENT, Point, Rgba, Strokes};
