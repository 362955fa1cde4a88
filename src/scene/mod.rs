//! What a drawing is, in plain numbers: a canvas, strokes on it, and the picture that they make.
//!
//! Nothing here knows tensors, files or the network.

pub mod color;
pub mod canvas;
pub mod picture;
pub mod strokes;
pub mod gradient;
pub mod start;

pub use canvas::Canvas;
pub use color::{ColorError, Rgb};
pub use gradient::StrokeGradient;
pub use picture::Picture;
pub use strokes::{Point, Rgba, Strokes};
