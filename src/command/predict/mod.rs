//! `clipdraw predict`: draws one prompt and writes the drawing to a file.

mod inputs;
mod progress;
mod files;
mod animation_file;
mod outputs;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use tokio::sync::oneshot;

use self::files::FrameFolder;
pub(super) use self::files::write_file;
use self::inputs::read_inputs;
use self::outputs::{OutputArguments, Outputs};
use self::progress::ProgressReporter;
use super::model::{ComputeArguments, LoadedModel};
use super::signals::{self, SigtermPolicy, StopSignal};
use crate::clip::Clip;
use crate::delivery::{Client, ClientConfig, Downloader};
use crate::draw::{Drawing, Frame, Step, Stepper};
use crate::inputs::{FIELDS, Field, Input};
use crate::output::{Provenance, loss_line, opening_line};

/// `clipdraw predict`.
#[derive(Debug, Args)]
#[command(after_help = inputs_help())]
pub(super) struct PredictArguments {
    /// An input; `name=@path` reads its value from a file. Can be given several times.
    #[arg(short = 'i', long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<String>,
    /// Inputs as a JSON object, or the body of a request to the server, from a file or from standard
    /// input (-); `-i` overrides it.
    #[arg(long, value_name = "FILE|-")]
    json: Option<String>,
    /// Where to write the drawing; the extension .svg or .png selects the format, - means standard output.
    /// With .gif or .webp, an animation is written instead. Default: drawing.svg, or drawing.png with
    /// `output_format=png`.
    #[arg(short = 'o', long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where to write an animation in addition to the drawing; the extension .svg, .gif or .webp selects the format.
    /// The input `animation_style` says what it shows. Default with the input `animation`: the name of the drawing with
    /// "-animation" at its end.
    #[arg(long, value_name = "FILE")]
    animation: Option<PathBuf>,
    /// Folder for all frames, frame-00000.svg and so on.
    #[arg(long, value_name = "DIR")]
    frames: Option<PathBuf>,
    /// Delete the frames of another drawing in the folder of --frames; nothing else in it is deleted.
    #[arg(long, requires = "frames")]
    overwrite: bool,
    /// Pixels per canvas pixel, for PNG, GIF and WebP.
    #[arg(long, default_value_t = 1.0, value_name = "SCALE")]
    png_scale: f32,
    /// Print only errors.
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    compute: ComputeArguments,
}

impl PredictArguments {
    fn outputs(&self, input: &Input) -> anyhow::Result<Outputs> {
        let arguments = OutputArguments {
            output: self.output.as_deref(),
            animation: self.animation.as_deref(),
            scale: self.png_scale,
        };
        Outputs::new(&arguments, input)
    }
}

/// Draws, and reports on standard error. The exit status is 0, or 130 after Ctrl-C and 143 after
/// SIGTERM, which stop the drawing after at most ten steps. A second signal ends the program at once.
///
/// # Errors
/// If an input is not allowed, CLIP cannot be loaded, a number is not finite, or a file cannot be
/// written. The current strokes are written even then.
pub(super) fn run(arguments: &PredictArguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let values = read_inputs(arguments.json.as_deref(), &arguments.inputs)?;
    let input = with_links(Input::from_values_of_any_length(&values)?)?;
    let spec = input.spec();
    let outputs = arguments.outputs(&input)?;
    arguments.compute.set_threads()?;
    let LoadedModel {
        clip,
        provenance,
        warnings,
        graphs,
    } = arguments.compute.load_model()?;
    input.check_tokens(clip.token_limit())?;
    let frames = arguments
        .frames
        .as_deref()
        .map(|folder| FrameFolder::new(folder, arguments.overwrite))
        .transpose()?;
    // Until here a signal ends the program at once, because there is no drawing to write.
    let mut signal = signals::watch(SigtermPolicy::Stop)?;
    let report = ProgressReporter::new(spec.steps, arguments.quiet);
    report.print(&opening_line(spec, &provenance));
    for note in input.prompt_notes(clip.token_limit()) {
        report.print(&format!("note: {note}"));
    }
    for warning in &warnings {
        report.print(&format!("warning: {warning}"));
    }
    let mut run = Run {
        input: &input,
        provenance: &provenance,
        png_scale: arguments.png_scale,
        outputs,
        frames: frames.as_ref(),
        report: &report,
    };
    let stepper = Stepper::new(clip, graphs)?;
    let mut drawing = Drawing::start(stepper.clip(), spec.clone())?;
    let stopped = run.draw(&stepper, &mut drawing, &mut signal);
    let frame = drawing.frame();
    run.outputs.finish(&input.document(&frame, &provenance))?;
    let steps_per_second = report.steps_per_second(frame.step);
    report.finish();
    report.print(&run.summary(&frame, started, steps_per_second));
    Ok(stopped?.map_or(ExitCode::SUCCESS, |signal| signal.exit_status().into()))
}

