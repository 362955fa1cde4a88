//! Products with a matrix that was packed before: the 1 x 1 convolutions, and what is written as one.
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use std::cell::RefCell;
use std::ops::Range;

use fearless_simd::{Level, Simd, dispatch};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::panel::{Finish, PanelProduct, Rows, transpose};
use super::vector::{LANES, Line, stride_of};

/// Rows that are multiplied with all panels before the next ones, so that each row is read from memory once. Most panels
/// fit in the caches between two such runs.
const CACHED_ROWS: usize = 96;

thread_local! {
    /// A panel of a transposed matrix.
    static TRANSPOSED: RefCell<Vec<Line>> = const { RefCell::new(Vec::new()) };
}

/// A matrix `[inputs, outputs]` and a bias `[outputs]`.
///
/// ```text
///                       outputs                  A panel is 16 columns. In memory, its rows are adjacent, so a
///              +------+------+---               product with some rows of x reads one panel from its start to its
///      inputs  | panel| panel|                  end, 16 numbers for each element of a row:
///              +------+------+---
///                                               result[r][0..16] += x[r][k] * panel[k][0..16]
/// ```
#[derive(Debug)]
pub(super) struct PackedMatrix {
    inputs: usize,
    /// `[panels, inputs]`; columns after the last output are zero.
    panels: Vec<Line>,
    /// `[panels]`.
    bias: Vec<Line>,
}

impl PackedMatrix {
    /// Packs the matrix with these elements, by input and output, and a bias by output.
    pub(super) fn new(
        inputs: usize,
        outputs: usize,
        element: impl Fn(usize, usize) -> f32,
        bias: impl Fn(usize) -> f32,
    ) -> Self {
        let column = |panel: usize, lane: usize| {
            let output = panel * LANES + lane;
            (output < outputs).then_some(output)
        };
        let panels = 0..stride_of(outputs) / LANES;
        Self {
            inputs,
            panels: panels
                .clone()
                .flat_map(|panel| (0..inputs).map(move |input| (panel, input)))
                .map(|(panel, input)| {
                    std::array::from_fn(|lane| {
                        column(panel, lane).map_or(0.0, |output| element(input, output))
                    })
                })
                .collect(),
            bias: panels
                .map(|panel| std::array::from_fn(|lane| column(panel, lane).map_or(0.0, &bias)))
                .collect(),
        }
    }

    /// The stride of a row of products.
    pub(super) fn stride(&self) -> usize {
        self.bias.len() * LANES
    }

    /// The stride of a row of inputs.
    fn input_stride(&self) -> usize {
        stride_of(self.inputs)
    }

    fn panel(&self, index: usize) -> &[Line] {
        &self.panels[index * self.inputs..(index + 1) * self.inputs]
    }

    /// Multiplies rows `[rows, input stride]`. `products` gets the products, `[rows, stride]`, instead of what it has.
    pub(super) fn multiply(
        &self,
        level: Level,
        rows: &[f32],
        products: &mut Vec<f32>,
        finish: Finish<'_>,
    ) {
        let rows = Rows::adjacent(rows, self.input_stride());
        products.resize(rows.count * self.stride(), 0.0);
        dispatch!(level, simd => self.multiply_with(simd, rows, products, finish));
    }

    #[inline(always)]
    fn multiply_with<S: Simd>(
        &self,
        simd: S,
        rows: Rows<'_>,
        products: &mut [f32],
        finish: Finish<'_>,
    ) {
        let step = self.stride();
        for first in (0..rows.count).step_by(CACHED_ROWS) {
            let count = CACHED_ROWS.min(rows.count - first);
            for (index, bias) in self.bias.iter().enumerate() {
                let product = PanelProduct {
                    rows: rows.part(first, count),
                    panel: self.panel(index),
                    bias,
                    finish,
                    start: first * step + index * LANES,
                    step,
                };
                product.compute(simd, products);
            }
        }
    }

