//! The tower of vision transformers.

use std::sync::Arc;

use fearless_simd::Level;
use parking_lot::Mutex;
use tch::{TchError, Tensor};

use super::attention::Attention;
use super::matrix::PackedMatrix;
use super::norm::{Norm, Normalized, Pair};
use super::panel::{Finish, Rows};
use super::patches::Patches;
use super::stem::CHANNELS;
use super::transformer_block::{Block, BlockTape, Memory, norm, pack};
use super::vector::LANES;
use crate::clip::config::TransformerSize;
use crate::clip::image::vit::VisionTransformer;
use crate::compute::to_host;

/// Tapes that are kept for later passes. A pass runs on all threads, so that more at once are rare.
const KEPT_TAPES: usize = 2;

/// A vision transformer with packed weights. Clones share them.
#[derive(Debug, Clone)]
pub(in crate::clip::image) struct NativeTransformer {
    layers: Arc<Layers>,
    level: Level,
    kept: Arc<Mutex<Vec<TransformerTape>>>,
}

#[derive(Debug)]
struct Layers {
    patches: Patches,
    embedding: PackedMatrix,
    /// What is added to the tokens of a view, `[tokens, channels]`: the class embedding to the first one, and positions.
    positions: Vec<f32>,
    channels: usize,
    panels_of_head: usize,
    first_norm: Norm,
    blocks: Vec<Block>,
    last_norm: Norm,
    projection: PackedMatrix,
    /// The length of an embedding.
    width: usize,
    /// After so many blocks the tokens are features.
    feature_depths: [usize; 2],
}

/// What the backward pass needs of the forward pass, and memory for both.
#[derive(Debug, Default)]
pub(in crate::clip::image) struct TransformerTape {
    views: usize,
    pixels: Vec<f32>,
    patches: Vec<f32>,
    embedded: Vec<f32>,
    moments: Vec<Pair>,
    tokens: Vec<f32>,
    blocks: Vec<BlockTape>,
    last_moments: Vec<Pair>,
    embeddings: Vec<f32>,
    memory: Memory,
}

impl NativeTransformer {
    /// Whether there are blocks, with heads whose channels are whole vectors.
    pub(super) fn suits(size: &TransformerSize) -> bool {
        size.layers > 0 && (size.width / size.heads) % LANES as i64 == 0
    }

