//! The whole tower.

use std::sync::Arc;

use fearless_simd::Level;
use parking_lot::Mutex;
use tch::{TchError, Tensor};

use super::depthwise::Depthwise;
use super::matrix::PackedMatrix;
use super::panel::Finish;
use super::stem::{CHANNELS, Stem};
use super::vector::stride_of;
use crate::clip::config::EfficientNetSize;
use crate::clip::image::efficient_net::{EfficientNet, InvertedResidual, SamePaddedConvolution};
use crate::compute::to_host;

/// Tapes that are kept for later passes. More passes at once allocate their own.
const KEPT_TAPES: usize = 64;

/// A tower with packed weights. Clones share them.
#[derive(Debug, Clone)]
pub(in crate::clip::image) struct NativeTower {
    layers: Arc<Layers>,
    level: Level,
    kept: Arc<Mutex<Vec<Tape>>>,
}

#[derive(Debug)]
struct Layers {
    /// Of a view in pixels.
    side: usize,
    stem: Stem,
    blocks: Vec<Block>,
    head: Product,
    projection: Product,
    /// The length of an embedding.
    width: usize,
    /// The indices of the blocks whose outputs are features.
    feature_blocks: [usize; 2],
}

/// An inverted residual.
#[derive(Debug)]
struct Block {
    expand: Option<Product>,
    depthwise: Depthwise,
    project: Product,
    has_shortcut: bool,
}

/// A matrix, packed for both passes.
#[derive(Debug)]
struct Product {
    forward: PackedMatrix,
    backward: PackedMatrix,
}

impl Product {
    /// `weight` is `[outputs, inputs]`.
    fn new(weight: &[f32], bias: &[f32]) -> Self {
        let outputs = bias.len();
        let inputs = weight.len() / outputs;
        Self {
            forward: PackedMatrix::new(
                inputs,
                outputs,
                |input, output| weight[output * inputs + input],
                |output| bias[output],
            ),
            backward: PackedMatrix::new(
                outputs,
                inputs,
                |output, input| weight[output * inputs + input],
                |_| 0.0,
            ),
        }
    }

    fn of(convolution: &SamePaddedConvolution) -> Result<Self, TchError> {
        Ok(Self::new(
            &to_host(&convolution.kernel)?,
            &to_host(&convolution.bias)?,
        ))
    }
}

/// What the backward pass needs of the forward pass, and memory for both.
#[derive(Debug, Default)]
pub(in crate::clip::image) struct Tape {
    pixels: Vec<f32>,
    patches: Vec<f32>,
    stem: Vec<f32>,
    blocks: Vec<BlockTape>,
    head: Vec<f32>,
    pooled: Vec<f32>,
    embeddings: Vec<f32>,
    gradients: Gradients,
}

/// The maps of a block.
#[derive(Debug, Default)]
struct BlockTape {
    /// After expansion; empty without one.
    expanded: Vec<f32>,
    /// After the depthwise convolution.
    filtered: Vec<f32>,
    /// The results.
    outputs: Vec<f32>,
}

/// The gradients of the layer that the backward pass has reached.
#[derive(Debug, Default)]
struct Gradients {
    outputs: Vec<f32>,
    filtered: Vec<f32>,
    expanded: Vec<f32>,
    inputs: Vec<f32>,
}

impl NativeTower {
    /// Whether only the first block does not expand, and has no shortcut, as in every `EfficientNet`.
    pub(super) fn suits(size: &EfficientNetSize) -> bool {
        let blocks = size.blocks();
        match blocks.split_first() {
            Some((first, others)) => {
                !first.expands()
                    && !first.has_shortcut()
                    && others.iter().all(|block| block.expands())
            }
            None => false,
        }
    }

