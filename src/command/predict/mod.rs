//! `clipdraw predict`: draws one prompt or many, and writes the drawings to files.

mod inputs;
mod progress;
mod files;
mod animation_file;
mod outputs;
mod prompts;
mod sheet;
mod drawings;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, ensure};
use clap::Args;
use tokio::sync::oneshot;

use self::drawings::{DrawingFiles, Run};
use self::files::FrameFolder;
use self::inputs::read_inputs;
use self::outputs::{OutputArguments, Outputs};
use self::progress::ProgressReporter;
use self::prompts::{Request, requests};
use self::sheet::SheetFile;
use super::model::{ComputeArguments, LoadedModel};
use super::signals::{self, SigtermPolicy, StopSignal};
use crate::clip::Clip;
use crate::delivery::{Client, ClientConfig, Downloader};
use crate::draw::{Drawing, Stepper};
use crate::inputs::{FIELDS, Field, Input};
use crate::output::{Provenance, opening_line};

/// `clipdraw predict`.
#[derive(Debug, Args)]
#[command(after_help = inputs_help())]
pub(super) struct PredictArguments {
    /// An input, in quotes if its value has spaces: -i prompt="a red fox". `name=@path` reads the value from a file. Can be
    /// given several times. All inputs are listed below.
    #[arg(short = 'i', long = "input", value_name = "NAME=VALUE")]
    inputs: Vec<String>,
    /// Inputs as a JSON object, or the body of a request to the server, from a file or from standard
    /// input (-); `-i` overrides it.
    #[arg(long, value_name = "FILE|-")]
    json: Option<String>,
    /// Many prompts from a file or from standard input (-), one a line; lines that begin with # and empty lines are
    /// skipped. The model is loaded once. The names of files have the number and the words of the prompt.
    #[arg(long, value_name = "FILE|-")]
    prompts: Option<String>,
    /// Where to write the drawing; the extension .svg or .png selects the format, - means standard output.
    /// With .gif or .webp, an animation is written instead. Default: drawing.svg, or drawing.png with
    /// `output_format=png`. Several drawings have their number in the name: fox-1.svg, fox-2.svg.
    #[arg(short = 'o', long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Where to write a contact sheet with all drawings, a PNG.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    /// Where to write an animation in addition to the drawing; the extension .svg, .gif or .webp selects the format.
    /// The input `animation_style` says what it shows. Default with the input `animation`: the name of the drawing with
    /// "-animation" at its end.
    #[arg(long, value_name = "FILE")]
    animation: Option<PathBuf>,
    /// Folder for all frames, frame-00000.svg and so on; of several drawings, each has a folder in it.
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
    /// The files of each drawing of a prompt.
    fn files(&self, request: &Request) -> anyhow::Result<Vec<Outputs>> {
        let suffixes = suffixes(request);
        let outputs = suffixes.iter().map(|suffix| {
            let arguments = OutputArguments {
                output: self.output.as_deref(),
                animation: self.animation.as_deref(),
                scale: self.png_scale,
                suffix,
            };
            Outputs::new(&arguments, &request.input)
        });
        outputs.collect()
    }

    /// The folder of the frames of each drawing of a prompt: that of `--frames`, or folders in it if there are several
    /// drawings.
    fn frame_folders(&self, request: &Request) -> anyhow::Result<Vec<Option<FrameFolder>>> {
        let folders = suffixes(request).into_iter().map(|suffix| {
            let Some(folder) = &self.frames else {
                return Ok(None);
            };
            let name = suffix.strip_prefix('-');
            let folder = name.map_or_else(|| folder.clone(), |name| folder.join(name));
            FrameFolder::new(&folder, self.overwrite).map(Some)
        });
        folders.collect()
    }

    fn sheet(&self, requests: &[Request]) -> anyhow::Result<Option<SheetFile>> {
        let (Some(path), Some(first)) = (&self.sheet, requests.first()) else {
            return Ok(None);
        };
        let canvas = first.input.spec().canvas;
        let counts = [requests.len(), first.input.outputs()];
        SheetFile::new(path, canvas, counts, self.png_scale).map(Some)
    }
}

/// What is added to the names of files for each drawing of a prompt.
fn suffixes(request: &Request) -> Vec<String> {
    match request.input.outputs() {
        1 => vec![request.suffix.clone()],
        several => {
            let numbers = 1..=several;
            numbers
                .map(|number| format!("{}-{number}", request.suffix))
                .collect()
        }
    }
}

