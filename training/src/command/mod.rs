//! The steps of `clipdraw-train`.

pub mod say;
pub mod folder;
pub mod pictures;
pub mod image;
pub mod text;
pub mod export;
pub mod drawings;