    /// Packs the weights of a tower for views of `side` by `side` pixels, which are normalized by `mean` and `std` first.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn new(
        tower: &EfficientNet,
        side: usize,
        mean: [f32; CHANNELS],
        std: [f32; CHANNELS],
    ) -> Result<Self, TchError> {
        let stem = Stem::new(
            side,
            (mean, std),
            &to_host(&tower.stem.kernel)?,
            &to_host(&tower.stem.bias)?,
        );
        let mut blocks = Vec::with_capacity(tower.blocks.len());
        let mut map_side = stem.outputs();
        for block in &tower.blocks {
            let block = Block::new(block, map_side)?;
            map_side = block.depthwise.outputs();
            blocks.push(block);
        }
        let (weight, bias) = tower.projection.to_host()?;
        Ok(Self {
            layers: Arc::new(Layers {
                side,
                stem,
                blocks,
                head: Product::of(&tower.head)?,
                width: bias.len(),
                projection: Product::new(&weight, &bias),
                // Each stage has a block.
                feature_blocks: tower.feature_depths.map(|depth| depth - 1),
            }),
            level: Level::new(),
            kept: Arc::default(),
        })
    }

    /// Views `[N, 3, R, R]`, 32-bit, to embeddings `[N, E]` that are not normalized.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn forward(&self, views: &Tensor) -> Result<(Tensor, Tape), TchError> {
        let mut tape = self.tape_with(views)?;
        let count = views.size()[0] as usize;
        self.layers.forward(self.level, count, &mut tape);
        let width = self.layers.width;
        let rows = tape.embeddings.chunks_exact(stride_of(width));
        let embeddings: Vec<f32> = rows.flat_map(|row| &row[..width]).copied().collect();
        let embeddings = Tensor::f_from_slice(&embeddings)?.f_view([count as i64, width as i64])?;
        Ok((embeddings, tape))
    }

    /// The features of views `[N, 3, R, R]`, as [`Self::features_on`] gives them, without the layers after them.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn features(&self, views: &Tensor) -> Result<[Tensor; 2], TchError> {
        let mut tape = self.tape_with(views)?;
        let [_, last] = self.layers.feature_blocks;
        self.layers.forward_blocks(self.level, last + 1, &mut tape);
        let features = self.features_on(&tape)?;
        self.keep(tape);
        Ok(features)
    }

    /// The features of the views that were encoded on a tape, `[N, side * side * stride]` each.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn features_on(&self, tape: &Tape) -> Result<[Tensor; 2], TchError> {
        let views = tape.pixels.len() / (CHANNELS * self.layers.side * self.layers.side);
        let [first, second] = self.layers.feature_blocks;
        let features = |block: usize| {
            Tensor::f_from_slice(&tape.blocks[block].outputs)?.f_view([views as i64, -1])
        };
        Ok([features(first)?, features(second)?])
    }

    /// A tape with the pixels of views.
    fn tape_with(&self, views: &Tensor) -> Result<Tape, TchError> {
        let mut tape = self.kept.lock().pop().unwrap_or_default();
        let views = views.f_contiguous()?;
        let length = views.numel();
        tape.pixels.resize(length, 0.0);
        views.f_copy_data(&mut tape.pixels, length)?;
        Ok(tape)
    }

    /// Keeps the memory of a tape for another pass.
    pub(super) fn keep(&self, tape: Tape) {
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
        mut tape: Tape,
        gradient: &Tensor,
        features: Option<&[Tensor; 2]>,
    ) -> Result<Tensor, TchError> {
        let width = self.layers.width;
        let gradient = to_host(gradient)?;
        let of_features = features
            .into_iter()
            .flatten()
            .map(to_host)
            .collect::<Result<Vec<_>, _>>()?;
        let count = gradient.len() / width;
        let rows = tape.embeddings.chunks_exact_mut(stride_of(width));
        for (row, gradient) in rows.zip(gradient.chunks_exact(width)) {
            row[..width].copy_from_slice(gradient);
        }
        self.layers
            .backward(self.level, count, &of_features, &mut tape);
        let side = self.layers.side as i64;
        let views =
            Tensor::f_from_slice(&tape.pixels)?.f_view([-1, CHANNELS as i64, side, side])?;
        self.keep(tape);
        Ok(views)
    }
}

