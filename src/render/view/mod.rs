//! Random views of a picture, the augmented inputs of CLIP: each a perspective warp and a crop, in
//! one resampling, straight to the model's input size. Only the transforms are made here; the renderer
//! resamples the pixels.
//!
//! Without them the optimizer finds pictures that score well with CLIP but show nothing that people
//! recognize (`CLIPDraw`, section 3.2). All of it is plain arithmetic on the CPU in a fixed order,
//! so that the same seed gives the same bytes on any number of threads; libtorch's `grid_sample`
//! does not guarantee that on a GPU.

mod homography;
mod crop;
mod pooling;
mod sampling;

pub use crop::Window;
pub use homography::{Homography, Projection};
pub use pooling::Pooling;
pub use sampling::ViewSampling;

use rand::Rng;

use self::crop::random_window;
use self::homography::random_perspective;

/// The transform of one view: a square around the canvas, warped and cropped. A canvas that is not
/// square lies in the middle of the square of its longer side.
///
/// ```text
///   canvas in its square       perspective                crop
///
///   +-----------+              . . . . . .                . . . . . .
///   |           |              . a--__   .                .  +----+ .
///   |  canvas   |   ------>    . |    b  .    ------->    .  |view| .
///   |           |              .  d---c  .                .  +----+ .
///   +-----------+              . . . . . .                . . . . . .
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ViewTransform {
    /// The warp of the square around the canvas.
    pub perspective: Homography,
    /// What is cut out of the warped square.
    pub window: Window,
}

impl ViewTransform {
    /// A random view of a canvas of `width` by `height` pixels.
    pub fn random(random: &mut impl Rng, width: usize, height: usize) -> Self {
        let side = width.max(height) as u32;
        Self {
            perspective: random_perspective(random, side),
            window: random_window(random, side),
        }
    }

    /// How a view of `side` by `side` pixels resamples a canvas of `width` by `height` pixels.
    pub fn sampling(&self, side: usize, width: usize, height: usize) -> ViewSampling {
        ViewSampling::new(&self.perspective, &self.window, side, [width, height])
    }

    /// The whole canvas, neither warped nor cropped.
    pub fn whole(width: usize, height: usize) -> Self {
        let side = width.max(height) as u32;
        Self {
            perspective: Homography::IDENTITY,
            window: Window {
                left: 0,
                top: 0,
                width: side,
                height: side,
            },
        }
    }
}

/// `count` random views of a canvas of `width` by `height` pixels.
pub fn random_views(
    random: &mut impl Rng,
    count: usize,
    width: usize,
    height: usize,
) -> Vec<ViewTransform> {
    (0..count)
        .map(|_| ViewTransform::random(random, width, height))
        .collect()
}