    /// Multiplies rows on all threads, which share the panels. `products` gets the products, `[panels, rows, 16]`.
    pub(super) fn multiply_shared(
        &self,
        level: Level,
        rows: Rows<'_>,
        products: &mut Vec<f32>,
        finish: Finish<'_>,
    ) {
        let panels = self.bias.len();
        share_panels(rows.count, panels, products, |index, own, products| {
            let product = PanelProduct {
                rows,
                panel: self.panel(index),
                bias: &self.bias[index],
                finish: finish.within(own),
                start: 0,
                step: LANES,
            };
            dispatch!(level, simd => product.compute(simd, products));
        });
    }

    /// Multiplies rows `[rows, stride]` with the transposed matrix, without the bias, on all threads. `products` gets the
    /// products, `[input panels, rows, 16]`. Each panel is transposed when it is needed: that takes much less time than its
    /// product, and the matrix is in memory once.
    pub(super) fn multiply_transposed_shared(
        &self,
        level: Level,
        rows: Rows<'_>,
        products: &mut Vec<f32>,
        finish: Finish<'_>,
    ) {
        let panels = self.input_stride() / LANES;
        share_panels(rows.count, panels, products, |index, own, products| {
            TRANSPOSED.with_borrow_mut(|panel| {
                dispatch!(level, simd => self.transpose(simd, index, panel));
                let product = PanelProduct {
                    rows,
                    panel,
                    bias: &[0.0; LANES],
                    finish: finish.within(own),
                    start: 0,
                    step: LANES,
                };
                dispatch!(level, simd => product.compute(simd, products));
            });
        });
    }

    /// A panel of the transposed matrix, `[stride]`.
    #[inline(always)]
    fn transpose<S: Simd>(&self, simd: S, index: usize, panel: &mut Vec<Line>) {
        let first = index * LANES;
        let inputs = first..self.inputs.min(first + LANES);
        panel.resize(self.stride(), [0.0; LANES]);
        for (source, columns) in panel.chunks_exact_mut(LANES).enumerate() {
            transpose(simd, &self.panel(source)[inputs.clone()], columns);
        }
    }
}

