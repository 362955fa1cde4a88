//! Attention of maps `[panels, rows, 16]`, forward and backward. The threads share the heads.
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use std::cell::RefCell;

use fearless_simd::{Level, Simd, SimdBase, dispatch, f32x16};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

use super::elementwise::exponential;
use super::norm::total;
use super::panel::{Finish, PanelProduct, Rows, transpose};
use super::vector::{LANES, Line, stride_of};

/// The sizes of the attention of a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attention {
    /// Panels of all heads.
    pub(super) panels: usize,
    /// Panels of a head.
    pub(super) panels_of_head: usize,
    /// Tokens of a view.
    pub(super) tokens: usize,
    /// Views.
    pub(super) views: usize,
    /// Those of the tokens of a view that attend: all, or the first one.
    pub(super) queries: usize,
}

/// The gradients with respect to queries, and to keys and values.
#[derive(Debug, Default)]
pub(super) struct AttentionGradients {
    pub(super) queries: Vec<f32>,
    pub(super) keys_and_values: Vec<f32>,
}

/// Memory of a thread.
#[derive(Debug, Default)]
struct Memory {
    /// Transposed keys or values of a head and a view, `[panels of tokens, channels]`.
    panels: Vec<Line>,
    /// The gradient of the scores, `[queries, stride of tokens]`.
    scores: Vec<f32>,
    /// A transposed matrix of a head and a view, `[tokens, stride of queries]`.
    transposed: Vec<f32>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

const NO_BIAS: Line = [0.0; LANES];

/// The product of rows and a panel, each row of it `step` after the one before.
fn product<'a>(rows: Rows<'a>, panel: &'a [Line], [start, step]: [usize; 2]) -> PanelProduct<'a> {
    PanelProduct {
        rows,
        panel,
        bias: &NO_BIAS,
        finish: Finish::Nothing,
        start,
        step,
    }
}

impl Attention {
    /// The rows of a map of all tokens.
    pub(super) fn rows(&self) -> usize {
        self.views * self.tokens
    }

    /// The rows of a map of the tokens that attend.
    pub(super) fn query_rows(&self) -> usize {
        self.views * self.queries
    }

    /// The numbers of a head in a map with so many rows.
    fn of_head(&self, rows: usize) -> usize {
        self.panels_of_head * rows * LANES
    }

    fn stride(&self) -> usize {
        stride_of(self.tokens)
    }

    /// The attention weights of a head.
    fn weights_of_head(&self) -> usize {
        self.query_rows() * self.stride()
    }

    /// The factor of the scores.
    fn scale(&self) -> f32 {
        ((self.panels_of_head * LANES) as f32).powf(-0.5)
    }

    /// `keys_and_values` has the keys in the first half of its panels. `weights` gets the attention weights,
    /// `[heads, views, queries, stride of tokens]`.
    pub(super) fn forward(
        &self,
        level: Level,
        [queries, keys_and_values]: [&[f32]; 2],
        weights: &mut Vec<f32>,
        results: &mut Vec<f32>,
    ) {
        let heads = self.panels / self.panels_of_head;
        weights.resize(heads * self.weights_of_head(), 0.0);
        results.resize(queries.len(), 0.0);
        let (keys, values) = keys_and_values.split_at(keys_and_values.len() / 2);
        let results = results.par_chunks_mut(self.of_head(self.query_rows()));
        let weights = weights.par_chunks_mut(self.weights_of_head());
        let heads = results.zip(weights).enumerate();
        heads.for_each(|(head, (results, weights))| {
            let queries = self.head(queries, head, self.query_rows());
            let keys = self.head(keys, head, self.rows());
            let values = self.head(values, head, self.rows());
            MEMORY.with_borrow_mut(|memory| {
                dispatch!(level, simd => self.forward_head(simd, [queries, keys, values], memory, [weights, results]));
            });
        });
    }

