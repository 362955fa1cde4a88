//! Why a drawing cannot continue.

use std::fmt;
use std::sync::Arc;

use crate::clip::ClipError;
use crate::render::RenderError;

/// Why a drawing cannot continue.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum DrawError {
    /// A prompt cannot be encoded.
    #[error("the prompt `{prompt}` cannot be used")]
    Prompt {
        /// The prompt.
        prompt: String,
        /// CLIP's error.
        #[source]
        cause: Arc<ClipError>,
    },
    /// CLIP failed on the views, for example because the device is out of memory.
    #[error("CLIP failed in step {step}")]
    Clip {
        /// Updates done before.
        step: usize,
        /// What went wrong.
        #[source]
        cause: Arc<ClipError>,
    },
    /// The strokes could not be rendered.
    #[error("rendering failed in step {step}")]
    Render {
        /// Updates done before.
        step: usize,
        /// What went wrong.
        #[source]
        cause: Arc<RenderError>,
    },
    /// A number is infinite or not a number. The strokes are as they were before the step.
    #[error("the {quantity} of the {term} is not finite in step {step}")]
    NotFinite {
        /// The loss or its gradient.
        quantity: Quantity,
        /// Which term of the loss, in words.
        term: String,
        /// Updates done before.
        step: usize,
    },
}

/// The quantity of a term that was not finite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Quantity {
    /// Its value.
    Loss,
    /// Its gradient.
    Gradient,
}

impl fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Loss => "loss",
            Self::Gradient => "gradient",
        })
    }
}
