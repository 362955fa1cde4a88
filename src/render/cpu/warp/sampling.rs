//! Where the samples of a view lie in the canvas, and which texels each is blended from.

use std::ops::Range;

use crate::render::view::{Projection, ViewSampling, ViewTransform};

/// Columns and rows of border before the canvas, so that samples beside it need no special case.
pub(super) const BEFORE: usize = 1;
/// Columns and rows of border on both sides together.
pub(super) const BORDERS: usize = BEFORE + 2;

/// How far beyond a range of rows samples are looked for, in canvas pixels. The search takes the places of
/// neighboring samples for ordered, which rounding can change by less than a thousandth of a pixel.
const SEARCH_MARGIN: f64 = 0.5;

/// Two by two texels around a sample: the column and row of the first among the texels of the canvas with its border,
/// and the weights in reading order, which add up to the weight of the sample in its pixel's mean.
#[derive(Clone, Copy)]
pub(super) struct BilinearTap {
    pub(super) column: usize,
    pub(super) row: usize,
    pub(super) weights: [f32; 4],
}

/// How one view is resampled.
pub(super) struct Sampling {
    /// From positions in the view to positions in the canvas, both in pixels.
    source: Projection,
    /// Pixels along a side of the view.
    side: usize,
    /// Samples in a pixel along an axis.
    samples: usize,
    /// Size of the canvas in pixels.
    canvas: [usize; 2],
}

impl Sampling {
    pub(super) fn new(view: &ViewTransform, side: usize, width: usize, height: usize) -> Self {
        let ViewSampling { source, samples } = view.sampling(side, width, height);
        Self {
            source,
            side,
            samples,
            canvas: [width, height],
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
    ///   samples of one row, in the canvas       y grows or falls along the whole row, because the map takes
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
        let y = self.sample_row(row);
        let height = |index: usize| self.source.map([self.sample_column(index), y])[1];
        let first_with = |is_before: &dyn Fn(f64) -> bool| {
            let (mut start, mut end) = (0, count);
            while start < end {
                let middle = start + (end - start) / 2;
                if is_before(height(middle)) {
                    start = middle + 1;
                } else {
                    end = middle;
                }
            }
            start
        };
        let [before, after] = [0, count - 1].map(|index| {
            let x = self.sample_column(index);
            self.source.depth([x, y]) > 0.0
        });
        if !(before && after) {
            // The row crosses the horizon of the perspective, where heights jump from one infinity to the other.
            return 0..count;
        }
        let (first, last) = (height(0), height(count - 1));
        if first.max(last) < low || first.min(last) > high {
            0..0
        } else if first <= last {
            first_with(&|height| height < low)..first_with(&|height| height <= high)
        } else {
            first_with(&|height| height > high)..first_with(&|height| height >= low)
        }
    }

    /// The samples `range` of one row of samples. Both directions go through here, so they cannot disagree.
    #[inline]
    fn for_each_sample_of(
        &self,
        row: usize,
        range: Range<usize>,
        use_sample: &mut impl FnMut(usize, BilinearTap),
    ) {
        let weight = 1.0 / (self.samples * self.samples) as f32;
        let y = self.sample_row(row);
        let (mut column, mut within) = (range.start / self.samples, range.start % self.samples);
        for index in range {
            // In double precision, because a projective map can cancel large terms.
            let source = self.source.map([self.sample_column(index), y]);
            use_sample(
                column,
                self.tap(source.map(|coordinate| coordinate as f32), weight),
            );
            within += 1;
            if within == self.samples {
                (column, within) = (column + 1, 0);
            }
        }
    }

    /// Where a row of samples lies in the view, in pixels.
    fn sample_row(&self, row: usize) -> f64 {
        (row as f64 + 0.5) * (1.0 / self.samples as f64)
    }

    #[inline]
    fn sample_column(&self, index: usize) -> f64 {
        (index as f64 + 0.5) * (1.0 / self.samples as f64)
    }

    #[inline]
    fn tap(&self, source: [f32; 2], weight: f32) -> BilinearTap {
        // Pixel centres lie at half-integers. What is clamped lies in the border, where all
        // texels are the same, so the weights do not matter.
        let texel = |coordinate: f32, length: usize| {
            (coordinate - 0.5).clamp(-1.0, length as f32) + BEFORE as f32
        };
        let x = texel(source[0], self.canvas[0]);
        let y = texel(source[1], self.canvas[1]);
        let (column, row) = (x as usize, y as usize);
        debug_assert!(row + 1 < self.canvas[1] + BORDERS);
        let (right, below) = (x - column as f32, y - row as f32);
        let (upper, lower) = ((1.0 - below) * weight, below * weight);
        BilinearTap {
            column,
            row,
            weights: [
                (1.0 - right) * upper,
                right * upper,
                (1.0 - right) * lower,
                right * lower,
            ],
        }
    }
}
