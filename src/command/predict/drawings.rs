//! The drawings of one prompt: they are stepped together, and written to files.

use std::time::Instant;

use tokio::sync::oneshot;

use super::files::FrameFolder;
use super::outputs::Outputs;
use super::progress::ProgressReporter;
use crate::clip::Clip;
use crate::command::signals::StopSignal;
use crate::draw::{Drawing, Frame, Step, Stepper};
use crate::inputs::Input;
use crate::output::{Provenance, loss_line};
use crate::plural::counted;

/// What a drawing is written to.
pub(super) struct DrawingFiles {
    /// The finished drawing and its animation.
    pub(super) outputs: Outputs,
    /// Its frames.
    pub(super) frames: Option<FrameFolder>,
}

/// The parameters of the drawings of one prompt, and where they are written.
pub(super) struct Run<'a> {
    pub(super) input: &'a Input,
    pub(super) provenance: &'a Provenance,
    pub(super) png_scale: f32,
    /// The files of each drawing.
    pub(super) files: Vec<DrawingFiles>,
    pub(super) report: &'a ProgressReporter,
}

impl Run<'_> {
    /// Runs steps until the drawings are finished or a signal arrives. Returns the signal.
    ///
    /// # Errors
    /// If a drawing cannot go on, or a frame cannot be written.
    pub(super) fn draw(
        &mut self,
        stepper: &Stepper<Clip>,
        drawings: &mut [Drawing],
        signal: &mut oneshot::Receiver<StopSignal>,
    ) -> anyhow::Result<Option<StopSignal>> {
        loop {
            let mut moved: Vec<_> = drawings.iter_mut().collect();
            let mut are_finished = true;
            for (output, advance) in stepper.advance(&mut moved).into_iter().enumerate() {
                for step in &advance.steps {
                    self.show(output, step)?;
                }
                let steps = advance.into_result()?;
                are_finished &= steps.last().is_some_and(Step::is_finished);
            }
            if are_finished {
                return Ok(None);
            }
            if let Ok(signal) = signal.try_recv() {
                return Ok(Some(signal));
            }
        }
    }

    fn show(&mut self, output: usize, step: &Step) -> anyhow::Result<()> {
        self.report.show(output, step);
        let Some(frame) = step.frame() else {
            return Ok(());
        };
        self.write_frame(output, frame)?;
        if step.is_finished() {
            return Ok(());
        }
        self.files[output].outputs.add(frame)
    }

    fn write_frame(&self, output: usize, frame: &Frame) -> anyhow::Result<()> {
        let files = &self.files[output];
        let Some(folder) = &files.frames else {
            return Ok(());
        };
        let format = files.outputs.frame_format(self.input);
        let document = self.input.document_of(output, frame, self.provenance);
        folder.write(format, &document.encode(format, self.png_scale)?)
    }

    /// Writes a drawing as it is now. Returns it as an SVG document.
    ///
    /// # Errors
    /// If it cannot be encoded or written.
    pub(super) fn finish(&mut self, output: usize, drawing: &Drawing) -> anyhow::Result<String> {
        let frame = drawing.frame();
        let document = self.input.document_of(output, &frame, self.provenance);
        self.files[output].outputs.finish(&document)?;
        Ok(document.to_svg())
    }

    /// A line about a drawing that was written.
    pub(super) fn summary(&self, output: usize, drawing: &Drawing, started: Instant) -> String {
        let frame = drawing.frame();
        let steps_per_second = self.report.steps_per_second(frame.step);
        let steps = self.input.spec().steps;
        let state = if frame.step == steps {
            ""
        } else {
            " (unfinished)"
        };
        let memory = peak_memory().map(|bytes| format!(", peak memory {} MB", bytes / 1_000_000));
        format!(
            "{}{state}: {} of {} in {:.1} s ({steps_per_second:.1} steps/s{}), seed {}, {}",
            self.files[output].outputs.names(),
            frame.step,
            counted(steps, "step", "steps"),
            started.elapsed().as_secs_f64(),
            memory.unwrap_or_default(),
            self.input.seed_of(output),
            loss_line(&frame.losses),
        )
    }
}

/// The peak memory of this process in bytes, if the system reports it.
fn peak_memory() -> Option<u64> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).ok()?;
    // macOS counts bytes, Linux kibibytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    u64::try_from(usage.max_rss()).ok().map(|size| size * unit)
}
