//! Random views of a picture, as CLIP gets to see it: each a perspective warp and a crop, done in
//! one resampling, straight to the model's input size.
//!
//! Without them the optimiser finds pictures that please CLIP and nobody else (`CLIPDraw`, section
//! 3.2). All of it is plain arithmetic on the CPU in a fixed order, so that the same seed gives the
//! same bytes on any number of threads; libtorch's `grid_sample` does not promise that on a GPU.

pub mod homography;
pub mod window;
pub mod warp;

pub use warp::{View, Views, random_views, view_gradient};
