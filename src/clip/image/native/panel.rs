//! The product of rows with 16 columns of a matrix, and what follows it.
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use std::ops::Range;

use fearless_simd::{Simd, SimdBase, SimdFloat, f32x4, f32x16};

use super::vector::{LANES, Line, relu6, relu6_gradient};

/// Rows whose results are in registers at once: with 16 columns of each, they are 12 of the 16 registers of AVX2. More of
/// them share each load of a panel, and eight are enough to hide the latency of a multiply-add.
const ROWS: usize = 6;

/// The same where one register has 16 numbers and there are 32 of them.
const WIDE_ROWS: usize = 12;

/// Inputs that are multiplied with all rows before the next ones, so that this part of a panel stays in the caches. The
/// sums wait among the products, so that each is added up in the same order whatever this number is.
const CACHED_INPUTS: usize = 48 * LANES;

/// What is done with a product before it is written, after the bias was added. Slices are laid out as the product.
#[derive(Debug, Clone, Copy)]
pub(super) enum Finish<'a> {
    /// Nothing.
    Nothing,
    /// The activation.
    Relu6,
    /// Another map is added: a shortcut, or its gradient.
    Add(&'a [f32]),
    /// The product is a gradient after the activation that had these results.
    Relu6Gradient(&'a [f32]),
    /// The product is a gradient after an activation that had these derivatives.
    Multiply(&'a [f32]),
}

impl Finish<'_> {
    /// The part that belongs to a range of the product.
    pub(super) fn within(&self, range: Range<usize>) -> Self {
        match self {
            Self::Add(others) => Self::Add(&others[range]),
            Self::Relu6Gradient(results) => Self::Relu6Gradient(&results[range]),
            Self::Multiply(factors) => Self::Multiply(&factors[range]),
            Self::Nothing | Self::Relu6 => *self,
        }
    }
}

/// Rows of numbers: 16 columns of a row are adjacent, and everything else is as far apart as the two steps say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows<'a> {
    /// From the first row on.
    pub(super) numbers: &'a [f32],
    /// The number of rows.
    pub(super) count: usize,
    /// From a row to the next one.
    pub(super) row_step: usize,
    /// From 16 columns of a row to the next 16.
    pub(super) panel_step: usize,
}

impl<'a> Rows<'a> {
    /// Rows that lie one after another, `[count, stride]`.
    pub(super) fn adjacent(numbers: &'a [f32], stride: usize) -> Self {
        Self {
            numbers,
            count: numbers.len() / stride,
            row_step: stride,
            panel_step: LANES,
        }
    }

    /// Rows that lie panel by panel, `[panels, count, 16]`.
    pub(super) fn in_panels(numbers: &'a [f32], count: usize) -> Self {
        Self {
            numbers,
            count,
            row_step: LANES,
            panel_step: count * LANES,
        }
    }

    /// Every row whose number is a multiple of `step`.
    pub(super) fn every(self, step: usize) -> Self {
        Self {
            count: self.count / step,
            row_step: self.row_step * step,
            ..self
        }
    }

    /// `count` rows from `first` on.
    pub(super) fn part(self, first: usize, count: usize) -> Self {
        Self {
            numbers: &self.numbers[first * self.row_step..],
            count,
            ..self
        }
    }

    /// 16 columns of some rows. Not by a closure: it would be called instead of being written out.
    #[inline(always)]
    fn lines<const COUNT: usize>(&self, first: usize, panel: usize) -> [&'a Line; COUNT] {
        let mut lines = [&[0.0; LANES]; COUNT];
        for (row, line) in lines.iter_mut().enumerate() {
            *line = self.line(first + row, panel);
        }
        lines
    }

    #[inline(always)]
    fn line(&self, row: usize, panel: usize) -> &'a Line {
        let start = row * self.row_step + panel * self.panel_step;
        let line = self.numbers[start..].first_chunk();
        line.expect("rows are whole panels")
    }
}

