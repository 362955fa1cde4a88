//! `clipdraw predict`: draws one prompt and writes it.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::arguments::{ComputeArguments, PredictArguments};
use super::inputs::read_inputs;
use super::output::{FrameFolder, Output};
use super::report::{Report, loss_line};
use crate::clip::Clip;
use crate::compute::{device, library};
use crate::draw::{DrawError, Drawing, Frame, advance};
use crate::encode::{OutputFormat, png_size};
use crate::prediction::{Input, Maker, encode_frame};

/// The exit status of a program that Ctrl-C ended (128 + SIGINT).
const INTERRUPTED: u8 = 130;

/// Draws, and reports on standard error. The exit status is 0, or 130 after Ctrl-C.
///
/// # Errors
/// When an input is not allowed, CLIP cannot be loaded, a number is not finite, or a file cannot
/// be written. What was drawn until then is written all the same.
pub fn run(arguments: &PredictArguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let interrupted = watch_signals()?;
    let raw = read_inputs(arguments.json.as_deref(), &arguments.inputs)?;
    let input = Input::from_values(&raw)?;
    let output = Output::new(arguments.output.as_deref(), input.output_format)?;
    if output.format == OutputFormat::Png {
        let canvas = &input.spec.canvas;
        let size = [canvas.width as f32, canvas.height as f32];
        png_size(size, arguments.png_scale).context("--png-scale")?;
    }
    let frames = arguments
        .frames
        .as_deref()
        .map(|folder| FrameFolder::new(folder, input.spec.steps))
        .transpose()?;
    let report = Report::new(input.spec.steps, arguments.quiet);
    let (clip, maker) = load(&arguments.compute)?;
    report.say(&opening(&input, &maker));
    let session = Session {
        input: &input,
        maker: &maker,
        png_scale: arguments.png_scale,
        output: &output,
        frames: frames.as_ref(),
        interrupted: &interrupted,
    };
    let ending = session.draw(&clip, &report)?;
    report.finish();
    report.say(&closing(&session, &ending, started));
    match ending.failure {
        Some(failure) => Err(failure.into()),
        None if ending.interrupted => Ok(ExitCode::from(INTERRUPTED)),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// The first Ctrl-C sets the flag that is returned; the second ends the program at once.
fn watch_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(
            signal,
            INTERRUPTED.into(),
            Arc::clone(&flag),
        )
        .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&flag)))
        .context("signals cannot be watched")?;
    }
    Ok(flag)
}

fn load(arguments: &ComputeArguments) -> anyhow::Result<(Clip, Maker)> {
    let device = arguments.device.resolve()?;
    if let Some(threads) = arguments.threads {
        library::set_threads(threads.into());
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.into())
            .build_global()
            .context("--threads")?;
    }
    let weights = arguments.weights.resolve()?;
    let clip = Clip::load(&weights, device, arguments.precision.kind(device))?;
    let maker = Maker {
        model: clip.name(),
        device: device::names(&[device]),
        precision: arguments.precision.resolved(device).to_string(),
    };
    Ok((clip, maker))
}

fn opening(input: &Input, maker: &Maker) -> String {
    format!(
        "drawing `{}` with {} strokes, seed {}, CLIP {} on {} in {}",
        input.values["prompt"].as_str().unwrap_or_default(),
        input.spec.strokes,
        input.spec.seed,
        maker.model,
        maker.device,
        maker.precision,
    )
}

/// How a drawing ended.
struct Ending {
    frame: Frame,
    steps_per_second: f64,
    interrupted: bool,
    failure: Option<DrawError>,
}

fn closing(session: &Session<'_>, ending: &Ending, started: Instant) -> String {
    let steps = session.input.spec.steps;
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
        session.input.spec.seed,
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
    maker: &'a Maker,
    png_scale: f32,
    output: &'a Output,
    frames: Option<&'a FrameFolder>,
    interrupted: &'a AtomicBool,
}

impl Session<'_> {
    fn draw(&self, clip: &Clip, report: &Report) -> anyhow::Result<Ending> {
        let mut drawing = Drawing::start(clip, self.input.spec.clone())?;
        let mut failure = None;
        let mut finished = false;
        while !finished && failure.is_none() && !self.interrupted.load(Ordering::Relaxed) {
            for result in advance(clip, &mut [&mut drawing]) {
                match result {
                    Ok(progress) => {
                        report.show(&progress);
                        finished = progress.finished;
                        progress
                            .frame
                            .as_ref()
                            .map_or(Ok(()), |frame| self.keep(frame))?;
                    }
                    Err(cause) => failure = Some(cause),
                }
            }
        }
        let frame = drawing.frame();
        self.output.write(&self.encode(&frame)?)?;
        Ok(Ending {
            steps_per_second: report.steps_per_second(frame.step),
            frame,
            interrupted: !finished && failure.is_none(),
            failure,
        })
    }

    fn keep(&self, frame: &Frame) -> anyhow::Result<()> {
        self.frames.map_or(Ok(()), |folder| {
            folder.write(frame.step, self.output.format, &self.encode(frame)?)
        })
    }

    fn encode(&self, frame: &Frame) -> anyhow::Result<Vec<u8>> {
        let form = (self.output.format, self.png_scale);
        Ok(encode_frame(frame, self.input, self.maker, form)?)
    }
}