/// The inputs with the files that they refer to by their address.
fn with_links(input: Input) -> anyhow::Result<Input> {
    let links = input.links();
    if links.is_empty() {
        return Ok(input);
    }
    let downloader = Downloader::new(Arc::new(Client::new(ClientConfig::default())?));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut files = Vec::new();
    for (name, url) in links {
        let downloaded = runtime.block_on(downloader.download(&url));
        files.push((
            name,
            downloaded.with_context(|| format!("{name}: {url} cannot be fetched"))?,
        ));
    }
    Ok(input.with_files(files)?)
}

/// The parameters of one drawing, and where it is written.
struct Run<'a> {
    input: &'a Input,
    provenance: &'a Provenance,
    png_scale: f32,
    outputs: Outputs,
    frames: Option<&'a FrameFolder>,
    report: &'a ProgressReporter,
}

impl Run<'_> {
    /// Runs steps until the drawing is finished or a signal arrives. Returns the signal.
    fn draw(
        &mut self,
        stepper: &Stepper<Clip>,
        drawing: &mut Drawing,
        signal: &mut oneshot::Receiver<StopSignal>,
    ) -> anyhow::Result<Option<StopSignal>> {
        loop {
            for advance in stepper.advance(&mut [drawing]) {
                for step in &advance.steps {
                    self.take(step)?;
                }
                if advance.into_result()?.last().is_some_and(Step::is_finished) {
                    return Ok(None);
                }
            }
            if let Ok(signal) = signal.try_recv() {
                return Ok(Some(signal));
            }
        }
    }

    /// Reports a step, and writes its frame to the folder and the animation. The outputs get the last frame when they are
    /// written.
    fn take(&mut self, step: &Step) -> anyhow::Result<()> {
        self.report.show(step);
        let Some(frame) = step.frame() else {
            return Ok(());
        };
        self.write_frame(frame)?;
        if !step.is_finished() {
            self.outputs.add(frame)?;
        }
        Ok(())
    }

    fn write_frame(&self, frame: &Frame) -> anyhow::Result<()> {
        let Some(folder) = self.frames else {
            return Ok(());
        };
        let format = self.outputs.frame_format(self.input);
        let document = self.input.document(frame, self.provenance);
        folder.write(format, &document.encode(format, self.png_scale)?)
    }

    fn summary(&self, frame: &Frame, started: Instant, steps_per_second: f64) -> String {
        let spec = self.input.spec();
        let state = if frame.step == spec.steps {
            ""
        } else {
            " (unfinished)"
        };
        let memory = peak_memory().map(|bytes| format!(", peak memory {} MB", bytes / 1_000_000));
        format!(
            "{}{state}: {} of {} steps in {:.1} s ({steps_per_second:.1} steps/s{}), seed {}, {}",
            self.outputs.names(),
            frame.step,
            spec.steps,
            started.elapsed().as_secs_f64(),
            memory.unwrap_or_default(),
            spec.seed,
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

fn inputs_help() -> String {
    let entries: Vec<String> = FIELDS.iter().map(input_help).collect();
    format!("Inputs:\n{}", entries.join("\n"))
}

fn input_help(field: &Field) -> String {
    let default = field.kind.default_text(|text| format!("{text:?}"));
    format!(
        "  {}\n      {} {}; default {default}.",
        field.name,
        field.description,
        capitalized(&field.kind.allowed())
    )
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters
        .next()
        .map(|first| first.to_uppercase().chain(characters).collect())
        .unwrap_or_default()
}