/// The product of rows and one panel.
#[derive(Debug, Clone, Copy)]
pub(super) struct PanelProduct<'a> {
    /// What is multiplied.
    pub(super) rows: Rows<'a>,
    /// `[inputs]`.
    pub(super) panel: &'a [Line],
    /// What is added to each row of the product.
    pub(super) bias: &'a Line,
    /// What follows.
    pub(super) finish: Finish<'a>,
    /// Where the product of the first row begins among the products.
    pub(super) start: usize,
    /// From the product of a row to that of the next one.
    pub(super) step: usize,
}

impl PanelProduct<'_> {
    /// Writes the product of each row to its place.
    #[inline(always)]
    pub(super) fn compute<S: Simd>(&self, simd: S, products: &mut [f32]) {
        if <S::f32s as SimdBase<S>>::LEN >= LANES {
            self.compute_by::<S, WIDE_ROWS>(simd, products);
        } else {
            self.compute_by::<S, ROWS>(simd, products);
        }
    }

    /// The same with this number of rows at once, and fewer at the end.
    #[inline(always)]
    fn compute_by<S: Simd, const COUNT: usize>(&self, simd: S, products: &mut [f32]) {
        let inputs = self.panel.len();
        for first in (0..inputs).step_by(CACHED_INPUTS) {
            let part = first..inputs.min(first + CACHED_INPUTS);
            let row = self.blocks::<S, COUNT>(simd, 0, &part, products);
            let row = self.blocks::<S, 4>(simd, row, &part, products);
            let row = self.blocks::<S, 2>(simd, row, &part, products);
            self.blocks::<S, 1>(simd, row, &part, products);
        }
    }

    /// As many whole blocks of rows as there are from `first` on; returns the first row after them.
    #[inline(always)]
    fn blocks<S: Simd, const COUNT: usize>(
        &self,
        simd: S,
        first: usize,
        inputs: &Range<usize>,
        products: &mut [f32],
    ) -> usize {
        let mut row = first;
        while row + COUNT <= self.rows.count {
            self.block::<S, COUNT>(simd, row, inputs, products);
            row += COUNT;
        }
        row
    }

    /// Adds the products of some inputs to the sums of some rows, and finishes them after the last input.
    #[inline(always)]
    fn block<S: Simd, const COUNT: usize>(
        &self,
        simd: S,
        first: usize,
        inputs: &Range<usize>,
        products: &mut [f32],
    ) {
        let place = |row: usize| {
            let start = self.start + (first + row) * self.step;
            start..start + LANES
        };
        let mut sums = [f32x16::splat(simd, 0.0); COUNT];
        if inputs.start > 0 {
            for (row, sum) in sums.iter_mut().enumerate() {
                *sum = f32x16::from_slice(simd, &products[place(row)]);
            }
        }
        let (whole, rest) = self.panel[inputs.clone()].as_chunks::<LANES>();
        let mut panel = inputs.start / LANES;
        for weights in whole {
            add_products(simd, &mut sums, self.rows.lines(first, panel), weights);
            panel += 1;
        }
        if !rest.is_empty() {
            add_products(simd, &mut sums, self.rows.lines(first, panel), rest);
        }
        let is_last = inputs.end == self.panel.len();
        let bias = f32x16::load_array_ref(simd, self.bias);
        for (row, sum) in sums.into_iter().enumerate() {
            let place = place(row);
            let value = if is_last {
                let other = |others: &[f32]| f32x16::from_slice(simd, &others[place.clone()]);
                let sum = sum + bias;
                match self.finish {
                    Finish::Nothing => sum,
                    Finish::Relu6 => relu6(simd, sum),
                    Finish::Add(others) => sum + other(others),
                    Finish::Relu6Gradient(results) => relu6_gradient(simd, sum, other(results)),
                    Finish::Multiply(factors) => sum * other(factors),
                }
            } else {
                sum
            };
            value.store_slice(&mut products[place]);
        }
    }
}

