//! Where the samples of a view lie in the pooled picture, and which texels each is blended from.

use std::array;
use std::ops::Range;

use fearless_simd::{Level, dispatch};

use crate::render::view::{Pooling, Projection, ViewSampling, ViewTransform};

/// Columns and rows of border before the picture, so that samples beside it need no special case.
pub(super) const BEFORE: usize = 1;
/// Columns and rows of border on both sides together.
pub(super) const BORDERS: usize = BEFORE + 2;

/// How far beyond a range of rows samples are looked for, in pixels of the pooled picture: far more than the rounding of
/// the places of samples, which is less than a thousandth of a pixel.
const SEARCH_MARGIN: f64 = 0.5;

/// Two by two texels around a sample: the column and row of the first among the texels of the pooled picture with its border,
/// and the weights in reading order, which add up to the weight of the sample in its pixel's mean.
#[derive(Clone, Copy)]
pub(super) struct BilinearTap {
    pub(super) column: usize,
    pub(super) row: usize,
    pub(super) weights: [f32; 4],
}

/// Samples whose places are computed at once.
const LANES: usize = 8;

/// The taps of samples that follow one another in a row; an array for each number of a tap, so that vector operations
/// compute them.
struct Taps {
    columns: [u32; LANES],
    rows: [u32; LANES],
    /// In the order of [`BilinearTap::weights`].
    weights: [[f32; LANES]; 4],
}

impl Taps {
    #[inline]
    fn tap(&self, lane: usize) -> BilinearTap {
        BilinearTap {
            column: self.columns[lane] as usize,
            row: self.rows[lane] as usize,
            weights: self.weights.map(|weights| weights[lane]),
        }
    }
}

/// How one view is resampled.
pub(super) struct Sampling {
    level: Level,
    /// From positions in the view to positions in the pooled picture, both in pixels.
    source: Projection,
    /// Pixels along a side of the view.
    side: usize,
    /// Samples in a pixel along an axis.
    samples: usize,
    /// Size of the pooled picture in its pixels.
    picture: [usize; 2],
}

impl Sampling {
    /// The sampling of a canvas of `width` by `height` pixels for a view of `side` by `side` pixels.
    pub(super) fn new(view: &ViewTransform, side: usize, width: usize, height: usize) -> Self {
        let ViewSampling { source, samples } = view.sampling(side, width, height);
        let pooling = Pooling::new(side, width, height);
        Self {
            level: Level::new(),
            source,
            side,
            samples,
            picture: [pooling.width(), pooling.height()],
        }
    }

    /// Calls `use_sample(column of the view's pixel, tap)` for every sample in one row of the view's pixels, row
    /// by row of samples.
    pub(super) fn for_each_sample_of_row(
        &self,
        pixel_row: usize,
        mut use_sample: impl FnMut(usize, BilinearTap),
    ) {
        for row in pixel_row * self.samples..(pixel_row + 1) * self.samples {
            self.for_each_sample_of(row, 0..self.samples_in_a_row(), &mut use_sample);
        }
    }

    /// Calls `use_sample(index of the view's pixel, tap)` for the samples that can reach the texels in `rows`, which
    /// count without the border, and for a few others; row by row of samples.
    ///
    /// ```text
    ///   samples of one row, in the picture      y grows or falls along the whole row, because the map takes
    ///                                           lines to lines: those in the rows are one range
    ///        . . x x                 rows
    ///   -------------x-x-x-x-------- <-- first
    ///   ---------------------x-x-x-- <-- last
    ///                              . .
    /// ```
    pub(super) fn for_each_sample_near(
        &self,
        rows: &Range<usize>,
        mut use_sample: impl FnMut(usize, BilinearTap),
    ) {
        for row in 0..self.side * self.samples {
            let near = self.samples_near(row, rows);
            let first_pixel = row / self.samples * self.side;
            self.for_each_sample_of(row, near, &mut |column, tap| {
                use_sample(first_pixel + column, tap);
            });
        }
    }

    /// Pixels along a side of the view.
    pub(super) fn side(&self) -> usize {
        self.side
    }

    fn samples_in_a_row(&self) -> usize {
        self.side * self.samples
    }

