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
    /// An image prompt cannot be encoded.
    #[error("the image prompt cannot be used")]
    ImagePrompt {
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
    #[error("the {quantity} of the {term} is not finite in step {step}{}", fp16_hint(*.in_fp16))]
    NotFinite {
        /// The loss or its gradient.
        quantity: Quantity,
        /// Which term of the loss, in words.
        term: String,
        /// Updates done before.
        step: usize,
        /// Whether the term depends on an image tower that computes in fp16, and so has a small range.
        in_fp16: bool,
    },
}

/// The end of an error message about a number from an image tower in fp16.
fn fp16_hint(in_fp16: bool) -> &'static str {
    if in_fp16 {
        "; in fp16, numbers above 65504 overflow: try --precision bf16 or fp32"
    } else {
        ""
    }
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