    /// Packs the weights of a tower for views of `side` by `side` pixels, which are normalized by `mean` and `std` first.
    ///
    /// Each block is dropped when it is packed, so that the weights are never in memory twice.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn new(
        tower: VisionTransformer,
        side: usize,
        mean: [f32; CHANNELS],
        std: [f32; CHANNELS],
    ) -> Result<Self, TchError> {
        let TransformerSize { width, heads, .. } = tower.size;
        let mut positions = to_host(&tower.positions)?;
        for (sum, value) in positions.iter_mut().zip(to_host(&tower.class)?) {
            *sum += value;
        }
        let blocks = tower.blocks.into_iter().map(|block| Block::new(&block));
        Ok(Self {
            layers: Arc::new(Layers {
                patches: Patches {
                    side,
                    patch: tower.size.patch as usize,
                    grid: tower.grid as usize,
                    mean,
                    std,
                },
                embedding: pack(&tower.patches)?,
                positions,
                channels: width as usize,
                panels_of_head: (width / heads) as usize / LANES,
                first_norm: norm(&tower.first_norm)?,
                blocks: blocks.collect::<Result<_, _>>()?,
                last_norm: norm(&tower.last_norm)?,
                width: tower.projection.output_count(),
                projection: pack(&tower.projection)?,
                feature_depths: tower.feature_depths,
            }),
            level: Level::new(),
            kept: Arc::default(),
        })
    }

    /// Views `[N, 3, R, R]`, 32-bit, to embeddings `[N, E]` that are not normalized.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn forward(&self, views: &Tensor) -> Result<(Tensor, TransformerTape), TchError> {
        let mut tape = self.tape_with(views)?;
        // On a thread of the pool, so that a layer does not have to get there.
        rayon::scope(|_| self.layers.forward(self.level, &mut tape));
        let embeddings = rows_of(&tape.embeddings, tape.views, self.layers.width);
        let size = [tape.views as i64, self.layers.width as i64];
        Ok((Tensor::f_from_slice(&embeddings)?.f_view(size)?, tape))
    }

    /// The features of views `[N, 3, R, R]`, as [`Self::features_on`] gives them, without the layers after them.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn features(&self, views: &Tensor) -> Result<[Tensor; 2], TchError> {
        let mut tape = self.tape_with(views)?;
        let [_, last] = self.layers.feature_depths;
        rayon::scope(|_| self.layers.forward_blocks(self.level, last, &mut tape));
        let features = self.features_on(&tape)?;
        self.keep(tape);
        Ok(features)
    }

    /// The features of the views that were encoded on a tape, `[N, 1 + G * G, W]` each.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn features_on(&self, tape: &TransformerTape) -> Result<[Tensor; 2], TchError> {
        let (tokens, channels) = (self.layers.patches.tokens(), self.layers.channels);
        let features = |depth: usize| {
            let map = tape.outputs(depth);
            Tensor::f_from_slice(&rows_of(map, tape.views * tokens, channels))?.f_view([
                tape.views as i64,
                tokens as i64,
                channels as i64,
            ])
        };
        let [first, second] = self.layers.feature_depths;
        Ok([features(first)?, features(second)?])
    }

    /// A tape with the pixels of views.
    fn tape_with(&self, views: &Tensor) -> Result<TransformerTape, TchError> {
        let mut tape = self.kept.lock().pop().unwrap_or_default();
        let views = views.f_contiguous()?;
        let length = views.numel();
        tape.views = views.size()[0] as usize;
        tape.pixels.resize(length, 0.0);
        views.f_copy_data(&mut tape.pixels, length)?;
        Ok(tape)
    }

    /// Keeps the memory of a tape for another pass.
    pub(super) fn keep(&self, tape: TransformerTape) {
        let mut kept = self.kept.lock();
        if kept.len() < KEPT_TAPES {
            kept.push(tape);
        }
    }

    /// The gradient with respect to the views, `[N, 3, R, R]`, from that with respect to the embeddings, `[N, E]`, and to
    /// the features, if the loss depends on them.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn backward(
        &self,
        mut tape: TransformerTape,
        gradient: &Tensor,
        features: Option<&[Tensor; 2]>,
    ) -> Result<Tensor, TchError> {
        let layers = &*self.layers;
        add_rows(
            &mut tape.embeddings,
            &to_host(gradient)?,
            layers.width,
            |_| 0.0,
        );
        let of_features = features
            .into_iter()
            .flatten()
            .map(to_host)
            .collect::<Result<Vec<_>, _>>()?;
        rayon::scope(|_| layers.backward(self.level, &of_features, &mut tape));
        let side = layers.patches.side as i64;
        let views =
            Tensor::f_from_slice(&tape.pixels)?.f_view([-1, CHANNELS as i64, side, side])?;
        self.keep(tape);
        Ok(views)
    }
}

/// A map `[panels, rows, 16]` as `[rows, channels]`.
fn rows_of(map: &[f32], rows: usize, channels: usize) -> Vec<f32> {
    let number =
        |row: usize, channel: usize| map[(channel / LANES * rows + row) * LANES + channel % LANES];
    let all = (0..rows).flat_map(|row| (0..channels).map(move |channel| (row, channel)));
    all.map(|(row, channel)| number(row, channel)).collect()
}

/// Adds rows `[rows, channels]` to what `start` makes of the numbers of a map `[panels, rows, 16]`.
fn add_rows(map: &mut [f32], rows: &[f32], channels: usize, start: impl Fn(f32) -> f32) {
    let count = rows.len() / channels;
    for (row, numbers) in rows.chunks_exact(channels).enumerate() {
        for (channel, number) in numbers.iter().enumerate() {
            let sum = &mut map[(channel / LANES * count + row) * LANES + channel % LANES];
            *sum = start(*sum) + number;
        }
    }
}

impl TransformerTape {
    /// The tokens after so many blocks.
    fn outputs(&self, depth: usize) -> &[f32] {
        match depth.checked_sub(1) {
            Some(last) => &self.blocks[last].outputs,
            None => &self.tokens,
        }
    }
}

impl Layers {
    /// The attention of the block with this index. After the last one, only the class token is needed.
    fn attention(&self, index: usize, views: usize) -> Attention {
        let tokens = self.patches.tokens();
        let is_last = index + 1 == self.blocks.len();
        Attention {
            panels: self.channels / LANES,
            panels_of_head: self.panels_of_head,
            tokens,
            views,
            queries: if is_last { 1 } else { tokens },
        }
    }

