//! The text tower in training: OpenAI's layout with OpenAI's names, and a gradient for every tensor.
//!
//! `clip` reads the same tensors back, frozen and one prompt at a time; a test checks that both agree.

use std::collections::BTreeMap;
use std::path::Path;

use tch::{Device, Kind, TchError, Tensor};

use clipdraw::clip::ClipError;
use clipdraw::clip::authoring::{
    Checkpoint, NORM_EPSILON, detect_activation, detect_text, read_bytes, read_safetensors,
};
use clipdraw::clip::{Activation, TextConfig};

use super::parameters::Parameters;
use super::text_batches::{TextBatch, Tokens};

/// Name of the table with a row for each token.
pub const VOCABULARY: &str = "token_embedding.weight";
/// Beginning of the names of the present numbers in the file of a run (`parameters::save`).
pub const PRESENT: &str = "now/";
/// Texts that are embedded in one batch without training.
const EMBEDDED_TOGETHER: usize = 256;
/// Slope of the quick GELU's sigmoid (openai/CLIP, model.py).
const QUICK_GELU_SLOPE: f64 = 1.702;

/// The sizes of a text tower and of what it gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TowerSizes {
    /// Tokens, channels, heads and blocks.
    pub text: TextConfig,
    /// Length of an embedding.
    pub embedding: i64,
    /// The activation function of the MLPs.
    pub activation: Activation,
}

impl TowerSizes {
    /// Sizes small enough for a test: two blocks of 16 channels.
    #[cfg(test)]
    pub(crate) fn tiny(embedding: i64, activation: Activation) -> Self {
        Self {
            text: TextConfig {
                context: 77,
                vocabulary: 49_408,
                width: 16,
                heads: 2,
                layers: 2,
            },
            embedding,
            activation,
        }
    }

    /// The sizes of the tower in a weight file.
    pub(crate) fn of(checkpoint: &Checkpoint) -> Result<Self, ClipError> {
        let [_, embedding] = checkpoint.shape("text_projection")?;
        Ok(Self {
            text: detect_text(checkpoint)?,
            embedding,
            activation: detect_activation(checkpoint)?,
        })
    }

    /// Their metadata in a weight file, which does not follow from the shapes.
    pub(crate) fn facts(&self) -> BTreeMap<String, String> {
        let activation = match self.activation {
            Activation::Gelu => "gelu",
            Activation::QuickGelu => "quick_gelu",
        };
        let heads = self.text.heads.to_string();
        let facts = [("activation", activation), ("text_heads", &heads)];
        facts
            .map(|(fact, value)| (fact.to_owned(), value.to_owned()))
            .into()
    }
}

/// A weight file in the safetensors format, or the present numbers of a run.
fn read_checkpoint(file: &Path) -> anyhow::Result<Checkpoint> {
    let mut checkpoint = read_safetensors(file, &read_bytes(file)?)?;
    let of_run = |(name, tensor): (&String, &Tensor)| {
        let name = name.strip_prefix(PRESENT)?;
        Some((name.to_owned(), tensor.shallow_clone()))
    };
    let present: BTreeMap<String, Tensor> = checkpoint.tensors.iter().filter_map(of_run).collect();
    if !present.is_empty() {
        checkpoint.tensors = present;
    }
    Ok(checkpoint)
}

/// A text tower with gradients.
#[derive(Debug)]
pub struct TrainableTextTower {
    sizes: TowerSizes,
    /// A row for each token, `[V, W]`. A batch touches few rows, so they get their gradients apart.
    pub vocabulary: Tensor,
    /// Everything else.
    pub layers: Parameters,
    /// The kind of number in which matrices are multiplied.
    kind: Kind,
}

impl TrainableTextTower {
    /// A tower of random numbers, the same for the same seed.
    pub fn random(sizes: TowerSizes, seed: u64) -> Self {
        let mut tower = Self {
            sizes,
            vocabulary: Tensor::new(),
            layers: Parameters::default(),
            kind: Kind::Float,
        };
        for (name, shape) in shapes(&sizes) {
            let one_sided = |value: f64| Tensor::full(&shape, value, (Kind::Float, Device::Cpu));
            match shape.len() {
                1 if name.ends_with("weight") => tower.layers.add(&name, &one_sided(1.0)),
                1 => tower.layers.add(&name, &one_sided(0.0)),
                _ => tower.layers.add_random(&name, &shape, seed, Device::Cpu),
            }
        }
        tower.take_vocabulary()
    }

    /// The tower in a weight file or a run, whatever else the file has.
    ///
    /// # Errors
    /// When the file cannot be read, or a tensor is missing or has another shape than the others ask for.
    pub fn open(file: &Path) -> anyhow::Result<Self> {
        let checkpoint = read_checkpoint(file)?;
        let mut tower = Self {
            sizes: TowerSizes::of(&checkpoint)?,
            vocabulary: Tensor::new(),
            layers: Parameters::default(),
            kind: Kind::Float,
        };
        for (name, shape) in shapes(&tower.sizes) {
            let tensor = checkpoint.tensor(&name, &shape)?;
            tower.layers.add(&name, &tensor.f_to_kind(Kind::Float)?);
        }
        Ok(tower.take_vocabulary())
    }

