//! `clipdraw plot`: prepares a drawing for a pen plotter.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::{Args, ValueEnum};

use super::atomic_file::write_file;
use super::standard_output::standard_output;
use crate::plot::{
    GcodeOptions, Opacity, Page, PaperSize, Pens, Plot, PlotFormat, PlotOptions, Speeds,
    write_gcode, write_hpgl, write_plot_svg,
};
use crate::plural::counted;

/// The maximum size of the drawing's file in bytes.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// `clipdraw plot`.
#[derive(Debug, Args)]
pub(super) struct PlotArguments {
    /// The drawing: any SVG file, or - for standard input.
    #[arg(value_name = "SVG|-")]
    drawing: PathBuf,
    /// Where to write the plot; the extension selects the format: .svg with a layer for each pen, .gcode (or .nc,
    /// .ngc), .hpgl (or .plt). - means an SVG on standard output.
    #[arg(short = 'o', long, value_name = "FILE")]
    output: PathBuf,
    /// The paper: a2 to a6, letter, legal, tabloid, executive, or `WIDTHxHEIGHT` in millimetres.
    #[arg(long, default_value = "a4", value_name = "SIZE")]
    paper: PaperSize,
    /// Put the longer side of the paper at the bottom.
    #[arg(long)]
    landscape: bool,
    /// The margin on all four sides, in millimetres.
    #[arg(long, default_value_t = 15.0, value_name = "MM")]
    margin: f64,
    /// The pens, separated by commas, in the order in which they draw: black, #c02020 or brick=#c02020. Each stroke is
    /// drawn by the pen whose colour looks most like its own.
    #[arg(long, default_value = "black", value_name = "PENS")]
    pens: Pens,
    /// The width of a pen's line, in millimetres.
    #[arg(long, default_value_t = 0.3, value_name = "MM")]
    pen_width: f64,
    /// What happens to opacity. drop: every stroke is a line along its middle, every area an outline. hatch: areas, and
    /// strokes that are not opaque, are hatched, the denser the more opaque.
    #[arg(long, default_value = "drop")]
    opacity: OpacityArgument,
    /// Draw in the order of the strokes, instead of one with little travel.
    #[arg(long)]
    keep_order: bool,
    /// The speed with the pen down, in millimetres a second (G-code and HPGL).
    #[arg(long, default_value_t = 30.0, value_name = "MM/S")]
    draw_speed: f64,
    /// The speed with the pen lifted, in millimetres a second (G-code).
    #[arg(long, default_value_t = 80.0, value_name = "MM/S")]
    travel_speed: f64,
    /// The G-code that lifts the pen.
    #[arg(long, default_value = "G0 Z5", value_name = "GCODE")]
    pen_up: String,
    /// The G-code that puts the pen down.
    #[arg(long, default_value = "G1 Z0 F1000", value_name = "GCODE")]
    pen_down: String,
    /// Print only errors.
    #[arg(short, long)]
    quiet: bool,
}

/// What happens to opacity.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum OpacityArgument {
    Drop,
    Hatch,
}

/// Prepares the drawing and reports on standard error.
///
/// # Errors
/// If an argument is not allowed, the drawing cannot be read, or the plot cannot be written.
pub(super) fn run(arguments: &PlotArguments) -> anyhow::Result<ExitCode> {
    let to_stdout = arguments.output == Path::new("-");
    let extension = arguments.output.extension().and_then(OsStr::to_str);
    let format = if to_stdout {
        PlotFormat::Svg
    } else {
        let format = extension.unwrap_or_default().parse();
        format.with_context(|| format!("--output {}", arguments.output.display()))?
    };
    let options = arguments.options()?;
    let speeds = arguments.speeds()?;
    let name = arguments.drawing.display();
    ensure!(
        to_stdout || !is_same_file(&arguments.drawing, &arguments.output),
        "--output {} is the drawing itself; give the plot another name",
        arguments.output.display()
    );
    let drawing = read(&arguments.drawing).with_context(|| format!("{name} cannot be read"))?;
    let plot = Plot::new(&drawing, &options).with_context(|| name.to_string())?;
    let text = match format {
        PlotFormat::Svg => write_plot_svg(&plot),
        PlotFormat::Gcode => {
            let options = GcodeOptions {
                speeds,
                pen_up: arguments.pen_up.clone(),
                pen_down: arguments.pen_down.clone(),
            };
            write_gcode(&plot, &options)
        }
        PlotFormat::Hpgl => write_hpgl(&plot, speeds),
    };
    if to_stdout {
        let mut out = standard_output();
        out.write_all(text.as_bytes()).and_then(|()| out.flush())
    } else {
        write_file(&arguments.output, text.as_bytes())
    }
    .with_context(|| format!("{} cannot be written", arguments.output.display()))?;
    if !arguments.quiet {
        report(&plot, speeds)?;
    }
    Ok(ExitCode::SUCCESS)
}