/// Adds to each sum the products of its row's numbers with the lines of weights.
#[inline(always)]
fn add_products<S: Simd, const COUNT: usize>(
    simd: S,
    sums: &mut [f32x16<S>; COUNT],
    rows: [&Line; COUNT],
    weights: &[Line],
) {
    for (lane, weights) in weights.iter().enumerate() {
        let weights = f32x16::load_array_ref(simd, weights);
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum = f32x16::splat(simd, row[lane]).mul_add(weights, *sum);
        }
    }
}

/// Writes at most 16 lines to `columns`, a square, with rows and columns exchanged. Missing lines count as zeros.
#[inline(always)]
pub(super) fn transpose<S: Simd>(simd: S, lines: &[Line], columns: &mut [Line]) {
    if let Some(tile) = lines.first_chunk() {
        transpose_square(simd, tile, columns);
    } else {
        let mut tile = [[0.0; LANES]; LANES];
        tile[..lines.len()].copy_from_slice(lines);
        transpose_square(simd, &tile, columns);
    }
}

#[inline(always)]
fn transpose_square<S: Simd>(simd: S, tile: &[Line; LANES], columns: &mut [Line]) {
    for row in (0..LANES).step_by(4) {
        for column in (0..LANES).step_by(4) {
            let (from, to) = (column..column + 4, row..row + 4);
            let a = f32x4::from_slice(simd, &tile[row][from.clone()]);
            let b = f32x4::from_slice(simd, &tile[row + 1][from.clone()]);
            let c = f32x4::from_slice(simd, &tile[row + 2][from.clone()]);
            let d = f32x4::from_slice(simd, &tile[row + 3][from]);
            let (even, odd) = (a.zip_low(c), b.zip_low(d));
            let results = &mut columns[column..column + 4];
            even.zip_low(odd).store_slice(&mut results[0][to.clone()]);
            even.zip_high(odd).store_slice(&mut results[1][to.clone()]);
            let (even, odd) = (a.zip_high(c), b.zip_high(d));
            even.zip_low(odd).store_slice(&mut results[2][to.clone()]);
            even.zip_high(odd).store_slice(&mut results[3][to]);
        }
    }
}

#[cfg(test)]
mod tests {
    use fearless_simd::{Level, dispatch};

    use super::*;

    #[test]
    fn rows_and_columns_are_exchanged() {
        let number = |row: usize, column: usize| (row * LANES + column) as f32;
        let tile: [Line; LANES] =
            std::array::from_fn(|row| std::array::from_fn(|column| number(row, column)));
        for count in [LANES, 5] {
            let mut found = [[f32::NAN; LANES]; LANES];
            dispatch!(Level::new(), simd => transpose(simd, &tile[..count], &mut found));
            for (row, line) in found.iter().enumerate() {
                for (column, value) in line.iter().enumerate() {
                    let exists = f32::from(u8::from(column < count));
                    assert_eq!(*value, exists * number(column, row));
                }
            }
        }
    }

    /// Which of the two numbers is taken depends on the processor; the tests of products only see its own.
    #[test]
    fn both_numbers_of_rows_at_once_give_the_same_bits() {
        let wave = |index: usize| (index as f32 * 0.37).sin();
        let inputs = CACHED_INPUTS + 21;
        let panel: Vec<Line> = (0..inputs)
            .map(|input| std::array::from_fn(|lane| wave(input * LANES + lane)))
            .collect();
        for count in 1..=2 * WIDE_ROWS + 1 {
            let stride = inputs.next_multiple_of(LANES);
            let numbers: Vec<f32> = (0..count * stride).map(|index| wave(3 * index)).collect();
            let product = PanelProduct {
                rows: Rows::adjacent(&numbers, stride),
                panel: &panel,
                bias: &[0.5; LANES],
                finish: Finish::Relu6,
                start: 0,
                step: LANES,
            };
            let (mut few, mut many) = (vec![f32::NAN; count * LANES], vec![0.0; count * LANES]);
            dispatch!(Level::new(), simd => {
                product.compute_by::<_, ROWS>(simd, &mut few);
                product.compute_by::<_, WIDE_ROWS>(simd, &mut many);
            });
            assert!(few.iter().any(|value| *value > 0.0));
            assert_eq!(few, many, "{count} rows");
        }
    }
}
