//! The shapes of the region in which strokes have no penalty, the distance of a point from each, and the penalty of a curve.
//!
//! Lengths are in pixels of a 224 pixel canvas. The distance from a shape
//! is exact up to the rounding of floats, that from a mask exact at the nodes of a grid.

mod offset;
mod ellipse;
mod rectangle;
mod distance_field;
mod mask;
mod shape;
mod curve;
#[cfg(test)]
mod tests;

pub(super) use self::curve::curve_penalty;
pub use self::mask::{Mask, MaskError};
pub use self::shape::{Extent, Region};
