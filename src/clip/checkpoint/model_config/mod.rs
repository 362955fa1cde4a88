//! The configuration next to the weights: `open_clip`'s `open_clip_config.json`, or Hugging Face's
//! `config.json` and `preprocessor_config.json`.
//!
//! A setting that changes the result is used, compared with the tensors, or rejected with an error that
//! contains its name.

mod settings;
mod document;
mod open_clip;
mod hugging_face;

use super::tensors::{Checkpoint, Layout};
use crate::clip::error::ClipError;
use document::Document;

pub(crate) use settings::{Heads, ModelConfig, TowerConfig};

impl ModelConfig {
    /// Reads the configuration next to the file of a checkpoint; `None` if there is none. If there are both
    /// kinds, the one that belongs to the layout of the tensors is used.
    ///
    /// # Errors
    /// If the configuration cannot be read, or describes a model that is not supported.
    pub(crate) fn beside(checkpoint: &Checkpoint) -> Result<Option<Self>, ClipError> {
        let (weights, layout) = (checkpoint.file.as_path(), checkpoint.layout);
        let open_clip = Document::read(weights, open_clip::FILE)?;
        let clip = Document::read(weights, hugging_face::FILE)?
            .filter(|document| layout == Layout::HuggingFace || hugging_face::recognizes(document));
        let mut config = match (layout, open_clip, clip) {
            (Layout::OpenAi, Some(document), _) | (Layout::HuggingFace, Some(document), None) => {
                return open_clip::read(&document).map(Some);
            }
            (_, _, Some(document)) => Some(hugging_face::read(&document)?),
            (_, None, None) => None,
        };
        for (file, object) in hugging_face::PREPROCESSOR_FILES {
            if let Some(document) = Document::read(weights, file)?
                && let Some(section) = document.section(object)
            {
                hugging_face::read_preprocessor(&section, config.get_or_insert_default())?;
                break;
            }
        }
        Ok(config)
    }
}
