//! OpenAI's CLIP: maps texts and pictures to unit vectors. The better a text describes a picture, the more
//! similar their vectors are.
//!
//! One implementation covers all models of the family; the sizes are read from the weight file.
//! Weights are frozen: gradients flow to the pictures and nowhere else.

mod error;
mod config;
pub(crate) mod checkpoint;
pub(crate) mod layers;
mod transformer;
pub(crate) mod image;
mod text;
mod tokenizer;
mod embedded;
pub mod authoring;

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use lru::LruCache;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use tch::{Device, Kind, Tensor};

use crate::compute::{Precision, library};

use self::checkpoint::detect::{Evidence, detect_config};
use self::checkpoint::weights::{Origin, Weights};
use self::checkpoint::{ModelConfig, all_finite, read_checkpoint, read_checkpoint_bytes};
use self::image::{ImageEncoder, TowerViews, unit};
use self::text::TextTower;

pub use checkpoint::weights_files;
pub use config::{
    Activation, BlockConfig, CLIP_MEAN, CLIP_STD, CONTEXT, ClipConfig, EfficientNetSize,
    ImageConfig, ResNetSize, TextConfig, TransformerSize,
};
pub use embedded::{EMBEDDED_SHA256, embedded_is_intact};
pub use error::ClipError;
pub use image::{
    Arithmetic, BatchPart, Encoded, EncodedGradient, EncoderBatch, TowerBackend, ViewGroup,
    forward_backward, forward_backward_all,
};
pub use tokenizer::Tokenizer;

/// The number of prompts whose embeddings are cached.
const KEPT_PROMPTS: NonZeroUsize = NonZeroUsize::new(1024).expect("1024 is not zero");

/// Where weights come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightsSource {
    /// The small model inside the program.
    Embedded,
    /// A weight file: safetensors or a PyTorch file, with the tensor names of OpenAI, `open_clip` or Hugging
    /// Face; or a folder with one, or the index of several files (`*.index.json`).
    File(PathBuf),
}

/// What a caller decides about a model. The embedded model ignores what is about files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// The activation function; it overrides the file.
    pub activation: Option<Activation>,
    /// The prefix of the names of the tensors to read, if the file has several models, such as weights and their
    /// moving average (EMA): `state_dict_ema`. The prefix `.` means the model whose names have no prefix.
    pub tensors: Option<String>,
}

/// A loaded model. A model may have several image towers, which were trained in different ways and take
/// turns. A drawing then has to match the prompt according to all of them.
pub struct Clip {
    config: ClipConfig,
    image: ImageEncoder,
    text: TextTower,
    device: Device,
    kind: Kind,
    activation_is_assumed: bool,
    prompts: Mutex<LruCache<String, Tensor>>,
}

impl Clip {
    /// Loads a model and moves its image tower to `device` as numbers of `kind`: 32-bit, bf16 or fp16.
    ///
    /// # Errors
    /// As [`Clip::load_with`].
    pub fn load(source: &WeightsSource, device: Device, kind: Kind) -> Result<Self, ClipError> {
        Self::load_with(source, device, Precision::of(kind), &LoadOptions::default())
    }

    /// Loads a model and moves its image tower to `device`, to be computed in this way. The precision may depend on the tower.
    ///
    /// # Errors
    /// When the file is missing, incomplete, not a weight file, not a CLIP model, or of an architecture that
    /// is not supported, or when the device has too little memory.
    pub fn load_with(
        source: &WeightsSource,
        device: Device,
        arithmetic: impl Into<Arithmetic>,
        options: &LoadOptions,
    ) -> Result<Self, ClipError> {
        Self::load_choosing(source, device, options, |_| arithmetic.into())
    }

    /// As [`Clip::load_with`], in the way that is chosen for the sizes of the model.
    ///
    /// # Errors
    /// As [`Clip::load_with`].
    pub fn load_choosing(
        source: &WeightsSource,
        device: Device,
        options: &LoadOptions,
        choose: impl FnOnce(&ClipConfig) -> Arithmetic,
    ) -> Result<Self, ClipError> {
        let (checkpoint, beside, activation) = match source {
            WeightsSource::Embedded => {
                // Its tensors are so small that libtorch's threads would only wait for each other.
                library::use_one_thread();
                let name = Path::new(embedded::NAME);
                (read_checkpoint_bytes(name, embedded::BYTES)?, None, None)
            }
            WeightsSource::File(path) => {
                let checkpoint = read_checkpoint(path, options.tensors.as_deref())?;
                let beside = ModelConfig::beside(&checkpoint)?;
                (checkpoint, beside, options.activation)
            }
        };
        let evidence = Evidence {
            checkpoint: &checkpoint,
            config: beside.as_ref(),
            activation,
        };
        let config = detect_config(&evidence)?;
        let Arithmetic { precision, backend } = choose(&config);
        let kind = precision.kind(device, config.image.tower_kind());
        let weights = Weights::new(Origin::Checkpoint(&checkpoint), device, kind);
        let mut clip = Self::build(config, &weights, backend)?;
        checkpoint.check_all_used()?;
        clip.activation_is_assumed = evidence.assumes_activation()?;
        Ok(clip)
    }

