//! What `clipdraw-train` does, step by step.

pub mod folder;
pub mod pictures;
pub mod image;