impl Block {
    fn new(block: &InvertedResidual, side: usize) -> Result<Self, TchError> {
        let (kernel, bias) = (
            to_host(&block.depthwise.kernel)?,
            to_host(&block.depthwise.bias)?,
        );
        let kernel_side = block.depthwise.side as usize;
        let taps = kernel_side * kernel_side;
        Ok(Self {
            expand: block.expand.as_ref().map(Product::of).transpose()?,
            depthwise: Depthwise::new(
                (side, bias.len()),
                (kernel_side, block.depthwise.stride as usize),
                |channel, tap| kernel[channel * taps + tap],
                |channel| bias[channel],
            ),
            project: Product::of(&block.project)?,
            has_shortcut: block.has_shortcut,
        })
    }

    fn forward(&self, level: Level, inputs: &[f32], tape: &mut BlockTape) {
        let BlockTape {
            expanded,
            filtered,
            outputs,
        } = tape;
        let maps = if let Some(expand) = &self.expand {
            let finish = Finish::Relu6;
            expand.forward.multiply(level, inputs, expanded, finish);
            expanded
        } else {
            inputs
        };
        self.depthwise.forward(level, maps, filtered);
        let finish = self.shortcut(inputs);
        self.project
            .forward
            .multiply(level, filtered, outputs, finish);
    }

    /// Turns the gradient with respect to the outputs into that with respect to the inputs, in `gradients.outputs`. Without
    /// an expansion, the inputs are results of an activation, and the gradient is that before it.
    fn backward(&self, level: Level, inputs: &[f32], tape: &BlockTape, gradients: &mut Gradients) {
        let Gradients {
            outputs,
            filtered,
            expanded,
            inputs: results,
        } = gradients;
        let finish = Finish::Relu6Gradient(&tape.filtered);
        self.project
            .backward
            .multiply(level, outputs, filtered, finish);
        if let Some(expand) = &self.expand {
            self.depthwise
                .backward(level, filtered, &tape.expanded, expanded);
            let finish = self.shortcut(outputs);
            expand.backward.multiply(level, expanded, results, finish);
        } else {
            self.depthwise.backward(level, filtered, inputs, results);
        }
        std::mem::swap(outputs, results);
    }

    /// Adds the map at the other end of the shortcut, if there is one.
    fn shortcut<'a>(&self, map: &'a [f32]) -> Finish<'a> {
        if self.has_shortcut {
            Finish::Add(map)
        } else {
            Finish::Nothing
        }
    }
}

/// The gradient before a `ReLU6` with this result, from that after it.
fn before_relu6(result: f32, gradient: f32) -> f32 {
    if result > 0.0 && result < 6.0 {
        gradient
    } else {
        0.0
    }
}

/// Turns zeros into the mean of the pixels of a map, channel by channel.
fn add_mean(mean: &mut [f32], map: &[f32]) {
    for pixel in map.chunks_exact(mean.len()) {
        for (sum, value) in mean.iter_mut().zip(pixel) {
            *sum += value;
        }
    }
    let pixels = (map.len() / mean.len()) as f32;
    for sum in mean {
        *sum /= pixels;
    }
}

impl Layers {
    /// The stem and the first `count` blocks.
    fn forward_blocks(&self, level: Level, count: usize, tape: &mut Tape) {
        let Tape {
            pixels,
            patches,
            stem,
            blocks,
            ..
        } = tape;
        self.stem.forward(level, pixels, patches, stem);
        blocks.resize_with(self.blocks.len(), BlockTape::default);
        let mut inputs = &*stem;
        for (block, tape) in self.blocks[..count].iter().zip(blocks) {
            block.forward(level, inputs, tape);
            inputs = &tape.outputs;
        }
    }

