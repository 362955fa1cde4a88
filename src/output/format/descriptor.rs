//! The description of a file format.

use super::error::EncodeError;
use crate::scene::{Canvas, Strokes};

/// What a file says about itself besides its strokes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The text of the `<title>`, which browsers show as a tooltip and screen readers read out.
    pub title: String,
    /// The text of the `<metadata>`: what is needed to make the drawing again, as JSON.
    pub provenance: String,
}

/// What a file contains.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// The strokes in painter's order.
    pub strokes: &'a Strokes,
    /// What they are drawn on.
    pub canvas: &'a Canvas,
    /// What the file says about itself.
    pub metadata: &'a Metadata,
}

/// What the size of a file depends on.
#[derive(Debug, Clone, Copy)]
pub struct SizeFactors<'a> {
    /// The number of strokes.
    pub strokes: usize,
    /// What they are drawn on.
    pub canvas: &'a Canvas,
    /// The length of the prompt in bytes.
    pub prompt_bytes: usize,
}

/// One file format.
#[derive(Debug)]
pub(super) struct Format {
    /// The file extension, without the dot.
    pub(super) extension: &'static str,
    /// The media type, as in `Content-Type` and data URLs.
    pub(super) media_type: &'static str,
    /// Checks whether a canvas can be written; `scale` is pixels of the file for one of the canvas.
    pub(super) check_size: fn(canvas: &Canvas, scale: f32) -> Result<(), EncodeError>,
    /// Makes the file; `scale` is pixels of the file for one of the canvas.
    pub(super) encode: fn(contents: &Contents<'_>, scale: f32) -> Result<Vec<u8>, EncodeError>,
    /// Estimates an upper bound of the size of a file at scale 1, in bytes.
    pub(super) estimate_bytes: fn(factors: &SizeFactors<'_>) -> u64,
}
