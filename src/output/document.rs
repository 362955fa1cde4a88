//! A frame as the file that the caller gets.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::format::{Contents, EncodeError, Metadata, OutputFormat, write_svg};
use crate::draw::Frame;
use crate::hex::lower_hex;
use crate::render::cpu::raster::visible;
use crate::scene::{Canvas, Strokes};

/// What determines a drawing besides the inputs: everything that can change its strokes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The CLIP model's name.
    pub model: String,
    /// The SHA-256 of its weights, in lower-case hexadecimal.
    pub weights_sha256: String,
    /// The prefix of the tensors that were read from weights with several models, as in `--tensors`.
    pub tensors: Option<String>,
    /// The activation function that the caller gave, as in `--activation`.
    pub activation: Option<String>,
    /// The device, as in `--device`.
    pub device: String,
    /// The precision, as in `--precision`.
    pub precision: String,
    /// What computes CLIP, as in `--backend`; `None` if it is not known.
    pub backend: Option<String>,
}

impl Provenance {
    /// The version of the model as a whole: the SHA-256, in lower-case hexadecimal, of the version of this program and of
    /// what determines a drawing besides the inputs and the machine.
    pub fn version(&self) -> String {
        version_of(&[
            &self.weights_sha256,
            self.tensors.as_deref().unwrap_or_default(),
            self.activation.as_deref().unwrap_or_default(),
        ])
    }

    /// The same for a model that is not known.
    pub fn version_of_program() -> String {
        version_of(&[])
    }
}

fn version_of(model: &[&str]) -> String {
    let program = [env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")];
    lower_hex(&Sha256::digest([&program, model].concat().join("\n")))
}

/// A frame with everything that its file contains.
#[derive(Debug, Clone, Copy)]
pub struct Document<'a> {
    /// The strokes and the step that they belong to.
    pub frame: &'a Frame,
    /// What they are drawn on.
    pub canvas: &'a Canvas,
    /// The prompt as the caller wrote it.
    pub prompt: &'a str,
    /// Every input by name, the seed included.
    pub inputs: &'a Map<String, Value>,
    /// What made it.
    pub provenance: &'a Provenance,
    /// Whether strokes that do not show are left out.
    pub is_clean: bool,
}

/// How much a value of the picture (0 to 1) may change when strokes are left out: one step of 8 bits.
const TOLERANCE: f32 = 1.0 / 255.0;

impl Document<'_> {
    /// An SVG whose metadata says how it can be drawn again.
    pub fn to_svg(&self) -> String {
        write_svg(&self.strokes(), self.canvas, &self.metadata())
    }

    /// The file in a format; `scale` is pixels of the file for one of the canvas, for formats that
    /// have pixels.
    ///
    /// # Errors
    /// When the file would have too many pixels, or none.
    pub fn encode(&self, format: OutputFormat, scale: f32) -> Result<Vec<u8>, EncodeError> {
        let contents = Contents {
            strokes: &self.strokes(),
            canvas: self.canvas,
            metadata: &self.metadata(),
        };
        format.encode(&contents, scale)
    }

    /// The strokes that the file has.
    fn strokes(&self) -> Cow<'_, Strokes> {
        let all = &self.frame.strokes;
        if !self.is_clean {
            return Cow::Borrowed(all);
        }
        let is_visible = visible(all, self.canvas, TOLERANCE);
        let kept = (0..all.len()).filter(|stroke| is_visible[*stroke]);
        Cow::Owned(all.select(&kept.collect::<Vec<_>>()))
    }

    pub(super) fn metadata(&self) -> Metadata {
        let provenance = self.provenance;
        let tensors = provenance.tensors.as_ref();
        let activation = provenance.activation.as_ref();
        let backend = provenance.backend.as_ref();
        let details = [
            ("model", json!(provenance.model)),
            ("weights_sha256", json!(provenance.weights_sha256)),
        ];
        let details = details.into_iter();
        let details = details.chain(tensors.map(|prefix| ("tensors", json!(prefix))));
        let details = details.chain(activation.map(|name| ("activation", json!(name))));
        let details = details.chain([
            ("device", json!(provenance.device)),
            ("precision", json!(provenance.precision)),
        ]);
        let details = details.chain(backend.map(|name| ("backend", json!(name))));
        let details = details.chain([
            ("step", json!(self.frame.step)),
            ("input", json!(self.inputs)),
        ]);
        metadata(self.prompt.to_owned(), details)
    }
}

/// The metadata of a file: its provenance is this program with its version, then `details` in their order.
pub(super) fn metadata<'a>(
    title: String,
    details: impl IntoIterator<Item = (&'a str, Value)>,
) -> Metadata {
    let program = [
        ("program", json!(env!("CARGO_PKG_NAME"))),
        ("version", json!(env!("CARGO_PKG_VERSION"))),
    ];
    let provenance: Map<String, Value> = program
        .into_iter()
        .chain(details)
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Metadata {
        title,
        provenance: Value::Object(provenance).to_string(),
    }
}
