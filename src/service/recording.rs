//! The animation of a prediction while it is drawn.

use std::io::Cursor;
use std::sync::Arc;

use super::fault::Failure;
use crate::draw::Frame;
use crate::inputs::Input;
use crate::output::{AnimationEncoder, AnimationFormat, AnimationOptions, EncodeError, Provenance};

type Encoder = AnimationEncoder<Cursor<Vec<u8>>>;

/// The animation of a drawing, as far as it is drawn. Only compressed frames are in memory.
pub(super) struct Recording {
    /// The drawing, from 0.
    output: usize,
    /// `None` if no animation is requested, or it is finished.
    options: Option<AnimationOptions>,
    /// The frames so far; `None` before the first one.
    encoder: Option<Encoder>,
}

/// A finished animation.
pub(super) struct FinishedAnimation {
    pub(super) format: AnimationFormat,
    pub(super) bytes: Vec<u8>,
}

impl Recording {
    /// An animation without frames of one of the drawings, if the inputs request one.
    pub(super) fn new(input: &Input, output: usize) -> Self {
        let options = input.animation_format().map(|format| AnimationOptions {
            format,
            style: input.animation_style(),
            scale: 1.0,
        });
        Self {
            output,
            options,
            encoder: None,
        }
    }

    /// The drawing, from 0.
    pub(super) fn output(&self) -> usize {
        self.output
    }

    /// Adds a frame. Returns the animation after the last one. Frames take long to encode, so this runs on a blocking
    /// thread.
    pub(super) async fn add(
        &mut self,
        frame: &Arc<Frame>,
        input: &Arc<Input>,
        provenance: &Arc<Provenance>,
    ) -> Result<Option<FinishedAnimation>, Failure> {
        let Some(options) = self.options else {
            return Ok(None);
        };
        let encoder = self.encoder.take();
        let frame = Arc::clone(frame);
        let input = Arc::clone(input);
        let output = self.output;
        let provenance = Arc::clone(provenance);
        let encoding = tokio::task::spawn_blocking(move || {
            let mut encoder = match encoder {
                Some(encoder) => encoder,
                None => Encoder::new(Cursor::default(), &options, &input.animation_size())?,
            };
            if frame.step < input.spec().steps {
                encoder.add(&frame.strokes)?;
                return Ok::<_, EncodeError>((Some(encoder), None));
            }
            let bytes = encoder.finish(&input.document_of(output, &frame, &provenance))?;
            let format = options.format;
            let bytes = bytes.into_inner();
            Ok((None, Some(FinishedAnimation { format, bytes })))
        });
        let (encoder, finished) = encoding
            .await
            .map_err(Failure::AnimationPanicked)?
            .map_err(Failure::Animation)?;
        self.encoder = encoder;
        if finished.is_some() {
            self.options = None;
        }
        Ok(finished)
    }
}
