//! What `clipdraw-train` does, step by step.

pub mod folder;
pub mod image;
pub mod drawings;