    /// A model of these sizes with random weights, the same for the same seed, for tests and
    /// benchmarks.
    ///
    /// # Errors
    /// When the device has too little memory.
    pub fn random(
        config: ClipConfig,
        seed: u64,
        device: Device,
        kind: Kind,
    ) -> Result<Self, ClipError> {
        Self::random_on(config, seed, device, kind, TowerBackend::Native)
    }

    /// As [`Clip::random`], with image towers that are computed in this way.
    ///
    /// # Errors
    /// As [`Clip::random`].
    pub fn random_on(
        config: ClipConfig,
        seed: u64,
        device: Device,
        kind: Kind,
        backend: TowerBackend,
    ) -> Result<Self, ClipError> {
        let weights = Weights::new(Origin::Random(seed), device, kind);
        Self::build(config, &weights, backend)
    }

    fn build(
        config: ClipConfig,
        weights: &Weights<'_>,
        backend: TowerBackend,
    ) -> Result<Self, ClipError> {
        let device = weights.device();
        Ok(Self {
            image: ImageEncoder::new(weights, &config, backend)?,
            text: TextTower::new(weights, &config, device)?,
            config,
            device,
            kind: weights.kind(),
            activation_is_assumed: false,
            prompts: Mutex::new(LruCache::new(KEPT_PROMPTS)),
        })
    }

    /// The model's sizes.
    pub fn config(&self) -> &ClipConfig {
        &self.config
    }

    /// OpenAI's name for a model of these sizes, else a short description.
    pub fn name(&self) -> String {
        self.config.name()
    }

    /// Size of the square images that the model encodes, in pixels.
    pub fn input_size(&self) -> i64 {
        self.config.image_size
    }

    /// Length of an embedding.
    pub fn embedding_width(&self) -> i64 {
        self.config.embed_dim
    }

    /// The device that holds the model.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The number type in which the image towers compute.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The precision of the image towers, never `Auto`.
    pub fn precision(&self) -> Precision {
        Precision::of(self.kind)
    }

    /// How the image towers are computed; the precision is never `Auto`.
    pub fn arithmetic(&self) -> Arithmetic {
        Arithmetic {
            precision: self.precision(),
            backend: self.image.backend(),
        }
    }

    /// The maximum number of tokens of a text, including the start and end tokens.
    pub fn token_limit(&self) -> usize {
        self.config.text.context as usize
    }

    /// Whether neither the weight file nor a configuration next to it states the activation function, so
    /// that OpenAI's QuickGELU is assumed.
    pub fn activation_is_assumed(&self) -> bool {
        self.activation_is_assumed
    }

    /// The number of tokens in `text`, including the start and end tokens.
    pub fn count_tokens(&self, text: &str) -> usize {
        Tokenizer::shared().encode(text).len()
    }

