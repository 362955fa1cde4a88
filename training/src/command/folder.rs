//! The work folder of the training.

use std::path::PathBuf;

use clap::Args;

/// The work folder, where each step finds the results of the earlier ones.
#[derive(Debug, Clone, Args)]
pub struct WorkFolder {
    /// The work folder of training.
    #[arg(long = "folder", env = "CLIPDRAW_TRAINING", value_name = "FOLDER")]
    path: PathBuf,
}

impl WorkFolder {
    /// The folder itself.
    pub fn path(&self) -> &PathBuf {
        &self.path
    }

    /// The folder of a pack.
    pub fn pack(&self, name: &str) -> PathBuf {
        self.path.join("packs").join(name)
    }

    /// A file of the work folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}