    fn forward(&self, level: Level, views: usize, tape: &mut Tape) {
        self.forward_blocks(level, self.blocks.len(), tape);
        let Tape {
            stem,
            blocks,
            head,
            pooled,
            embeddings,
            ..
        } = tape;
        let inputs = blocks.last().map_or(&*stem, |last| &last.outputs);
        let finish = Finish::Relu6;
        self.head.forward.multiply(level, inputs, head, finish);
        let channels = self.head.forward.stride();
        pooled.clear();
        pooled.resize(views * channels, 0.0);
        let maps = head.chunks_exact(head.len() / views);
        for (mean, map) in pooled.chunks_exact_mut(channels).zip(maps) {
            add_mean(mean, map);
        }
        self.projection
            .forward
            .multiply(level, pooled, embeddings, Finish::Nothing);
    }

    /// The gradient with respect to the embeddings is in their place, and that with respect to the views gets into theirs.
    /// `features` has the gradients with respect to the features, or nothing.
    fn backward(&self, level: Level, views: usize, features: &[Vec<f32>], tape: &mut Tape) {
        let Tape {
            pixels,
            patches,
            stem,
            blocks,
            head,
            pooled,
            embeddings,
            gradients,
        } = tape;
        self.projection
            .backward
            .multiply(level, embeddings, pooled, Finish::Nothing);
        let channels = self.head.forward.stride();
        let of_view = head.len() / views;
        let of_pixels = (of_view / channels) as f32;
        // The results of the head are not needed any more where they have been read, so the gradient takes their place.
        for (map, gradient) in head
            .chunks_exact_mut(of_view)
            .zip(pooled.chunks_exact(channels))
        {
            for pixel in map.chunks_exact_mut(channels) {
                let values = pixel.iter_mut().zip(gradient);
                values.for_each(|(value, gradient)| {
                    *value = before_relu6(*value, gradient / of_pixels);
                });
            }
        }
        let (outputs, finish) = (&mut gradients.outputs, Finish::Nothing);
        self.head.backward.multiply(level, head, outputs, finish);
        for index in (0..self.blocks.len()).rev() {
            let inputs = match index.checked_sub(1) {
                Some(before) => &blocks[before].outputs,
                None => &*stem,
            };
            let own = self.feature_blocks.iter().zip(features);
            for (_, gradient) in own.filter(|(block, _)| **block == index) {
                let sums = gradients.outputs.iter_mut().zip(gradient);
                sums.for_each(|(sum, gradient)| *sum += gradient);
            }
            self.blocks[index].backward(level, inputs, &blocks[index], gradients);
        }
        self.stem
            .backward(level, &gradients.outputs, patches, pixels);
    }
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::super::testing::{difference, normalized, passes_of_libtorch, views, waves};
    use super::*;
    use crate::clip::checkpoint::weights::{Origin, Weights};
    use crate::clip::config::{CLIP_MEAN, CLIP_STD, ClipConfig, EfficientNetSize, ImageConfig};

    fn towers(config: &ClipConfig, size: EfficientNetSize) -> (EfficientNet, NativeTower) {
        let weights = Weights::new(Origin::Random(5), Device::Cpu, Kind::Float);
        let tower = EfficientNet::new(&weights, size, config).unwrap();
        let side = config.image_size as usize;
        let native = NativeTower::new(&tower, side, CLIP_MEAN, CLIP_STD).unwrap();
        (tower, native)
    }

    fn sizes() -> Vec<(ClipConfig, EfficientNetSize)> {
        let tiny = ClipConfig::tiny_efficient_net();
        let ImageConfig::EfficientNet(size) = tiny.image else {
            panic!("another tower");
        };
        let mut odd = ClipConfig::tiny_efficient_net();
        odd.image_size = 37;
        let mut large = ClipConfig::tiny_efficient_net();
        (large.image_size, large.embed_dim) = (64, 256);
        vec![
            (tiny, size),
            (odd, size),
            (large, EfficientNetSize::lite0()),
        ]
    }

    #[test]
    fn both_passes_give_what_libtorch_gives() {
        for (config, size) in sizes() {
            let (tower, native) = towers(&config, size);
            let views = views(3, config.image_size);
            let (found, tape) = native.forward(&views).unwrap();
            let [embeddings, weights, gradient] = passes_of_libtorch(&views, |pictures| {
                let [_, map] = tower.features(pictures).unwrap();
                tower.finish(&map).unwrap()
            });
            let error = difference(&found, &embeddings);
            assert!(error < 1e-5, "embeddings: {error}");
            let found = native.backward(tape, &weights, None).unwrap();
            let error = difference(&found, &gradient);
            assert!(error < 1e-5, "gradient: {error}");
        }
    }

