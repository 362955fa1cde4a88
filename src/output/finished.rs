//! A drawing from start to end, for users of the library.

use serde_json::json;

use super::document::metadata;
use super::format::{EncodeError, Metadata, svg_to_png, write_svg};
use crate::clip::Clip;
use crate::compute::graph::GraphMode;
use crate::draw::{DrawError, Drawing, Frame, Spec, Step, Stepper};
use crate::render::renderer_for;
use crate::scene::Canvas;

/// Draws a plan to its end. To get the intermediate frames, use [`Stepper::advance`] or
/// [`Drawing::step`].
///
/// # Errors
/// When a prompt has more tokens than the model reads, CLIP or the renderer fails, or a number is not
/// finite.
pub fn draw(clip: &Clip, spec: &Spec) -> Result<FinishedDrawing, DrawError> {
    let stepper = Stepper::with_renderer(clip, renderer_for(clip.device()), GraphMode::Off);
    let mut drawing = Drawing::start(clip, spec.clone())?;
    loop {
        for advance in stepper.advance(&mut [&mut drawing]) {
            if let Some(Step::Finished(frame)) = advance.into_result()?.pop() {
                return Ok(FinishedDrawing::new(clip, spec, frame));
            }
        }
    }
}

/// A finished drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedDrawing {
    /// The strokes and their losses.
    pub frame: Frame,
    /// What they are drawn on.
    pub canvas: Canvas,
    metadata: Metadata,
}

impl FinishedDrawing {
    fn new(clip: &Clip, spec: &Spec, frame: Frame) -> Self {
        let prompts: Vec<_> = spec
            .prompts
            .iter()
            .map(|prompt| prompt.text.as_str())
            .collect();
        let details = [
            ("model", json!(clip.name())),
            ("seed", json!(spec.seed)),
            ("step", json!(frame.step)),
        ];
        Self {
            metadata: metadata(prompts.join(" | "), details),
            canvas: spec.canvas,
            frame,
        }
    }

    /// The drawing as an SVG document.
    pub fn to_svg(&self) -> String {
        write_svg(&self.frame.strokes, &self.canvas, &self.metadata)
    }

    /// The drawing as a PNG, `scale` pixels for one of the canvas.
    ///
    /// # Errors
    /// When a side would have no pixel or too many.
    pub fn to_png(&self, scale: f32) -> Result<Vec<u8>, EncodeError> {
        svg_to_png(&self.to_svg(), scale)
    }
}
