//! A frame as the file that the caller gets.

use serde_json::{Map, Value, json};

use super::{Metadata, OutputFormat, PngError, svg_to_png, write_svg};
use crate::draw::Frame;
use crate::scene::Canvas;

/// What drew a picture, beside the inputs: all that can change its strokes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The CLIP model's name.
    pub model: String,
    /// The SHA-256 of its weights, in lower-case hexadecimal.
    pub weights_sha256: String,
    /// The device, as in `--device`.
    pub device: String,
    /// The precision, as in `--precision`.
    pub precision: String,
}

/// A frame with everything that its file says.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// The strokes and the step that they belong to.
    pub frame: &'a Frame,
    /// What they are drawn on.
    pub canvas: &'a Canvas,
    /// Every input by name, the seed included.
    pub inputs: &'a Map<String, Value>,
    /// What drew it.
    pub provenance: &'a Provenance,
}

impl Document<'_> {
    /// An SVG that says in its metadata how it can be drawn again.
    pub fn to_svg(&self) -> String {
        let recipe = json!({
            "program": env!("CARGO_PKG_NAME"),
            "version": env!("CARGO_PKG_VERSION"),
            "model": self.provenance.model,
            "weights_sha256": self.provenance.weights_sha256,
            "device": self.provenance.device,
            "precision": self.provenance.precision,
            "step": self.frame.step,
            "input": self.inputs,
        });
        let metadata = Metadata {
            title: self.inputs["prompt"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            recipe: recipe.to_string(),
        };
        write_svg(&self.frame.strokes, self.canvas, &metadata)
    }

    /// The file in a format; `png_scale` is pixels of a PNG for one of the canvas.
    ///
    /// # Errors
    /// When a PNG would be too large.
    pub fn encode(&self, format: OutputFormat, png_scale: f32) -> Result<Vec<u8>, PngError> {
        let svg = self.to_svg();
        match format {
            OutputFormat::Svg => Ok(svg.into_bytes()),
            OutputFormat::Png => svg_to_png(&svg, png_scale),
        }
    }
}