/// Draws, and reports on standard error. The exit status is 0, or 130 after Ctrl-C and 143 after
/// SIGTERM, which stop the drawing after at most ten steps. A second signal ends the program at once.
///
/// # Errors
/// If an input is not allowed, CLIP cannot be loaded, a number is not finite, or a file cannot be
/// written. The current strokes are written even then.
pub(super) fn run(arguments: &PredictArguments) -> anyhow::Result<ExitCode> {
    ensure!(
        arguments.prompts.as_deref() != Some("-") || arguments.json.as_deref() != Some("-"),
        "--prompts and --json cannot both be standard input"
    );
    let started = Instant::now();
    let values = read_inputs(arguments.json.as_deref(), &arguments.inputs)?;
    let requests = with_links(requests(arguments.prompts.as_deref(), &values)?)?;
    let outputs = requests.iter().map(|request| arguments.files(request));
    let outputs = outputs.collect::<anyhow::Result<Vec<_>>>()?;
    let sheet = arguments.sheet(&requests)?;
    let frames = requests
        .iter()
        .map(|request| arguments.frame_folders(request));
    let frames = frames.collect::<anyhow::Result<Vec<_>>>()?;
    arguments.compute.set_threads()?;
    let LoadedModel {
        clip,
        provenance,
        warnings,
        graphs,
    } = arguments.compute.load_model()?;
    for request in &requests {
        request.input.check_tokens(clip.token_limit())?;
    }
    for folder in frames.iter().flatten().flatten() {
        folder.clear()?;
    }
    // Until here a signal ends the program at once, because there is no drawing to write.
    let signal = signals::watch(SigtermPolicy::Stop)?;
    let mut series = Series {
        arguments,
        provenance: &provenance,
        warnings,
        stepper: Stepper::new(clip, graphs)?,
        signal,
        sheet,
        started,
    };
    let files = outputs.into_iter().zip(frames);
    let drawn = requests.iter().zip(files).try_fold(None, |stopped, next| {
        let (request, (outputs, frames)) = next;
        let files = outputs.into_iter().zip(frames);
        let files = files.map(|(outputs, frames)| DrawingFiles { outputs, frames });
        match stopped {
            None => series.draw(&request.input, files.collect()),
            // The prompts after a signal are not drawn.
            Some(signal) => Ok(Some(signal)),
        }
    });
    if let Some(sheet) = &series.sheet {
        sheet.write()?;
    }
    Ok(drawn?.map_or(ExitCode::SUCCESS, |signal| signal.exit_status().into()))
}

/// The drawings of one prompt after the other, with one model.
struct Series<'a> {
    arguments: &'a PredictArguments,
    provenance: &'a Provenance,
    /// Warnings about the model, which are printed once.
    warnings: Vec<String>,
    stepper: Stepper<Clip>,
    signal: oneshot::Receiver<StopSignal>,
    sheet: Option<SheetFile>,
    /// When the program was started, or the drawings before were finished.
    started: Instant,
}

impl Series<'_> {
    /// Makes the drawings of one prompt. Returns the signal that stopped them.
    fn draw(
        &mut self,
        input: &Input,
        files: Vec<DrawingFiles>,
    ) -> anyhow::Result<Option<StopSignal>> {
        let clip = self.stepper.clip();
        let count = input.outputs();
        let report = ProgressReporter::new(input.spec().steps, count, self.arguments.quiet);
        report.print(&opening_line(input.spec(), count, self.provenance));
        for note in input.prompt_notes(clip.token_limit()) {
            report.print(&format!("note: {note}"));
        }
        for warning in self.warnings.drain(..) {
            report.print(&format!("warning: {warning}"));
        }
        let mut drawings = Drawing::start_several(clip, input.spec().clone(), count)?;
        let mut run = Run {
            input,
            provenance: self.provenance,
            png_scale: self.arguments.png_scale,
            files,
            report: &report,
        };
        let stopped = run.draw(&self.stepper, &mut drawings, &mut self.signal);
        for (output, drawing) in drawings.iter().enumerate() {
            let svg = run.finish(output, drawing)?;
            if let Some(sheet) = &mut self.sheet {
                sheet.add(svg);
            }
        }
        report.finish();
        for (output, drawing) in drawings.iter().enumerate() {
            report.print(&run.summary(output, drawing, self.started));
        }
        self.started = Instant::now();
        stopped
    }
}

/// Requests with the files that they refer to by their address. All of them have the same.
fn with_links(mut requests: Vec<Request>) -> anyhow::Result<Vec<Request>> {
    let links = requests
        .first()
        .map_or_else(Vec::new, |request| request.input.links());
    if links.is_empty() {
        return Ok(requests);
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
    for request in &mut requests {
        request.input = request.input.with_files(files.iter().cloned())?;
    }
    Ok(requests)
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