/// Calls `compute` for each panel with its number, its range among the products, and its products. The panels are divided
/// among the threads; no number depends on how.
fn share_panels(
    rows: usize,
    panels: usize,
    products: &mut Vec<f32>,
    compute: impl Fn(usize, Range<usize>, &mut [f32]) + Sync,
) {
    let length = rows * LANES;
    products.resize(panels * length, 0.0);
    let shared = products.par_chunks_mut(length).enumerate();
    shared.for_each(|(index, products)| {
        compute(index, index * length..(index + 1) * length, products);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(index: usize) -> f32 {
        (index * 7919 % 1009) as f32 / 100.0 - 5.0
    }

    fn dot(row: &[f32], column: &[f32]) -> f64 {
        let products = row.iter().zip(column);
        products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    #[test]
    fn every_product_is_the_sum_of_its_products_and_is_finished() {
        for (rows, inputs, outputs) in [(1, 1, 1), (3, 5, 16), (6, 17, 40), (8, 33, 15)] {
            let element = |input: usize, output: usize| number(3 * input + 11 * output);
            let bias = |output: usize| number(output) / 2.0;
            let matrix = PackedMatrix::new(inputs, outputs, element, bias);
            let (input_stride, stride) = (stride_of(inputs), stride_of(outputs));
            let mut x = vec![0.0; rows * input_stride];
            for row in 0..rows {
                for input in 0..inputs {
                    x[row * input_stride + input] = number(13 * row + input) / 10.0;
                }
            }
            let others: Vec<f32> = (0..rows * stride).map(number).collect();
            for finish in [
                Finish::Nothing,
                Finish::Relu6,
                Finish::Add(&others),
                Finish::Relu6Gradient(&others),
                Finish::Multiply(&others),
            ] {
                let mut found = vec![f32::NAN; rows * stride];
                matrix.multiply(Level::new(), &x, &mut found, finish);
                for (index, found) in found.iter().enumerate() {
                    let (row, output) = (index / stride, index % stride);
                    let own = &x[row * input_stride..];
                    let column: Vec<f32> =
                        (0..inputs).map(|input| element(input, output)).collect();
                    let exists = f64::from(u8::from(output < outputs));
                    let sum = exists * (dot(own, &column) + f64::from(bias(output)));
                    let other = others[index];
                    let expected = match finish {
                        Finish::Nothing => sum,
                        Finish::Relu6 => sum.clamp(0.0, 6.0),
                        Finish::Add(_) => sum + f64::from(other),
                        Finish::Relu6Gradient(_) if other > 0.0 && other < 6.0 => sum,
                        Finish::Relu6Gradient(_) => 0.0,
                        Finish::Multiply(_) => sum * f64::from(other),
                    };
                    let error = (f64::from(*found) - expected).abs();
                    assert!(error < 1e-3, "{found}, expected {expected}");
                }
            }
        }
    }

    /// Rows `[rows, stride]` as `[panels, rows, 16]`.
    fn in_panels(rows: &[f32], stride: usize) -> Vec<f32> {
        let panels = 0..stride / LANES;
        let lines = panels.flat_map(|panel| {
            let rows = rows.chunks_exact(stride);
            rows.flat_map(move |row| &row[panel * LANES..(panel + 1) * LANES])
        });
        lines.copied().collect()
    }

    /// Rows of so many numbers, `[rows, stride]`.
    fn rows_of(rows: usize, count: usize) -> Vec<f32> {
        let stride = stride_of(count);
        let numbers = (0..rows * stride).map(|index| {
            let exists = index % stride < count;
            if exists { number(7 * index) } else { 0.0 }
        });
        numbers.collect()
    }

    #[test]
    fn products_on_all_threads_are_the_same_and_those_with_the_transpose_as_well() {
        // The last two have more inputs or outputs than are multiplied at once.
        for (rows, inputs, outputs) in [(1, 1, 1), (7, 17, 40), (13, 800, 33), (5, 20, 800)] {
            let level = Level::new();
            let element = |input: usize, output: usize| number(3 * input + 11 * output);
            let matrix = PackedMatrix::new(inputs, outputs, element, number);
            let mut expected = Vec::new();
            // Memory that was used for something else before.
            let mut found = vec![f32::NAN; 20_000];
            let x = rows_of(rows, inputs);
            matrix.multiply(level, &x, &mut expected, Finish::Relu6);
            let x = in_panels(&x, stride_of(inputs));
            let x = Rows::in_panels(&x, rows);
            matrix.multiply_shared(level, x, &mut found, Finish::Relu6);
            assert_eq!(found, in_panels(&expected, stride_of(outputs)));

            let transposed =
                PackedMatrix::new(outputs, inputs, |row, column| element(column, row), |_| 0.0);
            let x = rows_of(rows, outputs);
            transposed.multiply(level, &x, &mut expected, Finish::Nothing);
            let x = in_panels(&x, stride_of(outputs));
            let x = Rows::in_panels(&x, rows);
            found.fill(f32::NAN);
            matrix.multiply_transposed_shared(level, x, &mut found, Finish::Nothing);
            assert_eq!(found, in_panels(&expected, stride_of(inputs)));
        }
    }

    #[test]
    fn a_number_that_is_not_finite_is_not_hidden_by_the_activation() {
        let matrix = PackedMatrix::new(1, 1, |_, _| 1.0, |_| 0.0);
        let mut products = Vec::new();
        let mut row = [0.0; LANES];
        row[0] = f32::NAN;
        matrix.multiply(Level::new(), &row, &mut products, Finish::Relu6);
        assert!(products[0].is_nan());
    }
}