    fn take_vocabulary(mut self) -> Self {
        self.vocabulary = self.layers.remove(VOCABULARY).set_requires_grad(false);
        self
    }

    /// The same tower, with matrices multiplied in numbers of this kind; sums and norms keep 32 bits.
    #[must_use]
    pub fn in_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Its sizes.
    pub fn sizes(&self) -> &TowerSizes {
        &self.sizes
    }

    /// Every tensor by OpenAI's name for it.
    pub fn tensors(&self) -> BTreeMap<String, Tensor> {
        let layers = self.layers.all();
        let mut tensors: BTreeMap<String, Tensor> = layers
            .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()))
            .collect();
        tensors.insert(VOCABULARY.to_owned(), self.vocabulary.shallow_clone());
        tensors
    }

    /// Unit vectors `[N, E]` of texts, without gradient.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn embed(&self, texts: &[String]) -> Result<Tensor, TchError> {
        let tokens = Tokens::of(texts.iter().map(String::as_str), self.sizes.text.context);
        let mut order: Vec<usize> = (0..tokens.len()).collect();
        order.sort_by_key(|&index| tokens.text(index).len());
        let embed = || -> Result<Tensor, TchError> {
            let options = (Kind::Float, Device::Cpu);
            let mut vectors = Tensor::f_zeros([texts.len() as i64, self.sizes.embedding], options)?;
            for chosen in order.chunks(EMBEDDED_TOGETHER) {
                let batch = TextBatch::of(&tokens, chosen)?;
                let places: Vec<i64> = chosen.iter().map(|&index| index as i64).collect();
                let found = self.forward(&self.rows(&batch)?, &batch)?;
                let _ = vectors.f_index_copy_(0, &Tensor::f_from_slice(&places)?, &found)?;
            }
            Ok(vectors)
        };
        tch::no_grad(embed)
    }

    /// The rows of the vocabulary that a batch uses, `[U, W]`.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn rows(&self, batch: &TextBatch) -> Result<Tensor, TchError> {
        self.vocabulary.f_index_select(0, &batch.tokens)
    }

    /// Unit vectors `[N, E]` of a batch whose rows of the vocabulary are `rows`.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn forward(&self, rows: &Tensor, batch: &TextBatch) -> Result<Tensor, TchError> {
        let (count, length) = batch.places.size2()?;
        let width = self.sizes.text.width;
        let positions = self
            .layers
            .get("positional_embedding")
            .f_narrow(0, 0, length)?;
        let mut tokens = rows
            .f_index_select(0, &batch.places.f_view(-1)?)?
            .f_view([count, length, width])?
            .f_add(&positions)?;
        let last = self.sizes.text.layers - 1;
        for layer in 0..last {
            tokens = self.block(&tokens, layer)?;
        }
        let ends = self.last_block(&tokens, batch, last)?;
        let ends = self.norm(&ends, "ln_final")?;
        let vectors = ends.f_matmul(self.layers.get("text_projection"))?;
        let lengths = vectors.f_norm_scalaropt_dim(2, [-1], true)?;
        vectors.f_div(&lengths)
    }

    /// All tokens `[N, L, W]`, each of which attends only to itself and earlier ones.
    fn block(&self, tokens: &Tensor, layer: i64) -> Result<Tensor, TchError> {
        let prefix = format!("transformer.resblocks.{layer}");
        let normed = self.norm(tokens, &format!("{prefix}.ln_1"))?;
        let joined = self.linear(
            &normed,
            [self.joined(&prefix, "weight"), self.joined(&prefix, "bias")],
        )?;
        let parts = joined.f_chunk(3, -1)?;
        let mixed = self.attend([&parts[0], &parts[1], &parts[2]], None)?;
        self.finish(tokens, &mixed, &prefix)
    }

    /// The end tokens only, which attend to all tokens before them: `[N, L, W]` to `[N, W]`.
    ///
    /// Nothing reads the other tokens after the last block, so most of its work can be left out.
    fn last_block(
        &self,
        tokens: &Tensor,
        batch: &TextBatch,
        layer: i64,
    ) -> Result<Tensor, TchError> {
        let width = self.sizes.text.width;
        let prefix = format!("transformer.resblocks.{layer}");
        let normed = self.norm(tokens, &format!("{prefix}.ln_1"))?;
        let ends = |tokens: &Tensor| {
            tokens
                .f_reshape([-1, width])?
                .f_index_select(0, &batch.ends)
        };
        let (weight, bias) = (self.joined(&prefix, "weight"), self.joined(&prefix, "bias"));
        let part = |input: &Tensor, start: i64, length: i64| {
            let weight = weight.f_narrow(0, start, length)?;
            self.linear(input, [&weight, &bias.f_narrow(0, start, length)?])
        };
        let queries = part(&ends(&normed)?, 0, width)?.f_unsqueeze(1)?;
        let parts = part(&normed, width, 2 * width)?.f_chunk(2, -1)?;
        let mixed = self.attend([&queries, &parts[0], &parts[1]], Some(&batch.seen))?;
        self.finish(&ends(tokens)?, &mixed.f_squeeze_dim(1)?, &prefix)
    }

    fn joined(&self, prefix: &str, part: &str) -> &Tensor {
        self.layers.get(&format!("{prefix}.attn.in_proj_{part}"))
    }

    /// Attention of `[N, Q, W]` to `[N, L, W]`; without a mask each token sees those before it.
    fn attend(&self, parts: [&Tensor; 3], mask: Option<&Tensor>) -> Result<Tensor, TchError> {
        let heads = self.sizes.text.heads;
        let (count, length, width) = parts[0].size3()?;
        let split = |tensor: &Tensor| {
            tensor
                .f_reshape([count, -1, heads, width / heads])?
                .f_transpose(1, 2)
        };
        let mixed = Tensor::f_scaled_dot_product_attention(
            &split(parts[0])?,
            &split(parts[1])?,
            &split(parts[2])?,
            mask,
            0.0,
            mask.is_none(),
            None,
            false,
        )?;
        mixed.f_transpose(1, 2)?.f_reshape([count, length, width])
    }

    fn finish(&self, tokens: &Tensor, mixed: &Tensor, prefix: &str) -> Result<Tensor, TchError> {
        let tokens =
            tokens.f_add(&self.named_linear(mixed, &format!("{prefix}.attn.out_proj"))?)?;
        let normed = self.norm(&tokens, &format!("{prefix}.ln_2"))?;
        let wide = self.named_linear(&normed, &format!("{prefix}.mlp.c_fc"))?;
        let bent = match self.sizes.activation {
            Activation::Gelu => wide.f_gelu("none")?,
            Activation::QuickGelu => {
                wide.f_mul(&wide.f_mul_scalar(QUICK_GELU_SLOPE)?.f_sigmoid()?)?
            }
        };
        tokens.f_add(&self.named_linear(&bent, &format!("{prefix}.mlp.c_proj"))?)
    }

    fn named_linear(&self, input: &Tensor, name: &str) -> Result<Tensor, TchError> {
        let part = |part: &str| self.layers.get(&format!("{name}.{part}"));
        self.linear(input, [part("weight"), part("bias")])
    }

    fn linear(&self, input: &Tensor, [weight, bias]: [&Tensor; 2]) -> Result<Tensor, TchError> {
        input.f_to_kind(self.kind)?.f_linear(
            &weight.f_to_kind(self.kind)?,
            Some(bias.f_to_kind(self.kind)?),
        )
    }

    fn norm(&self, input: &Tensor, name: &str) -> Result<Tensor, TchError> {
        let part = |part: &str| Some(self.layers.get(&format!("{name}.{part}")));
        let width = self.sizes.text.width;
        input.f_layer_norm([width], part("weight"), part("bias"), NORM_EPSILON, false)
    }
}

