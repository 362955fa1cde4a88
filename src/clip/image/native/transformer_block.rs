//! A residual attention block, forward and backward.

use fearless_simd::Level;
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;
use tch::TchError;

use super::attention::{Attention, AttentionGradients};
use super::elementwise::activate_all;
use super::matrix::PackedMatrix;
use super::norm::{Norm, Normalized, Pair};
use super::panel::{Finish, Rows};
use super::vector::LANES;
use crate::clip::config::Activation;
use crate::clip::layers::{LayerNorm, Linear};
use crate::clip::transformer::TransformerBlock;
use crate::compute::to_host;

/// Numbers that one task activates.
const ACTIVATIONS_PER_TASK: usize = 256 * LANES;

/// A block with packed weights.
#[derive(Debug)]
pub(super) struct Block {
    attention_norm: Norm,
    queries: PackedMatrix,
    keys_and_values: PackedMatrix,
    output: PackedMatrix,
    mlp_norm: Norm,
    expand: PackedMatrix,
    activation: Activation,
    contract: PackedMatrix,
}

/// The maps of a block that the backward pass needs, `[panels, rows, 16]`.
#[derive(Debug, Default)]
pub(super) struct BlockTape {
    moments: Vec<Pair>,
    queries: Vec<f32>,
    keys_and_values: Vec<f32>,
    /// The attention weights.
    weights: Vec<f32>,
    /// After attention.
    middle: Vec<f32>,
    middle_moments: Vec<Pair>,
    /// The derivatives of the activation.
    derivatives: Vec<f32>,
    /// The results.
    pub(super) outputs: Vec<f32>,
}

/// Maps that no later layer needs.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) normed: Vec<f32>,
    attended: Vec<f32>,
    hidden: Vec<f32>,
    first_tokens: Vec<f32>,
    attention: AttentionGradients,
    pub(super) means: Vec<Pair>,
    /// The gradient of the map that the backward pass has reached.
    pub(super) gradient: Vec<f32>,
}

/// A linear layer, packed.
pub(super) fn pack(layer: &Linear) -> Result<PackedMatrix, TchError> {
    let (weight, bias) = layer.to_host()?;
    let (outputs, inputs) = (bias.len(), weight.len() / bias.len());
    let element = |input: usize, output: usize| weight[output * inputs + input];
    Ok(PackedMatrix::new(inputs, outputs, element, |output| {
        bias[output]
    }))
}

/// A layer norm.
pub(super) fn norm(layer: &LayerNorm) -> Result<Norm, TchError> {
    let (weight, bias) = (to_host(&layer.weight)?, to_host(&layer.bias)?);
    Ok(Norm::new(weight, bias, layer.epsilon as f32))
}

/// The first tokens of the views of a map.
pub(super) fn first_tokens(map: &[f32], tokens: usize, firsts: &mut Vec<f32>) {
    firsts.clear();
    let lines = map.chunks_exact(LANES).step_by(tokens);
    firsts.extend(lines.flatten());
}

/// Adds a map of first tokens to the one of all tokens.
fn add_first_tokens(map: &mut [f32], tokens: usize, firsts: &[f32]) {
    let lines = map.chunks_exact_mut(LANES).step_by(tokens);
    for (sums, line) in lines.zip(firsts.chunks_exact(LANES)) {
        for (sum, value) in sums.iter_mut().zip(line) {
            *sum += value;
        }
    }
}

impl Block {
    pub(super) fn new(block: &TransformerBlock) -> Result<Self, TchError> {
        Ok(Self {
            attention_norm: norm(&block.attention_norm)?,
            queries: pack(&block.queries)?,
            keys_and_values: pack(&block.keys_and_values)?,
            output: pack(&block.output)?,
            mlp_norm: norm(&block.mlp_norm)?,
            expand: pack(&block.mlp.fc)?,
            activation: block.mlp.activation,
            contract: pack(&block.mlp.proj)?,
        })
    }

