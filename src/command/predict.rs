//! `clipdraw predict`: draws one prompt and writes it.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use super::arguments::PredictArguments;
use super::inputs::read_inputs;
use super::model::{self, LoadedModel};
use super::output::{FrameFolder, Output};
use super::progress::ProgressReporter;
use crate::clip::Clip;
use crate::draw::{Drawing, Frame, step};
use crate::inputs::Input;
use crate::output::{Provenance, loss_line, opening_line};

/// A shell reports a program that a signal ended with this plus the signal's number.
const SIGNAL_STATUS: i32 = 128;

/// Draws, and reports on standard error. The exit status is 0, or 130 after Ctrl-C and 143 after
/// SIGTERM, which stop at the next step.
///
/// # Errors
/// When an input is not allowed, CLIP cannot be loaded, a number is not finite, or a file cannot
/// be written. What was drawn until then is written all the same.
pub fn run(arguments: &PredictArguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let raw = read_inputs(arguments.json.as_deref(), &arguments.inputs)?;
    let input = Input::from_values_of_any_length(&raw)?;
    let output = Output::new(arguments.output.as_deref(), input.output_format())?;
    output
        .format
        .check_size(&input.spec().canvas, arguments.png_scale)
        .context("--png-scale")?;
    model::set_threads(&arguments.compute)?;
    let LoadedModel {
        clip,
        provenance,
        warnings,
    } = model::load(&arguments.compute)?;
    input.check_tokens(clip.token_limit())?;
    let frames = arguments
        .frames
        .as_deref()
        .map(|folder| FrameFolder::new(folder, input.spec().steps))
        .transpose()?;
    // Until here a signal ends the program at once: there is nothing to keep.
    let interruption = Interruption::watch()?;
    let report = ProgressReporter::new(input.spec().steps, arguments.quiet);
    for warning in &warnings {
        report.print(&format!("warning: {warning}"));
    }
    report.print(&opening_line(input.prompt(), input.spec(), &provenance));
    let session = Session {
        input: &input,
        provenance: &provenance,
        png_scale: arguments.png_scale,
        output: &output,
        frames: frames.as_ref(),
        interruption: &interruption,
    };
    let ending = session.draw(&clip, &report)?;
    report.finish();
    report.print(&closing(&session, &ending, started));
    match ending.failure {
        Some(failure) => Err(failure),
        None => Ok(ExitCode::from(ending.status)),
    }
}

/// Signals that ask the program to stop. The second of them ends it at once.
struct Interruption {
    came: Arc<AtomicBool>,
    /// The exit status that the first signal asks for, 0 before it.
    status: Arc<AtomicUsize>,
}

impl Interruption {
    fn watch() -> anyhow::Result<Self> {
        let watch = Self {
            came: Arc::default(),
            status: Arc::default(),
        };
        for signal in [SIGINT, SIGTERM] {
            let status = SIGNAL_STATUS + signal;
            flag::register_conditional_shutdown(signal, status, Arc::clone(&watch.came))
                .and_then(|_| flag::register(signal, Arc::clone(&watch.came)))
                .and_then(|_| {
                    flag::register_usize(signal, Arc::clone(&watch.status), status as usize)
                })
                .context("signals cannot be watched")?;
        }
        Ok(watch)
    }

    fn status(&self) -> u8 {
        self.status.load(Ordering::Relaxed) as u8
    }
}

/// How a drawing ended.
struct Ending {
    frame: Frame,
    steps_per_second: f64,
    /// The exit status: 0, or that of a signal.
    status: u8,
    failure: Option<anyhow::Error>,
}

fn closing(session: &Session<'_>, ending: &Ending, started: Instant) -> String {
    let steps = session.input.spec().steps;
    let state = if ending.frame.step == steps {
        ""
    } else {
        " (unfinished)"
    };
    let memory = peak_memory().map(|bytes| format!(", {} MB of memory at most", bytes / 1_000_000));
    format!(
        "{}{state}: {} of {steps} steps in {:.1} s ({:.1} steps/s{}), seed {}, {}",
        session.output.name(),
        ending.frame.step,
        started.elapsed().as_secs_f64(),
        ending.steps_per_second,
        memory.unwrap_or_default(),
        session.input.spec().seed,
        loss_line(&ending.frame.losses),
    )
}

/// The most memory that this process has had in bytes, where the system tells.
fn peak_memory() -> Option<u64> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).ok()?;
    // macOS counts bytes, Linux kibibytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    u64::try_from(usage.max_rss()).ok().map(|size| size * unit)
}

/// Everything that one drawing is made from and goes to.
struct Session<'a> {
    input: &'a Input,
    provenance: &'a Provenance,
    png_scale: f32,
    output: &'a Output,
    frames: Option<&'a FrameFolder>,
    interruption: &'a Interruption,
}

impl Session<'_> {
    fn draw(&self, clip: &Clip, report: &ProgressReporter) -> anyhow::Result<Ending> {
        let mut drawing = Drawing::start(clip, self.input.spec().clone())?;
        let mut failure = None;
        let mut finished = false;
        while !finished && failure.is_none() {
            match self.step(clip, &mut drawing, report) {
                Ok(was_last) => finished = was_last,
                Err(cause) => failure = Some(cause),
            }
            if self.interruption.status() != 0 {
                break;
            }
        }
        let frame = drawing.frame();
        self.output.write(&self.encode(&frame)?)?;
        Ok(Ending {
            steps_per_second: report.steps_per_second(frame.step),
            frame,
            status: if finished {
                0
            } else {
                self.interruption.status()
            },
            failure,
        })
    }

    /// Does one step; whether it was the last.
    fn step(
        &self,
        clip: &Clip,
        drawing: &mut Drawing,
        report: &ProgressReporter,
    ) -> anyhow::Result<bool> {
        let progress = step(clip, &mut [drawing]).remove(0)?;
        report.show(&progress);
        progress
            .frame
            .as_ref()
            .map_or(Ok(()), |frame| self.keep(frame))?;
        Ok(progress.finished)
    }

    fn keep(&self, frame: &Frame) -> anyhow::Result<()> {
        self.frames.map_or(Ok(()), |folder| {
            folder.write(frame.step, self.output.format, &self.encode(frame)?)
        })
    }

    fn encode(&self, frame: &Frame) -> anyhow::Result<Vec<u8>> {
        let document = self.input.document(frame, self.provenance);
        Ok(document.encode(self.output.format, self.png_scale)?)
    }
}
