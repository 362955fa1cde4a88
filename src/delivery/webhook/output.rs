//! How much of the output a message has.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::service::Snapshot;

/// How much of a prediction's output its webhooks contain. Every message repeats the files so far. As
/// data URLs these can be several megabytes, more than many receivers accept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum WebhookOutput {
    /// All files so far, as in Cog.
    #[default]
    All,
    /// The last file only, which in `completed` is the finished drawing.
    Last,
    /// No file.
    None,
}

impl WebhookOutput {
    /// The state with this much of its output.
    pub(super) fn of(self, mut state: Snapshot) -> Snapshot {
        let unwanted = match self {
            Self::All => 0,
            Self::Last => state.output.len().saturating_sub(1),
            Self::None => state.output.len(),
        };
        state.output.drain(..unwanted);
        state.omitted += unwanted;
        state
    }

    /// The next smaller message about a prediction with that many files.
    pub(super) fn smaller(self, files: usize) -> Option<Self> {
        match (self, files) {
            (_, 0) | (Self::None, _) => None,
            (Self::All, 2..) => Some(Self::Last),
            (Self::All | Self::Last, _) => Some(Self::None),
        }
    }

    /// The output that a message has, as a text that can follow "it gets".
    pub(super) fn description(self) -> &'static str {
        match self {
            Self::All => "all files",
            Self::Last => "the last file only",
            Self::None => "no files",
        }
    }
}
