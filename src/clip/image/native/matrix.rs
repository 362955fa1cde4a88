//! Products with a matrix that was packed before: the 1 x 1 convolutions, and what is written as one.
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use fearless_simd::{Level, Simd, SimdBase, SimdFloat, dispatch, f32x16};

use super::vector::{LANES, relu6, relu6_gradient, stride_of};

/// Rows whose results are in registers at once: with 16 columns of each, they are 8 registers of AVX2, as many as hide
/// the latency of a multiply-add.
const ROWS: usize = 4;

/// Rows that are multiplied with all panels before the next ones, so that each row is read from memory once. Most panels
/// fit in the caches between two such runs.
const CACHED_ROWS: usize = 96;

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
    panels: Vec<[f32; LANES]>,
    /// `[panels]`.
    bias: Vec<[f32; LANES]>,
}

/// What is done with a product before it is written, after the bias was added. Slices are `[rows, stride]`, as the product.
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
}

/// What is multiplied, and what follows.
#[derive(Debug, Clone, Copy)]
struct Operands<'a> {
    rows: &'a [f32],
    finish: Finish<'a>,
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

    /// Multiplies rows `[rows, input stride]`. `products` gets the products, `[rows, stride]`, instead of what it has.
    pub(super) fn multiply(
        &self,
        level: Level,
        rows: &[f32],
        products: &mut Vec<f32>,
        finish: Finish<'_>,
    ) {
        products.resize(rows.len() / self.input_stride() * self.stride(), 0.0);
        dispatch!(level, simd => self.multiply_with(simd, rows, products, finish));
    }

    #[inline(always)]
    fn multiply_with<S: Simd>(
        &self,
        simd: S,
        rows: &[f32],
        products: &mut [f32],
        finish: Finish<'_>,
    ) {
        let count = rows.len() / self.input_stride();
        let operands = Operands { rows, finish };
        for first in (0..count).step_by(CACHED_ROWS) {
            let end = count.min(first + CACHED_ROWS);
            for panel in 0..self.bias.len() {
                let mut row = first;
                while row + ROWS <= end {
                    self.block::<S, ROWS>(simd, operands, [row, panel], products);
                    row += ROWS;
                }
                while row < end {
                    self.block::<S, 1>(simd, operands, [row, panel], products);
                    row += 1;
                }
            }
        }
    }

    /// The products of some rows, from `first` on, with the panel `index`.
    #[inline(always)]
    fn block<S: Simd, const COUNT: usize>(
        &self,
        simd: S,
        Operands { rows, finish }: Operands<'_>,
        [first, index]: [usize; 2],
        products: &mut [f32],
    ) {
        let panel = &self.panels[index * self.inputs..(index + 1) * self.inputs];
        let own: [&[f32]; COUNT] = std::array::from_fn(|row| {
            let start = (first + row) * self.input_stride();
            &rows[start..start + panel.len()]
        });
        let mut sums = [f32x16::splat(simd, 0.0); COUNT];
        for (input, weights) in panel.iter().enumerate() {
            let weights = f32x16::load_array_ref(simd, weights);
            for (sum, row) in sums.iter_mut().zip(own) {
                *sum = f32x16::splat(simd, row[input]).mul_add(weights, *sum);
            }
        }
        let bias = f32x16::load_array_ref(simd, &self.bias[index]);
        for (row, sum) in sums.into_iter().enumerate() {
            let start = (first + row) * self.stride() + index * LANES;
            let place = start..start + LANES;
            let sum = sum + bias;
            let value = match finish {
                Finish::Nothing => sum,
                Finish::Relu6 => relu6(simd, sum),
                Finish::Add(others) => sum + f32x16::from_slice(simd, &others[place.clone()]),
                Finish::Relu6Gradient(results) => {
                    let results = f32x16::from_slice(simd, &results[place.clone()]);
                    relu6_gradient(simd, sum, results)
                }
            };
            value.store_slice(&mut products[place]);
        }
    }
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
                    };
                    let error = (f64::from(*found) - expected).abs();
                    assert!(error < 1e-3, "{found}, expected {expected}");
                }
            }
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
