//! Progress output on standard error: a bar on a terminal, lines otherwise.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::draw::Step;
use crate::output::{loss_line, step_line};

/// Shows the progress of drawings on standard error.
#[derive(Debug)]
pub(super) struct ProgressReporter {
    display: Display,
    steps: usize,
    started: Instant,
    /// The number of drawings that are drawn together.
    drawings: usize,
}

#[derive(Debug)]
enum Display {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

const BAR: &str = "{bar:10.cyan/dim} {pos}/{len} steps  {per_sec}  {eta} left  {wide_msg}";

impl ProgressReporter {
    /// Starts reporting on drawings of `steps` steps that are drawn together; with `quiet`, nothing is shown.
    pub(super) fn new(steps: usize, drawings: usize, quiet: bool) -> Self {
        let display = if quiet {
            Display::Nothing
        } else if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template(BAR).expect("the template is well formed");
            Display::Bar(ProgressBar::new(steps as u64).with_style(style))
        } else {
            Display::Lines
        };
        Self {
            display,
            steps,
            started: Instant::now(),
            drawings,
        }
    }

    /// Prints a line above the bar.
    pub(super) fn print(&self, line: &str) {
        match &self.display {
            Display::Bar(bar) => bar.suspend(|| print(line)),
            Display::Lines => print(line),
            Display::Nothing => {}
        }
    }

    /// Shows a step of one of the drawings, counted from 0: the bar shows every step, lines only those with a frame.
    pub(super) fn show(&self, drawing: usize, step: &Step) {
        let name = if self.drawings > 1 {
            format!("drawing {}/{}  ", drawing + 1, self.drawings)
        } else {
            String::new()
        };
        match &self.display {
            Display::Bar(bar) => {
                bar.set_position(step.updates() as u64);
                bar.set_message(format!("{name}{}", loss_line(step.losses())));
            }
            Display::Lines if step.frame().is_some() => {
                let line = step_line(
                    step.updates(),
                    self.steps,
                    self.steps_per_second(step.updates()),
                    step.losses(),
                );
                print(&format!("{name}{line}"));
            }
            Display::Lines | Display::Nothing => {}
        }
    }

    /// Removes the bar.
    pub(super) fn finish(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.finish_and_clear();
        }
    }

    /// The mean speed since the reporter was created.
    pub(super) fn steps_per_second(&self, steps: usize) -> f64 {
        steps as f64 / self.started.elapsed().as_secs_f64().max(1e-9)
    }
}

fn print(line: &str) {
    // If standard error is closed, there is nowhere to report that.
    let _ = writeln!(std::io::stderr(), "{line}");
}