/// The name and the shape of every tensor.
fn shapes(sizes: &TowerSizes) -> Vec<(String, Vec<i64>)> {
    let TextConfig {
        context,
        vocabulary,
        width,
        layers,
        ..
    } = sizes.text;
    let mut shapes = vec![
        (VOCABULARY.to_owned(), vec![vocabulary, width]),
        ("positional_embedding".to_owned(), vec![context, width]),
        ("ln_final.weight".to_owned(), vec![width]),
        ("ln_final.bias".to_owned(), vec![width]),
        ("text_projection".to_owned(), vec![width, sizes.embedding]),
    ];
    let in_block = [
        ("ln_1.weight", vec![width]),
        ("ln_1.bias", vec![width]),
        ("attn.in_proj_weight", vec![3 * width, width]),
        ("attn.in_proj_bias", vec![3 * width]),
        ("attn.out_proj.weight", vec![width, width]),
        ("attn.out_proj.bias", vec![width]),
        ("ln_2.weight", vec![width]),
        ("ln_2.bias", vec![width]),
        ("mlp.c_fc.weight", vec![4 * width, width]),
        ("mlp.c_fc.bias", vec![4 * width]),
        ("mlp.c_proj.weight", vec![width, 4 * width]),
        ("mlp.c_proj.bias", vec![width]),
    ];
    for layer in 0..layers {
        shapes.extend(in_block.iter().map(|(name, shape)| {
            let name = format!("transformer.resblocks.{layer}.{name}");
            (name, shape.clone())
        }));
    }
    shapes
}
