//! How a prediction was asked for, beyond its inputs.

use serde::{Deserialize, Serialize};

/// How a prediction was asked for, beyond its inputs. The default is a request in Cog's protocol.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The model that the caller named, in Replicate's protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<NamedModel>,
    /// The version of the model that has accepted the prediction; the service sets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When the prediction is cancelled if it has not ended, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<i64>,
    /// A digest of the request, if its caller can repeat it without another prediction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_digest: Option<String>,
}

/// A model that a caller named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedModel {
    /// Its owner and its name, as in `clipdraw/clipdraw`.
    pub name: String,
    /// The deployment that the request named instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
    /// What its output is.
    pub output: OutputShape,
}

/// What the output of a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputShape {
    /// The list of all files so far.
    AllFiles,
    /// The finished drawing, and nothing before that.
    FinishedDrawing,
}

impl Origin {
    /// What the output is.
    pub fn output(&self) -> OutputShape {
        let model = self.model.as_ref();
        model.map_or(OutputShape::AllFiles, |model| model.output)
    }

    /// Whether the caller waits in the long queue rather than being refused.
    pub(super) fn waits(&self) -> bool {
        self.model.is_some()
    }
}
