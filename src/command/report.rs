//! What a person sees while a drawing is made: a bar on a terminal, lines elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::draw::Progress;
use crate::output::{loss_line, step_line};

/// Shows the progress of one drawing on standard error.
#[derive(Debug)]
pub struct Report {
    surface: Surface,
    steps: usize,
    started: Instant,
}

#[derive(Debug)]
enum Surface {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

const BAR: &str = "{bar:10.cyan/dim} {pos}/{len} steps  {per_sec}  {eta} left  {wide_msg}";

impl Report {
    /// Starts a report on `steps` steps; a quiet one shows nothing.
    pub fn new(steps: usize, quiet: bool) -> Self {
        let surface = if quiet {
            Surface::Nothing
        } else if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template(BAR).expect("the template is well formed");
            Surface::Bar(ProgressBar::new(steps as u64).with_style(style))
        } else {
            Surface::Lines
        };
        Self {
            surface,
            steps,
            started: Instant::now(),
        }
    }

    /// Shows a sentence.
    pub fn say(&self, sentence: &str) {
        match &self.surface {
            Surface::Bar(bar) => bar.suspend(|| print(sentence)),
            Surface::Lines => print(sentence),
            Surface::Nothing => {}
        }
    }

    /// Shows a step: always in a bar, as a line only when it has a frame.
    pub fn show(&self, progress: &Progress) {
        match &self.surface {
            Surface::Bar(bar) => {
                bar.set_position(progress.step as u64);
                bar.set_message(loss_line(&progress.losses));
            }
            Surface::Lines if progress.frame.is_some() => print(&step_line(
                progress.step,
                self.steps,
                self.steps_per_second(progress.step),
                &progress.losses,
            )),
            Surface::Lines | Surface::Nothing => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Surface::Bar(bar) = &self.surface {
            bar.finish_and_clear();
        }
    }

    /// The mean speed since the start of the report.
    pub fn steps_per_second(&self, steps: usize) -> f64 {
        steps as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
    }
}

fn print(line: &str) {
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}
