//! Layer normalization of maps `[panels, rows, 16]`, forward and backward, on all threads.
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use fearless_simd::{Level, Simd, SimdBase, SimdFloat, dispatch, f32x16};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::vector::LANES;

/// Rows whose sums one task computes.
const ROWS_PER_TASK: usize = 16;

/// Two numbers of a row: its mean and the reciprocal of its standard deviation, or two sums of the backward pass.
pub(super) type Pair = [f32; 2];

/// A map, the moments of its rows, and the gradient with respect to the normalized map.
#[derive(Debug, Clone, Copy)]
pub(super) struct Normalized<'a> {
    pub(super) map: &'a [f32],
    pub(super) moments: &'a [Pair],
    pub(super) gradient: &'a [f32],
}

/// A layer norm.
#[derive(Debug)]
pub(super) struct Norm {
    /// `[channels]`, a multiple of 16.
    weight: Vec<f32>,
    /// `[channels]`.
    bias: Vec<f32>,
    epsilon: f32,
}

impl Norm {
    /// With a factor and a summand for each channel; `epsilon` is added to the variance.
    pub(super) fn new(weight: Vec<f32>, bias: Vec<f32>, epsilon: f32) -> Self {
        Self {
            weight,
            bias,
            epsilon,
        }
    }

    /// Normalizes a map. `moments` gets the mean of each row and the reciprocal of its standard deviation.
    pub(super) fn forward(
        &self,
        level: Level,
        map: &[f32],
        moments: &mut Vec<Pair>,
        results: &mut Vec<f32>,
    ) {
        let rows = map.len() / self.weight.len();
        moments.resize(rows, [0.0; 2]);
        for_rows(moments, |row, moments| {
            *moments = dispatch!(level, simd => self.moments(simd, map, rows, row));
        });
        let moments = &*moments;
        results.resize(map.len(), 0.0);
        let panels = results.par_chunks_mut(rows * LANES).enumerate();
        panels.for_each(|(panel, results)| {
            results.copy_from_slice(&map[panel * rows * LANES..][..rows * LANES]);
            dispatch!(level, simd => self.scale(simd, panel, moments, results));
        });
    }

    /// Adds the gradient with respect to a map to `sums`, from that with respect to the results. `memory` is for sums.
    pub(super) fn add_backward(
        &self,
        level: Level,
        of: Normalized<'_>,
        memory: &mut Vec<Pair>,
        sums: &mut [f32],
    ) {
        let rows = of.moments.len();
        memory.resize(rows, [0.0; 2]);
        for_rows(memory, |row, means| {
            *means = dispatch!(level, simd => self.means(simd, of, row));
        });
        let means = &*memory;
        let panels = sums.par_chunks_mut(rows * LANES).enumerate();
        panels.for_each(|(panel, sums)| {
            let own = panel * rows * LANES..(panel + 1) * rows * LANES;
            let own = Normalized {
                map: &of.map[own.clone()],
                gradient: &of.gradient[own],
                ..of
            };
            dispatch!(level, simd => self.add(simd, own, (panel, means), sums));
        });
    }

    #[inline(always)]
    fn moments<S: Simd>(&self, simd: S, map: &[f32], rows: usize, row: usize) -> Pair {
        let channels = self.weight.len() as f32;
        let lines = map.chunks_exact(LANES).skip(row).step_by(rows);
        let mut sum = f32x16::splat(simd, 0.0);
        for line in lines.clone() {
            sum += f32x16::from_slice(simd, line);
        }
        let mean = total(sum) / channels;
        let mut squares = f32x16::splat(simd, 0.0);
        for line in lines {
            let distance = f32x16::from_slice(simd, line) - f32x16::splat(simd, mean);
            squares = distance.mul_add(distance, squares);
        }
        let variance = total(squares) / channels;
        [mean, 1.0 / (variance + self.epsilon).sqrt()]
    }

    /// Normalizes a panel of a map, which is in `results`.
    #[inline(always)]
    fn scale<S: Simd>(&self, simd: S, panel: usize, moments: &[Pair], results: &mut [f32]) {
        let channels = panel * LANES..(panel + 1) * LANES;
        let weight = f32x16::from_slice(simd, &self.weight[channels.clone()]);
        let bias = f32x16::from_slice(simd, &self.bias[channels]);
        for (line, moments) in results.chunks_exact_mut(LANES).zip(moments) {
            let [mean, scale] = moments.map(|value| f32x16::splat(simd, value));
            let normed = (f32x16::from_slice(simd, line) - mean) * scale;
            normed.mul_add(weight, bias).store_slice(line);
        }
    }

    /// The means over the channels of a row: of the gradient after the factors, and of this times the normalized map.
    #[inline(always)]
    fn means<S: Simd>(&self, simd: S, of: Normalized<'_>, row: usize) -> Pair {
        let rows = of.moments.len();
        let [mean, scale] = of.moments[row].map(|value| f32x16::splat(simd, value));
        let lines = |map| <[f32]>::chunks_exact(map, LANES).skip(row).step_by(rows);
        let mut sums = [f32x16::splat(simd, 0.0); 2];
        let both = lines(of.map).zip(lines(of.gradient));
        for ((line, gradient), weight) in both.zip(self.weight.chunks_exact(LANES)) {
            let normed = (f32x16::from_slice(simd, line) - mean) * scale;
            let own = f32x16::from_slice(simd, gradient) * f32x16::from_slice(simd, weight);
            sums[0] += own;
            sums[1] = own.mul_add(normed, sums[1]);
        }
        sums.map(|sum| total(sum) / self.weight.len() as f32)
    }

    /// Adds the gradient with respect to a panel of a map.
    #[inline(always)]
    fn add<S: Simd>(
        &self,
        simd: S,
        of: Normalized<'_>,
        (panel, means): (usize, &[Pair]),
        sums: &mut [f32],
    ) {
        let weight = f32x16::from_slice(simd, &self.weight[panel * LANES..(panel + 1) * LANES]);
        let gradients = of.gradient.chunks_exact(LANES);
        let lines = of.map.chunks_exact(LANES).zip(gradients);
        let rows = lines.zip(of.moments.iter().zip(means));
        for (((line, gradient), (moments, means)), sum) in rows.zip(sums.chunks_exact_mut(LANES)) {
            let [mean, scale] = moments.map(|value| f32x16::splat(simd, value));
            let [plain, along] = means.map(|value| f32x16::splat(simd, value));
            let normed = (f32x16::from_slice(simd, line) - mean) * scale;
            let own = f32x16::from_slice(simd, gradient) * weight - plain - normed * along;
            let value = own.mul_add(scale, f32x16::from_slice(simd, sum));
            value.store_slice(sum);
        }
    }
}

/// The sum of the numbers of a vector, in a fixed order.
#[inline(always)]
pub(super) fn total<S: Simd>(vector: f32x16<S>) -> f32 {
    let mut numbers = [0.0; LANES];
    vector.store_slice(&mut numbers);
    numbers.iter().sum()
}

/// Calls `compute` for each row with its number, on all threads.
fn for_rows(pairs: &mut [Pair], compute: impl Fn(usize, &mut Pair) + Sync) {
    let tasks = pairs.par_chunks_mut(ROWS_PER_TASK).enumerate();
    tasks.for_each(|(task, pairs)| {
        for (index, pair) in pairs.iter_mut().enumerate() {
            compute(task * ROWS_PER_TASK + index, pair);
        }
    });
}