    /// The longest beginning of a text that the model reads, with whole words if possible ([`Tokenizer::truncate`]).
    pub fn truncate<'text>(&self, text: &'text str) -> &'text str {
        Tokenizer::shared().truncate(text, self.token_limit())
    }

    /// The unit vector `[E]` of a text: 32-bit, on the model's device, without gradient. It is
    /// cached.
    ///
    /// # Errors
    /// When the text has more tokens than the model reads, its embedding is not finite, or libtorch fails.
    pub fn embed_text(&self, text: &str) -> Result<Tensor, ClipError> {
        if let Some(known) = self.cached(text) {
            return Ok(known);
        }
        let embedding = embed(&self.text, &self.token_ids(text)?)?;
        self.cache(text, &embedding);
        Ok(embedding)
    }

    /// The unit vectors `[N, E]` of several texts, as [`Clip::embed_text`] gives them. On a CPU, they are computed in
    /// parallel.
    ///
    /// # Errors
    /// As [`Clip::embed_text`].
    pub fn embed_texts(&self, texts: &[&str]) -> Result<Tensor, ClipError> {
        if self.device == Device::Cpu {
            self.embed_in_parallel(texts)?;
        }
        let rows = texts.iter().map(|text| self.embed_text(text));
        Tensor::f_stack(&rows.collect::<Result<Vec<_>, _>>()?, 0)
            .map_err(ClipError::while_doing("reading texts"))
    }

    /// Computes the embeddings that are not cached yet, each on one thread.
    fn embed_in_parallel(&self, texts: &[&str]) -> Result<(), ClipError> {
        let missing = texts.iter().filter(|text| self.cached(text).is_none());
        let missing = missing.map(|text| Ok((*text, self.token_ids(text)?)));
        let missing: Vec<(&str, Vec<i64>)> = missing.collect::<Result<_, ClipError>>()?;
        let count = missing.len().div_ceil(rayon::current_num_threads()).max(1);
        // A tower may be moved to another thread but not shared with it.
        let parts: Vec<_> = missing
            .chunks(count)
            .map(|texts| (self.text.clone(), texts))
            .collect();
        let embed_all = |(tower, texts): (TextTower, &[(&str, Vec<i64>)])| {
            let embeddings = texts.iter().map(|(_, ids)| embed(&tower, ids));
            embeddings.collect::<Result<Vec<_>, _>>()
        };
        let embeddings: Vec<Vec<Tensor>> = parts
            .into_par_iter()
            .map(embed_all)
            .collect::<Result<_, _>>()?;
        for ((text, _), embedding) in missing.iter().zip(embeddings.iter().flatten()) {
            self.cache(text, embedding);
        }
        Ok(())
    }

    fn cached(&self, text: &str) -> Option<Tensor> {
        let mut prompts = self.prompts.lock().unwrap_or_else(PoisonError::into_inner);
        prompts.get(text).map(Tensor::shallow_clone)
    }

    fn cache(&self, text: &str, embedding: &Tensor) {
        let mut prompts = self.prompts.lock().unwrap_or_else(PoisonError::into_inner);
        prompts.put(text.to_owned(), embedding.shallow_clone());
    }

    /// The ids of a text's tokens, not more than the model reads.
    fn token_ids(&self, text: &str) -> Result<Vec<i64>, ClipError> {
        let ids = Tokenizer::shared().encode(text);
        let limit = self.token_limit();
        if ids.len() > limit {
            return Err(ClipError::TooManyTokens {
                tokens: ids.len(),
                limit,
            });
        }
        Ok(ids)
    }

    /// The unit vectors `[N, E]` of pictures `[N, 3, R, R]` with 32-bit sRGB values from 0 to 1, R being
    /// [`Clip::input_size`]. Gradients flow back to the pictures if libtorch computes the image towers
    /// ([`TowerBackend`]); [`Clip::encode`] gives the gradient in any case. If there are several image towers, the first
    /// one encodes two pictures, the next one the next two, and so on.
    ///
    /// # Errors
    /// When the pictures have another shape, or libtorch fails, for example because the device is out
    /// of memory.
    pub fn embed_pictures(&self, views: &Tensor) -> Result<Tensor, ClipError> {
        self.check_pictures(&views.size())?;
        self.image
            .forward(views)
            .map_err(ClipError::while_doing("encoding pictures"))
    }

    /// Encodes views `[N, 3, R, R]` with 32-bit sRGB values from 0 to 1 as one batch on the calling thread,
    /// and keeps the graph for the backward pass from the embeddings to the views.
    ///
    /// # Errors
    /// When the views have another shape, or libtorch fails.
    pub fn encode(&self, views: &Tensor) -> Result<Encoded, ClipError> {
        self.check_pictures(&views.size())?;
        let group = ViewGroup {
            count: views.size()[0] as usize,
            first_tower: 0,
        };
        EncoderBatch::all(&self.image, &[group])
            .map_err(ClipError::while_doing("dividing views among towers"))?
            .encode(views)
    }

    /// Divides the views of several drawings, which lie one after the other in one tensor, into the batches
    /// in which this device encodes them, for [`forward_backward`].
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn batches(&self, groups: &[ViewGroup]) -> Result<Vec<EncoderBatch>, ClipError> {
        EncoderBatch::divide(&self.image, groups)
    }

    /// The features of views `[N, 3, R, R]` with 32-bit sRGB values from 0 to 1, as [`Encoded::features`] gives them, for each
    /// of the image towers.
    ///
    /// # Errors
    /// When the views have another shape, or libtorch fails.
    pub fn features(&self, views: &Tensor) -> Result<Vec<[Tensor; 2]>, ClipError> {
        self.check_pictures(&views.size())?;
        if self.device == Device::Cpu {
            library::use_one_thread();
        }
        (0..self.config.towers)
            .map(|tower| self.image.features(&TowerViews::One(tower), views))
            .collect::<Result<_, _>>()
            .map_err(ClipError::while_doing(
                "computing the features of a picture",
            ))
    }

    fn check_pictures(&self, found: &[i64]) -> Result<(), ClipError> {
        let image_size = self.config.image_size;
        match *found {
            [count, 3, height, width]
                if count > 0 && height == image_size && width == image_size =>
            {
                Ok(())
            }
            _ => Err(ClipError::WrongPictures {
                found: found.to_vec(),
                image_size,
            }),
        }
    }
}

/// The unit vector `[E]` of a text with these tokens, or an error if it is not finite.
fn embed(tower: &TextTower, ids: &[i64]) -> Result<Tensor, ClipError> {
    if tower.device() == Device::Cpu {
        library::use_one_thread();
    }
    let embedding = tch::no_grad(|| tower.forward(ids).and_then(|vector| unit(&vector)))
        .map_err(ClipError::while_doing("reading the prompt"))?;
    let is_finite = all_finite(&embedding);
    if is_finite.map_err(ClipError::while_doing("checking the prompt's embedding"))? {
        Ok(embedding)
    } else {
        Err(ClipError::EmbeddingNotFinite)
    }
}

impl fmt::Debug for Clip {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, device, kind) = (self.name(), self.device, self.kind);
        out.debug_struct("Clip")
            .field("name", &name)
            .field("device", &device)
            .field("kind", &kind)
            .finish_non_exhaustive()
    }
}