    /// The part of a map that belongs to a head.
    fn head<'a>(&self, map: &'a [f32], head: usize, rows: usize) -> &'a [f32] {
        &map[head * self.of_head(rows)..][..self.of_head(rows)]
    }

    #[inline(always)]
    fn forward_head<S: Simd>(
        &self,
        simd: S,
        [queries, keys, values]: [&[f32]; 3],
        memory: &mut Memory,
        [weights, results]: [&mut [f32]; 2],
    ) {
        let stride = self.stride();
        let all = Rows::in_panels(queries, self.query_rows());
        for (view, weights) in weights.chunks_exact_mut(self.queries * stride).enumerate() {
            let first = view * self.queries;
            let queries = all.part(first, self.queries);
            let products = (&mut memory.panels, &mut *weights);
            self.multiply_by_tokens(simd, queries, (keys, view), products);
            for row in weights.chunks_exact_mut(stride) {
                softmax(simd, &mut row[..], self.tokens, self.scale());
            }
            let rows = Rows::adjacent(weights, stride);
            self.multiply(
                simd,
                rows,
                (values, view, self.tokens),
                (results, self.query_rows()),
            );
        }
    }

    /// The products of rows with the channels of the tokens of a view, `[rows, stride of tokens]`. Their padding is zero.
    #[inline(always)]
    fn multiply_by_tokens<S: Simd>(
        &self,
        simd: S,
        rows: Rows<'_>,
        (map, view): (&[f32], usize),
        (panels, products): (&mut Vec<Line>, &mut [f32]),
    ) {
        self.transpose_tokens(simd, map, view, panels);
        let channels = self.panels_of_head * LANES;
        for (index, panel) in panels.chunks_exact(channels).enumerate() {
            product(rows, panel, [index * LANES, self.stride()]).compute(simd, products);
        }
    }

    /// The channels of the tokens of a view as panels of tokens.
    #[inline(always)]
    fn transpose_tokens<S: Simd>(&self, simd: S, map: &[f32], view: usize, panels: &mut Vec<Line>) {
        let lines = map.as_chunks::<LANES>().0;
        panels.resize(self.stride() * self.panels_of_head, [0.0; LANES]);
        for (index, columns) in panels.chunks_exact_mut(LANES).enumerate() {
            let (first, panel) = (
                index / self.panels_of_head * LANES,
                index % self.panels_of_head,
            );
            let start = panel * self.rows() + view * self.tokens + first;
            let count = LANES.min(self.tokens - first);
            transpose(simd, &lines[start..start + count], columns);
        }
    }

    /// The products of rows with the panels of a head and a view in a map, which has `count` rows for each view. The
    /// products are the rows of that view in a map with `of_products` rows.
    #[inline(always)]
    fn multiply<S: Simd>(
        &self,
        simd: S,
        rows: Rows<'_>,
        (map, view, count): (&[f32], usize, usize),
        (products, of_products): (&mut [f32], usize),
    ) {
        let lines = map.as_chunks::<LANES>().0;
        for panel in 0..self.panels_of_head {
            let first = panel * self.views * count + view * count;
            let start = (panel * of_products + view * rows.count) * LANES;
            let factor = &lines[first..first + count];
            product(rows, factor, [start, LANES]).compute(simd, products);
        }
    }

    /// The gradients with respect to the queries, keys and values, from that with respect to the results.
    pub(super) fn backward(
        &self,
        level: Level,
        [queries, keys_and_values, weights, gradient]: [&[f32]; 4],
        gradients: &mut AttentionGradients,
    ) {
        gradients.queries.resize(queries.len(), 0.0);
        gradients.keys_and_values.resize(keys_and_values.len(), 0.0);
        let half = keys_and_values.len() / 2;
        let (keys, values) = keys_and_values.split_at(half);
        let (of_keys, of_values) = gradients.keys_and_values.split_at_mut(half);
        let (own, all) = (self.of_head(self.query_rows()), self.of_head(self.rows()));
        let of_queries = gradients.queries.par_chunks_mut(own);
        let of_others = of_keys
            .par_chunks_mut(all)
            .zip(of_values.par_chunks_mut(all));
        let heads = of_queries.zip(of_others).enumerate();
        heads.for_each(|(head, (of_queries, (of_keys, of_values)))| {
            let weights = &weights[head * self.weights_of_head()..][..self.weights_of_head()];
            let parts = [
                self.head(queries, head, self.query_rows()),
                self.head(keys, head, self.rows()),
                self.head(values, head, self.rows()),
                weights,
                self.head(gradient, head, self.query_rows()),
            ];
            let results = [of_queries, of_keys, of_values];
            MEMORY.with_borrow_mut(|memory| {
                dispatch!(level, simd => self.backward_head(simd, parts, memory, results));
            });
        });
    }

    #[inline(always)]
    fn backward_head<S: Simd>(
        &self,
        simd: S,
        [queries, keys, values, weights, gradient]: [&[f32]; 5],
        memory: &mut Memory,
        [of_queries, of_keys, of_values]: [&mut [f32]; 3],
    ) {
        let Memory {
            panels,
            scores,
            transposed,
        } = memory;
        let stride = self.stride();
        let (rows, query_rows) = (self.rows(), self.query_rows());
        scores.resize(self.queries * stride, 0.0);
        let all = Rows::in_panels(gradient, query_rows);
        for (view, weights) in weights.chunks_exact(self.queries * stride).enumerate() {
            let own = all.part(view * self.queries, self.queries);
            let products = (&mut *panels, &mut scores[..]);
            self.multiply_by_tokens(simd, own, (values, view), products);
            let both = scores
                .chunks_exact_mut(stride)
                .zip(weights.chunks_exact(stride));
            for (gradient, weights) in both {
                softmax_backward(simd, gradient, weights, self.scale());
            }
            let by_query = Rows::adjacent(scores, stride);
            self.multiply(
                simd,
                by_query,
                (keys, view, self.tokens),
                (of_queries, query_rows),
            );
            let by_token = self.transpose_weights(scores, transposed);
            self.multiply(
                simd,
                by_token,
                (queries, view, self.queries),
                (of_keys, rows),
            );
            let by_token = self.transpose_weights(weights, transposed);
            self.multiply(
                simd,
                by_token,
                (gradient, view, self.queries),
                (of_values, rows),
            );
        }
    }

    /// A matrix `[queries, stride of tokens]` as rows by token.
    fn transpose_weights<'a>(&self, weights: &[f32], by_token: &'a mut Vec<f32>) -> Rows<'a> {
        let stride = stride_of(self.queries);
        by_token.clear();
        by_token.resize(self.tokens * stride, 0.0);
        for (query, weights) in weights.chunks_exact(self.stride()).enumerate() {
            for (row, weight) in by_token.chunks_exact_mut(stride).zip(weights) {
                row[query] = *weight;
            }
        }
        Rows::adjacent(by_token, stride)
    }
}

