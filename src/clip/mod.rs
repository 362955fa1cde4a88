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
use tch::{Device, Kind, Tensor};

use crate::compute::library;

use self::checkpoint::weights::{Origin, Weights};
use self::checkpoint::{Checkpoint, detect, hugging_face, safetensors, torch};
use self::image::{ImageEncoder, unit};
use self::text::TextTower;

pub use config::{
    Activation, CLIP_MEAN, CLIP_STD, CONTEXT, ClipConfig, EfficientNetSize, ImageConfig,
    ResNetSize, TextConfig, TransformerSize,
};
pub use embedded::{EMBEDDED_SHA256, embedded_is_intact};
pub use error::ClipError;
pub use image::{BatchPart, Encoded, EncoderBatch, ViewGroup, forward_backward};
pub use tokenizer::Tokenizer;

/// The number of prompts whose embeddings are cached.
const KEPT_PROMPTS: NonZeroUsize = NonZeroUsize::new(1024).expect("1024 is not zero");

/// Where weights come from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightsSource {
    /// The small model inside the program.
    Embedded,
    /// A weight file: safetensors with OpenAI's or Hugging Face's names, or OpenAI's TorchScript.
    File(PathBuf),
}

/// A loaded model. A model may have several image towers, which were trained in different ways and take
/// turns. A drawing then has to match the prompt according to all of them.
pub struct Clip {
    config: ClipConfig,
    image: ImageEncoder,
    text: TextTower,
    device: Device,
    kind: Kind,
    prompts: Mutex<LruCache<String, Tensor>>,
}

impl Clip {
    /// Loads a model and moves its image tower to `device` as numbers of `kind`.
    ///
    /// # Errors
    /// When the file is missing, incomplete, not a weight file or not a CLIP model, or when the
    /// device has too little memory.
    pub fn load(source: &WeightsSource, device: Device, kind: Kind) -> Result<Self, ClipError> {
        let checkpoint = match source {
            WeightsSource::Embedded => read_checkpoint(Path::new(embedded::NAME), embedded::BYTES)?,
            WeightsSource::File(file) => read_checkpoint(file, &checkpoint::read_bytes(file)?)?,
        };
        let config = detect::detect_config(&checkpoint)?;
        Self::build(
            config,
            &Weights::new(Origin::Checkpoint(&checkpoint), device, kind),
            device,
            kind,
        )
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
        Self::build(
            config,
            &Weights::new(Origin::Random(seed), device, kind),
            device,
            kind,
        )
    }

    fn build(
        config: ClipConfig,
        weights: &Weights<'_>,
        device: Device,
        kind: Kind,
    ) -> Result<Self, ClipError> {
        Ok(Self {
            image: ImageEncoder::new(weights, &config)?,
            text: TextTower::new(weights, &config, device)?,
            config,
            device,
            kind,
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

    /// The number of tokens in `text`, including the start and end tokens.
    pub fn count_tokens(&self, text: &str) -> usize {
        Tokenizer::shared().encode(text).len()
    }

    /// The unit vector `[E]` of a text: 32-bit, on the model's device, without gradient. It is
    /// cached.
    ///
    /// # Errors
    /// When the text has more tokens than the model reads, or libtorch fails.
    pub fn embed_text(&self, text: &str) -> Result<Tensor, ClipError> {
        let mut prompts = self.prompts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = prompts.get(text) {
            return Ok(known.shallow_clone());
        }
        let ids = Tokenizer::shared().encode(text);
        let limit = self.config.text.context as usize;
        if ids.len() > limit {
            return Err(ClipError::TooManyTokens {
                tokens: ids.len(),
                limit,
            });
        }
        if self.device == Device::Cpu {
            library::use_one_thread();
        }
        let embedding = tch::no_grad(|| self.text.forward(&ids).and_then(|vector| unit(&vector)))
            .map_err(ClipError::while_doing("reading the prompt"))?;
        prompts.put(text.to_owned(), embedding.shallow_clone());
        Ok(embedding)
    }

    /// The unit vectors `[N, E]` of several texts, as [`Clip::embed_text`] gives them.
    ///
    /// # Errors
    /// When a text has more tokens than the model reads, or libtorch fails.
    pub fn embed_texts(&self, texts: &[&str]) -> Result<Tensor, ClipError> {
        let rows = texts.iter().map(|text| self.embed_text(text));
        Tensor::f_stack(&rows.collect::<Result<Vec<_>, _>>()?, 0)
            .map_err(ClipError::while_doing("reading texts"))
    }

    /// The unit vectors `[N, E]` of pictures `[N, 3, R, R]` with 32-bit sRGB values from 0 to 1, R being
    /// [`Clip::input_size`]. Gradients flow back to the pictures. If there are several image towers, the
    /// first one encodes two pictures, the next one the next two, and so on.
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
        EncoderBatch::all(&self.image, &[group]).encode(views)
    }

    /// Divides the views of several drawings, which lie one after the other in one tensor, into the batches
    /// in which this device encodes them, for [`forward_backward`].
    pub fn batches(&self, groups: &[ViewGroup]) -> Vec<EncoderBatch> {
        EncoderBatch::divide(&self.image, groups)
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

/// Reads a weight file of any layout and gives its tensors OpenAI's names.
fn read_checkpoint(file: &Path, bytes: &[u8]) -> Result<Checkpoint, ClipError> {
    let mut checkpoint = if bytes.starts_with(torch::MAGIC) {
        torch::read(file, bytes)?
    } else if bytes.get(8) == Some(&b'{') {
        safetensors::read(file, bytes)?
    } else {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(24)]).into_owned();
        return Err(ClipError::NotWeights {
            file: file.to_owned(),
            start,
        });
    };
    if hugging_face::recognises(&checkpoint.tensors) {
        checkpoint.tensors = hugging_face::rename(&checkpoint.tensors)
            .map_err(ClipError::while_doing("joining attention weights"))?;
    }
    Ok(checkpoint)
}