    /// A map `[N, C, H, W]` as the native tower has it, `[N, H * W * stride]`.
    fn as_native(map: &Tensor) -> Tensor {
        let size = map.size();
        let padding = stride_of(size[1] as usize) as i64 - size[1];
        map.permute([0, 2, 3, 1])
            .constant_pad_nd([0, padding])
            .reshape([size[0], -1])
    }

    #[test]
    fn features_and_the_gradient_through_them_are_those_of_libtorch() {
        for (config, size) in sizes() {
            let (tower, native) = towers(&config, size);
            let views = views(3, config.image_size);
            let (embeddings, tape) = native.forward(&views).unwrap();
            let found = native.features_on(&tape).unwrap();
            let alone = native.features(&views).unwrap();
            let with_gradient = views.set_requires_grad(true);
            let maps = tower.features(&normalized(&with_gradient)).unwrap();
            for ((found, alone), map) in found.iter().zip(&alone).zip(&maps) {
                assert!(found.equal(alone));
                let error = difference(found, &as_native(&map.detach()));
                assert!(error < 1e-5, "features: {error}");
            }
            let weights = [0, 1].map(|index| waves(maps[index].numel()).view_as(&maps[index]));
            let of_embeddings = waves(embeddings.numel()).view_as(&embeddings);
            let total = (&tower.finish(&maps[1]).unwrap() * &of_embeddings).sum(Kind::Float)
                + (&maps[0] * &weights[0]).sum(Kind::Float)
                + (&maps[1] * &weights[1]).sum(Kind::Float);
            let expected =
                Tensor::run_backward(&[total], &[&with_gradient], false, false).remove(0);
            let weights = weights.map(|weights| as_native(&weights));
            let found = native.backward(tape, &of_embeddings, Some(&weights));
            let error = difference(&found.unwrap(), &expected);
            assert!(error < 1e-5, "gradient: {error}");
        }
    }

    #[test]
    fn a_view_has_the_same_bits_in_every_batch_and_in_kept_memory() {
        let (config, size) = sizes().remove(0);
        let (_, native) = towers(&config, size);
        let views = views(5, config.image_size);
        let gradient =
            |count: i64| Tensor::ones([count, config.embed_dim], (Kind::Float, Device::Cpu));
        let (together, tape) = native.forward(&views).unwrap();
        let features = native.features_on(&tape).unwrap();
        let together_back = native
            .backward(tape, &gradient(5), Some(&features))
            .unwrap();
        for view in [4, 0, 2] {
            let (alone, tape) = native.forward(&views.narrow(0, view, 1)).unwrap();
            assert!(alone.equal(&together.narrow(0, view, 1)));
            let own = [0, 1].map(|index| features[index].narrow(0, view, 1));
            let back = native.backward(tape, &gradient(1), Some(&own)).unwrap();
            assert!(back.equal(&together_back.narrow(0, view, 1)));
        }
    }

    #[test]
    fn a_number_that_is_not_finite_reaches_the_embedding() {
        let (config, size) = sizes().remove(0);
        let (_, native) = towers(&config, size);
        let views = views(2, config.image_size);
        let _ = views.get(1).get(0).get(3).get(3).fill_(f64::NAN);
        let (embeddings, _) = native.forward(&views).unwrap();
        assert!(bool::try_from(embeddings.get(0).isfinite().all()).unwrap());
        assert!(bool::try_from(embeddings.get(1).isnan().any()).unwrap());
    }

    #[test]
    fn another_kind_of_first_block_is_left_to_libtorch() {
        let (_, mut size) = sizes().remove(0);
        assert!(NativeTower::suits(&size));
        size.layers[0] = 2;
        assert!(!NativeTower::suits(&size));
    }
}