    /// Everything up to the first `count` blocks.
    fn forward_blocks(&self, level: Level, count: usize, tape: &mut TransformerTape) {
        let TransformerTape {
            views,
            pixels,
            patches,
            embedded,
            moments,
            tokens,
            blocks,
            memory,
            ..
        } = tape;
        self.patches.cut(pixels, patches);
        let rows = *views * self.patches.tokens();
        let all = Rows::in_panels(patches, rows);
        self.embedding
            .multiply_shared(level, all, embedded, Finish::Nothing);
        for (panel, map) in embedded.chunks_exact_mut(rows * LANES).enumerate() {
            let positions = self.positions.chunks_exact(self.channels).cycle();
            for (sums, position) in map.chunks_exact_mut(LANES).zip(positions) {
                let values = &position[panel * LANES..][..LANES];
                let sums = sums.iter_mut().zip(values);
                sums.for_each(|(sum, value)| *sum += value);
            }
        }
        self.first_norm.forward(level, embedded, moments, tokens);
        blocks.resize_with(self.blocks.len(), BlockTape::default);
        let mut inputs = &*tokens;
        for (index, tape) in blocks[..count].iter_mut().enumerate() {
            let attention = self.attention(index, *views);
            self.blocks[index].forward(level, &attention, inputs, (tape, memory));
            inputs = &tape.outputs;
        }
    }

    fn forward(&self, level: Level, tape: &mut TransformerTape) {
        self.forward_blocks(level, self.blocks.len(), tape);
        let mut memory = std::mem::take(&mut tape.memory);
        let mut moments = std::mem::take(&mut tape.last_moments);
        let outputs = tape.outputs(self.blocks.len());
        let normed = &mut memory.normed;
        self.last_norm.forward(level, outputs, &mut moments, normed);
        let rows = Rows::in_panels(normed, tape.views);
        let embeddings = &mut tape.embeddings;
        self.projection
            .multiply_shared(level, rows, embeddings, Finish::Nothing);
        (tape.memory, tape.last_moments) = (memory, moments);
    }

    /// The gradient with respect to the embeddings is in their place, and that with respect to the views gets into theirs.
    /// `features` has the gradients with respect to the features, or nothing.
    fn backward(&self, level: Level, features: &[Vec<f32>], tape: &mut TransformerTape) {
        let mut memory = std::mem::take(&mut tape.memory);
        let views = tape.views;
        let normed = &mut memory.normed;
        let rows = Rows::in_panels(&tape.embeddings, views);
        self.projection
            .multiply_transposed_shared(level, rows, normed, Finish::Nothing);
        let outputs = tape.outputs(self.blocks.len());
        memory.gradient.clear();
        memory.gradient.resize(outputs.len(), 0.0);
        let of = Normalized {
            map: outputs,
            moments: &tape.last_moments,
            gradient: normed,
        };
        let (means, gradient) = (&mut memory.means, &mut memory.gradient);
        self.last_norm.add_backward(level, of, means, gradient);
        for (index, block) in self.blocks.iter().enumerate().rev() {
            let (attention, inputs) = (self.attention(index, views), tape.outputs(index));
            let pass = (inputs, &tape.blocks[index]);
            block.backward(level, &attention, pass, &mut memory);
            let own = self.feature_depths.iter().zip(features);
            for (_, gradient) in own.filter(|(depth, _)| **depth == index) {
                add_rows(&mut memory.gradient, gradient, self.channels, |sum| sum);
            }
        }
        let normed = &mut memory.normed;
        normed.clear();
        normed.resize(memory.gradient.len(), 0.0);
        let of = Normalized {
            map: &tape.embedded,
            moments: &tape.moments,
            gradient: &memory.gradient,
        };
        self.first_norm
            .add_backward(level, of, &mut memory.means, normed);
        let rows = Rows::in_panels(normed, views * self.patches.tokens());
        let patches = &mut tape.patches;
        self.embedding
            .multiply_transposed_shared(level, rows, patches, Finish::Nothing);
        self.patches.cut_backward(patches, &mut tape.pixels);
        tape.memory = memory;
    }
}
