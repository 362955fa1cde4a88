//! How a view resamples the canvas, the same for every renderer.

use super::crop::Window;
use super::homography::{Homography, Projection};
use super::pooling::Pooling;

/// The maximum number of samples in a pixel of a view along an axis.
const MAX_SAMPLES_PER_AXIS: f64 = 16.0;

/// Samples along an axis for each source pixel that a pixel of a view spans. A bilinear sample is a
/// mean over two source pixels, so three samples to four of them miss none, where the scale is
/// that of the view's middle.
const SAMPLES_PER_SOURCE_PIXEL: f64 = 0.75;

/// Where the samples of a view lie in the pooled picture, which is the picture itself unless the canvas is large
/// ([`Pooling`]).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ViewSampling {
    /// From positions in the view to positions in the pooled picture, both in pixels.
    pub source: Projection,
    /// The number of samples in a pixel of the view along each axis, 1 to 16.
    pub samples: usize,
}

impl ViewSampling {
    /// The sampling of a canvas of some width and height in pixels, for a warp and a crop of the square around it and
    /// a view of `side` by `side` pixels.
    pub(super) fn new(
        perspective: &Homography,
        window: &Window,
        side: usize,
        [width, height]: [usize; 2],
    ) -> Self {
        let square = width.max(height);
        let factor = [window.width, window.height].map(|length| f64::from(length) / side as f64);
        let offset = [window.left, window.top].map(f64::from);
        let margin = [width, height].map(|length| (square - length) as f64 / 2.0);
        let pooled = 1.0 / Pooling::new(side, width, height).factor() as f64;
        let source = perspective
            .between_frames(factor, offset, margin.map(|length| -length))
            .scaled(pooled);
        Self {
            source,
            samples: samples_per_axis(&source, side),
        }
    }
}

/// One unless the view shrinks the picture; then enough that their mean is an antialiased pixel.
///
/// How many source pixels a pixel spans differs over a perspective; the map's derivative in the view's
/// middle, by a difference over one pixel, stands for all of it.
fn samples_per_axis(source: &Projection, side: usize) -> usize {
    let middle = side as f64 / 2.0;
    let [x, y] = source.map([middle, middle]);
    let [right, below] = [[1.0, 0.0], [0.0, 1.0]].map(|[dx, dy]| {
        let [u, v] = source.map([middle + dx, middle + dy]);
        (u - x).hypot(v - y)
    });
    let samples = (right.max(below) * SAMPLES_PER_SOURCE_PIXEL).round();
    samples.clamp(1.0, MAX_SAMPLES_PER_AXIS) as usize
}
