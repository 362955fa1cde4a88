//! Resampling a picture into views, and a gradient with respect to the views back to the picture.
//!
//! Every pixel of a view looks up its place in the canvas (the inverse map, so no pixel stays
//! empty) and blends the four pixels around it:
//!
//! ```text
//!   view, R x R               square of the longer side          canvas
//!
//!   +---+---+                   . . . . . . . .
//!   | x |   |  crop's scale     . +-------+   .   homography    a---x-------b   bilinear weights
//!   +---+---+ ------------->    . | x     |   . ------------->  |   |       |   of the texels
//!   |   |   |  and offset       . +-------+   .   f64           c---+-------d   a, b, c, d
//!   +---+---+                   . . . . . . . .
//! ```
//!
//! For fixed view transforms this map is linear in the pixels, `views = A picture + white border`,
//! so its gradient is `A^T gradient`: each sample scatters to the texels that it was blended from,
//! with the same weights.
//!
//! A canvas much larger than its views is pooled first ([`Pooling`](crate::render::view::Pooling)), and the places are
//! those in the pooled picture. That is linear too, so the gradient of a pixel of the canvas is that of its square, times
//! its weight in the mean.
//!
//! Both directions are divided so that no sum depends on the number of threads: the views by rows of their
//! pixels, the gradient by bands of rows of the pooled picture. A band is small enough for a cache. Every view is
//! scattered to a band of its own, and these are added up in the order of the views.

mod sampling;
mod pool;
mod texels;
mod view_batch;
#[cfg(test)]
mod tests;

pub use view_batch::{ViewBatch, pooled_view_gradient, view_gradient};
