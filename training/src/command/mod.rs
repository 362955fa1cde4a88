//! What `clipdraw-train` does, step by step.

pub mod say;
pub mod folder;
pub mod pictures;
pub mod image;
pub mod text;
pub mod export;
pub mod drawings;
