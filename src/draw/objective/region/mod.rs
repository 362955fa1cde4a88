//! The shapes of the region in which stroke points have no penalty, and the distance of a point from each.
//!
//! Lengths are in pixels of a 224 pixel canvas. Every distance is exact up to the rounding of floats.

mod offset;
mod ellipse;
mod rectangle;
mod shape;
#[cfg(test)]
mod tests;

pub use self::shape::{Extent, Region};
