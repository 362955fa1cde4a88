//! A frame as the file that the caller gets.

use serde_json::json;

use super::Input;
use crate::draw::Frame;
use crate::encode::{Metadata, OutputFormat, PngError, svg_to_png, write_svg};

/// What drew a picture, beside the inputs: all that can change its strokes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Maker {
    /// The CLIP model's name.
    pub model: String,
    /// The SHA-256 of its weights, in lower-case hexadecimal.
    pub weights_sha256: String,
    /// The device, as in `--device`.
    pub device: String,
    /// The precision, as in `--precision`.
    pub precision: String,
}

/// A frame as an SVG that says in its metadata how it can be drawn again.
pub fn svg_document(frame: &Frame, input: &Input, maker: &Maker) -> String {
    let recipe = json!({
        "program": env!("CARGO_PKG_NAME"),
        "version": env!("CARGO_PKG_VERSION"),
        "model": maker.model,
        "weights_sha256": maker.weights_sha256,
        "device": maker.device,
        "precision": maker.precision,
        "step": frame.step,
        "input": input.values,
    });
    let metadata = Metadata {
        title: input.values["prompt"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        recipe: recipe.to_string(),
    };
    write_svg(&frame.strokes, &input.spec.canvas, &metadata)
}

/// A frame in a file format; `png_scale` is pixels of a PNG for one of the canvas.
///
/// # Errors
/// When a PNG would be too large.
pub fn encode_frame(
    frame: &Frame,
    input: &Input,
    maker: &Maker,
    (format, png_scale): (OutputFormat, f32),
) -> Result<Vec<u8>, PngError> {
    let svg = svg_document(frame, input, maker);
    match format {
        OutputFormat::Svg => Ok(svg.into_bytes()),
        OutputFormat::Png => svg_to_png(&svg, png_scale),
    }
}
