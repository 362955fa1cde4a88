//! The shapes that a region can have.

use std::sync::Arc;

use super::mask::Mask;
use super::offset::{Outside, Rotated};
use super::{ellipse, rectangle};

/// Where strokes have no penalty. The region lies around the position of the constraint.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Region {
    /// Only the position itself, so that the points within the threshold form a circle.
    #[default]
    Circle,
    /// An ellipse.
    Ellipse(Extent),
    /// A rectangle.
    Rectangle(Extent),
    /// Everything except a rectangle with rounded corners: strokes stay out of the middle. The radius of the corners is a
    /// quarter of the shorter side.
    Frame(Extent),
    /// A painted region. It covers the canvas, wherever the position of the constraint is.
    Mask(Arc<Mask>),
}

/// The size of a region, and how it is turned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extent {
    /// Width and height before the rotation, in pixels of a 224 pixel canvas, greater than 0.
    pub size: [f64; 2],
    /// The rotation in degrees, clockwise as in SVG.
    pub rotation: f64,
}

impl Region {
    /// The place that offsets are relative to, in canvas pixels, for a constraint around `position`.
    pub(in crate::draw::objective) fn origin(&self, position: [f64; 2]) -> [f64; 2] {
        match self {
            Self::Mask(_) => [0.0; 2],
            _ => position,
        }
    }

    /// How far a point is outside of the region, `None` if it is inside. `offset` is its position relative to
    /// [`Region::origin`].
    pub(in crate::draw::objective) fn outside(&self, offset: [f64; 2]) -> Option<Outside> {
        match self {
            Self::Circle => Outside::from_vector(offset),
            Self::Ellipse(extent) => extent.rotated(offset).outside(ellipse::outside),
            Self::Rectangle(extent) => extent.rotated(offset).outside(rectangle::outside),
            Self::Frame(extent) => extent.rotated(offset).outside(rectangle::depth),
            Self::Mask(mask) => mask.outside(offset),
        }
    }
}

impl Extent {
    fn rotated(&self, offset: [f64; 2]) -> Rotated {
        Rotated::new(offset, self.rotation, self.size.map(|side| 0.5 * side))
    }
}