/// Replaces the first `count` scores of a row by their weights, after they were multiplied by `scale`; the others are 0.
#[inline(always)]
fn softmax<S: Simd>(simd: S, row: &mut [f32], count: usize, scale: f32) {
    // A comparison, unlike a maximum, would lose NaN here, but it comes back through the exponential function.
    let largest = row[..count].iter().copied().fold(f32::MIN, f32::max);
    let (scale, largest) = (f32x16::splat(simd, scale), f32x16::splat(simd, largest));
    for line in row.chunks_exact_mut(LANES) {
        let score = (f32x16::from_slice(simd, line) - largest) * scale;
        exponential(simd, score).store_slice(line);
    }
    row[count..].fill(0.0);
    let mut sum = f32x16::splat(simd, 0.0);
    for line in row.chunks_exact(LANES) {
        sum += f32x16::from_slice(simd, line);
    }
    let factor = f32x16::splat(simd, 1.0 / total(sum));
    for line in row.chunks_exact_mut(LANES) {
        (f32x16::from_slice(simd, line) * factor).store_slice(line);
    }
}

/// Turns the gradient with respect to a row of weights into that with respect to its scores before they were scaled.
#[inline(always)]
fn softmax_backward<S: Simd>(simd: S, gradient: &mut [f32], weights: &[f32], scale: f32) {
    let mut sum = f32x16::splat(simd, 0.0);
    let both = gradient
        .chunks_exact(LANES)
        .zip(weights.chunks_exact(LANES));
    for (gradient, weights) in both {
        sum += f32x16::from_slice(simd, gradient) * f32x16::from_slice(simd, weights);
    }
    let (mean, scale) = (f32x16::splat(simd, total(sum)), f32x16::splat(simd, scale));
    let both = gradient
        .chunks_exact_mut(LANES)
        .zip(weights.chunks_exact(LANES));
    for (gradient, weights) in both {
        let own = f32x16::from_slice(simd, gradient) - mean;
        (own * f32x16::from_slice(simd, weights) * scale).store_slice(gradient);
    }
}
