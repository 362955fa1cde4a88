//! What a person sees while a drawing is made: a bar on a terminal, lines elsewhere.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use crate::draw::{Losses, Progress};

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
            Surface::Lines if progress.frame.is_some() => print(&format!(
                "step {}/{}  {:.1} steps/s  {}",
                progress.step,
                self.steps,
                self.steps_per_second(progress.step),
                loss_line(&progress.losses)
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

/// The loss split into its terms, as in `loss -0.82 = clip -0.85 + centre 0.03`.
pub fn loss_line(losses: &Losses) -> String {
    let terms: Vec<String> = match losses.prompts.as_slice() {
        [only] => vec![format!("clip {:.4}", only.loss)],
        several => several
            .iter()
            .map(|term| format!("clip `{}` {:.4}", legible(&term.prompt.text), term.loss))
            .collect(),
    };
    format!(
        "loss {:.4} = {} + centre {:.4}",
        losses.total(),
        terms.join(" + "),
        losses.centre
    )
}

/// The most characters of a prompt that a line of a report shows.
const LONGEST_TEXT: usize = 60;

/// A text on one line: cut if it is long, without characters that a terminal would obey.
pub fn legible(text: &str) -> String {
    let shown = |character: char| {
        if character.is_control() {
            ' '
        } else {
            character
        }
    };
    let mut line: String = text.chars().take(LONGEST_TEXT).map(shown).collect();
    if text.chars().nth(LONGEST_TEXT).is_some() {
        line.push('…');
    }
    line
}

fn print(line: &str) {
    // Nobody is left to be told when standard error is closed.
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::{PromptLoss, WeightedPrompt};

    #[test]
    fn the_loss_is_shown_term_by_term() {
        let term = |text: &str, weight: f32, similarity: f64| PromptLoss {
            prompt: WeightedPrompt {
                text: text.to_owned(),
                weight,
            },
            similarity,
            loss: -f64::from(weight) * similarity * 4.0,
        };
        let mut losses = Losses {
            prompts: vec![term("a fox", 1.0, 0.25)],
            centre: 0.03,
        };
        assert_eq!(
            loss_line(&losses),
            "loss -0.9700 = clip -1.0000 + centre 0.0300"
        );
        losses.prompts.push(term("text", -0.5, 0.1));
        assert_eq!(
            loss_line(&losses),
            "loss -0.7700 = clip `a fox` -1.0000 + clip `text` 0.2000 + centre 0.0300"
        );
    }
}