impl PlotArguments {
    fn options(&self) -> anyhow::Result<PlotOptions> {
        ensure!(
            (0.01..=100.0).contains(&self.pen_width),
            "--pen-width {} is not possible; it must be 0.01 to 100 mm",
            self.pen_width
        );
        Ok(PlotOptions {
            page: Page::new(self.paper, self.landscape, self.margin).context("--margin")?,
            pens: self.pens.clone(),
            pen_width: self.pen_width,
            opacity: match self.opacity {
                OpacityArgument::Drop => Opacity::Drop,
                OpacityArgument::Hatch => Opacity::Hatch,
            },
            keep_order: self.keep_order,
        })
    }

    fn speeds(&self) -> anyhow::Result<Speeds> {
        for (name, speed) in [
            ("draw-speed", self.draw_speed),
            ("travel-speed", self.travel_speed),
        ] {
            if !(0.1..=10_000.0).contains(&speed) {
                bail!("--{name} {speed} is not possible; it must be 0.1 to 10000 mm/s");
            }
        }
        Ok(Speeds {
            draw: self.draw_speed,
            travel: self.travel_speed,
        })
    }
}

/// Whether two paths lead to the same file, which exists.
fn is_same_file(first: &Path, second: &Path) -> bool {
    let paths = [first, second].map(Path::canonicalize);
    matches!(&paths, [Ok(first), Ok(second)] if first == second)
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut limited: Box<dyn Read> = if path == Path::new("-") {
        Box::new(io::stdin().take(MAX_FILE_BYTES + 1))
    } else {
        Box::new(std::fs::File::open(path)?.take(MAX_FILE_BYTES + 1))
    };
    limited.read_to_string(&mut text).map_err(|error| {
        if error.kind() == io::ErrorKind::InvalidData {
            io::Error::new(
                error.kind(),
                "it is not an SVG, because it is not text in UTF-8",
            )
        } else {
            error
        }
    })?;
    if text.len() as u64 > MAX_FILE_BYTES {
        let message = format!("it is larger than {MAX_FILE_BYTES} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

fn report(plot: &Plot, speeds: Speeds) -> io::Result<()> {
    let mut out = io::stderr().lock();
    for note in &plot.notes {
        writeln!(out, "note: {note}")?;
    }
    for layer in &plot.layers {
        let (number, pen) = (layer.number, &layer.pen);
        let lines = counted(layer.lines.len(), "line", "lines");
        writeln!(out, "layer {number}-{}: {lines} in {}", pen.name, pen.color)?;
    }
    let report = plot.report;
    let meters = |millimeters: f64| millimeters / 1000.0;
    let seconds = report.drawn / speeds.draw + report.travel_after / speeds.travel;
    writeln!(
        out,
        "{}, {} left out; {:.2} m to draw; {:.2} m of travel in the order of the strokes, {:.2} m in that of the plot; about {:.0} min without the time to lift the pen",
        counted(report.lines, "line", "lines"),
        counted(report.duplicates, "duplicate", "duplicates"),
        meters(report.drawn),
        meters(report.travel_before),
        meters(report.travel_after),
        (seconds / 60.0).ceil(),
    )
}