    /// Maps all tokens to those that attend.
    pub(super) fn forward(
        &self,
        level: Level,
        attention: &Attention,
        inputs: &[f32],
        (tape, memory): (&mut BlockTape, &mut Memory),
    ) {
        let (rows, own) = (attention.rows(), attention.query_rows());
        let Memory {
            normed,
            attended,
            hidden,
            first_tokens: firsts,
            ..
        } = memory;
        let norm = &self.attention_norm;
        norm.forward(level, inputs, &mut tape.moments, normed);
        let all = Rows::in_panels(normed, rows);
        let attending = all.every(attention.tokens / attention.queries);
        let (queries, others) = (&mut tape.queries, &mut tape.keys_and_values);
        self.queries
            .multiply_shared(level, attending, queries, Finish::Nothing);
        self.keys_and_values
            .multiply_shared(level, all, others, Finish::Nothing);
        attention.forward(
            level,
            [&queries[..], &others[..]],
            &mut tape.weights,
            attended,
        );
        let shortcut = if attention.queries == attention.tokens {
            inputs
        } else {
            first_tokens(inputs, attention.tokens, firsts);
            firsts
        };
        let rows = Rows::in_panels(attended, own);
        let finish = Finish::Add(shortcut);
        self.output
            .multiply_shared(level, rows, &mut tape.middle, finish);
        let (middle, moments) = (&tape.middle, &mut tape.middle_moments);
        self.mlp_norm.forward(level, middle, moments, normed);
        let rows = Rows::in_panels(normed, own);
        let derivatives = &mut tape.derivatives;
        self.expand
            .multiply_shared(level, rows, derivatives, Finish::Nothing);
        hidden.resize(derivatives.len(), 0.0);
        let parts = derivatives.par_chunks_mut(ACTIVATIONS_PER_TASK);
        parts
            .zip(hidden.par_chunks_mut(ACTIVATIONS_PER_TASK))
            .for_each(|(inputs, results)| activate_all(level, self.activation, inputs, results));
        let rows = Rows::in_panels(hidden, own);
        let finish = Finish::Add(&tape.middle);
        self.contract
            .multiply_shared(level, rows, &mut tape.outputs, finish);
    }

    /// Turns the gradient with respect to the outputs into that with respect to the inputs, in `memory.gradient`.
    pub(super) fn backward(
        &self,
        level: Level,
        attention: &Attention,
        (inputs, tape): (&[f32], &BlockTape),
        memory: &mut Memory,
    ) {
        let (rows, own) = (attention.rows(), attention.query_rows());
        let Memory {
            normed,
            attended,
            hidden,
            first_tokens: firsts,
            attention: gradients,
            means,
            gradient,
        } = memory;
        let outer = Rows::in_panels(gradient, own);
        let finish = Finish::Multiply(&tape.derivatives);
        self.contract
            .multiply_transposed_shared(level, outer, hidden, finish);
        let inner = Rows::in_panels(hidden, own);
        self.expand
            .multiply_transposed_shared(level, inner, normed, Finish::Nothing);
        let of = Normalized {
            map: &tape.middle,
            moments: &tape.middle_moments,
            gradient: normed,
        };
        self.mlp_norm.add_backward(level, of, means, gradient);
        let outer = Rows::in_panels(gradient, own);
        self.output
            .multiply_transposed_shared(level, outer, attended, Finish::Nothing);
        let (queries, others) = (&tape.queries, &tape.keys_and_values);
        let parts = [&queries[..], others, &tape.weights, attended];
        attention.backward(level, parts, gradients);
        let of_queries = Rows::in_panels(&gradients.queries, own);
        self.queries
            .multiply_transposed_shared(level, of_queries, firsts, Finish::Nothing);
        let of_others = Rows::in_panels(&gradients.keys_and_values, rows);
        if own == rows {
            let finish = Finish::Add(firsts);
            self.keys_and_values
                .multiply_transposed_shared(level, of_others, normed, finish);
        } else {
            let finish = Finish::Nothing;
            self.keys_and_values
                .multiply_transposed_shared(level, of_others, normed, finish);
            add_first_tokens(normed, attention.tokens, firsts);
            firsts.clone_from(gradient);
            gradient.clear();
            gradient.resize(inputs.len(), 0.0);
            add_first_tokens(gradient, attention.tokens, firsts);
        }
        let of = Normalized {
            map: inputs,
            moments: &tape.moments,
            gradient: normed,
        };
        self.attention_norm.add_backward(level, of, means, gradient);
    }
}