    /// The samples of a row whose two texel rows can be among `rows`, and perhaps some more.
    fn samples_near(&self, row: usize, rows: &Range<usize>) -> Range<usize> {
        let count = self.samples_in_a_row();
        // A sample is blended from the rows whose centers lie above and below it.
        let low = rows.start as f64 - 0.5 - SEARCH_MARGIN;
        let high = rows.end as f64 + 0.5 + SEARCH_MARGIN;
        // Along the row, the height is a quotient of two numbers that are linear in x.
        let y = self.sample_row(row);
        let [_, numerator, depth] = self.source.rows().map(|[a, b, c]| [a, b * y + c]);
        let value = |[a, b]: [f64; 2], x: f64| a * x + b;
        let ends = [0, count - 1].map(|index| self.sample_column(index));
        if ends.into_iter().any(|x| value(depth, x) <= 0.0) {
            // The row crosses the horizon of the perspective, where heights jump from one infinity to the other.
            return 0..count;
        }
        let [first, last] = ends.map(|x| value(numerator, x) / value(depth, x));
        if first.max(last) < low || first.min(last) > high {
            return 0..0;
        }
        // The index, with a fraction, at which a height is reached: `a x + b = height (c x + d)`.
        let index_at = |height: f64| {
            let x = (height * depth[1] - numerator[1]) / (numerator[0] - height * depth[0]);
            x * self.samples as f64 - 0.5
        };
        let (enter, leave) = if first <= last {
            (low, high)
        } else {
            (high, low)
        };
        let is_near = |height: f64| (low..=high).contains(&height);
        let (mut start, mut end) = (0, count);
        // Casts truncate and saturate, and take what is no number for 0.
        if !is_near(first) {
            start = index_at(enter) as usize;
        }
        if !is_near(last) {
            end = (index_at(leave).max(-1.0) + 2.0) as usize;
        }
        start..end.min(count)
    }

    /// The samples `range` of one row of samples. Both directions go through here, so they cannot disagree.
    #[inline]
    fn for_each_sample_of(
        &self,
        row: usize,
        range: Range<usize>,
        use_sample: &mut impl FnMut(usize, BilinearTap),
    ) {
        let y = self.sample_row(row);
        let (mut column, mut within) = (range.start / self.samples, range.start % self.samples);
        for first in range.clone().step_by(LANES) {
            let taps = dispatch!(self.level, _simd => self.taps(first, y));
            for lane in 0..LANES.min(range.end - first) {
                use_sample(column, taps.tap(lane));
                within += 1;
                if within == self.samples {
                    (column, within) = (column + 1, 0);
                }
            }
        }
    }

    /// Where a row of samples lies in the view, in pixels.
    fn sample_row(&self, row: usize) -> f64 {
        (row as f64 + 0.5) * (1.0 / self.samples as f64)
    }

    fn sample_column(&self, index: usize) -> f64 {
        (index as f64 + 0.5) * (1.0 / self.samples as f64)
    }

    /// The taps of some samples of a row, from one on. Those after the end of the row are computed as well. The loops are
    /// over arrays, so the compiler makes vector operations of them; each number is rounded as in [`Projection::map`].
    #[expect(
        clippy::inline_always,
        reason = "vector code must end up where its instructions are enabled"
    )]
    #[inline(always)]
    fn taps(&self, first: usize, y: f64) -> Taps {
        let step = 1.0 / self.samples as f64;
        // In double precision, because a projective map can cancel large terms.
        let rows = self.source.rows();
        let offsets = rows.map(|[_, b, c]| b * y + c);
        let start = first as f64;
        let xs: [f64; LANES] = array::from_fn(|lane| (start + (lane as f64 + 0.5)) * step);
        let [us, vs, depths]: [[f64; LANES]; 3] =
            array::from_fn(|axis| xs.map(|x| rows[axis][0] * x + offsets[axis]));
        let inverses = depths.map(|depth| 1.0 / depth);
        let texels = |numerators: [f64; LANES], length: usize| -> [f32; LANES] {
            array::from_fn(|lane| texel((numerators[lane] * inverses[lane]) as f32, length))
        };
        let (xs, ys) = (texels(us, self.picture[0]), texels(vs, self.picture[1]));
        // They are neither negative nor NaN.
        let (columns, rows) = (xs.map(|x| x as u32), ys.map(|y| y as u32));
        let weight = 1.0 / (self.samples * self.samples) as f32;
        let right_parts: [f32; LANES] = array::from_fn(|lane| xs[lane] - columns[lane] as f32);
        let below_parts: [f32; LANES] = array::from_fn(|lane| ys[lane] - rows[lane] as f32);
        let uppers = below_parts.map(|below| (1.0 - below) * weight);
        let lowers = below_parts.map(|below| below * weight);
        Taps {
            columns,
            rows,
            weights: [
                array::from_fn(|lane| (1.0 - right_parts[lane]) * uppers[lane]),
                array::from_fn(|lane| right_parts[lane] * uppers[lane]),
                array::from_fn(|lane| (1.0 - right_parts[lane]) * lowers[lane]),
                array::from_fn(|lane| right_parts[lane] * lowers[lane]),
            ],
        }
    }
}

/// A coordinate as a place among the texels. Pixel centers lie at half-integers. What is clamped lies in the border, where
/// all texels are the same, so the weights do not matter; a place at the horizon, which is no number, counts as before
/// the canvas.
#[expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]
#[inline(always)]
fn texel(coordinate: f32, length: usize) -> f32 {
    let place = coordinate - 0.5;
    // `max` takes the number of a number and NaN.
    place.max(-1.0).min(length as f32) + BEFORE as f32
}
