//! Lines of the log that clients read progress from.
//!
//! The clients look for the last line that a progress bar of `tqdm` could have written, such as
//! ` 33%|###3      | 10/30 [00:02<00:04,  5.00it/s]`. Cog's log has a line for people, `step 10/30  5.0 steps/s  loss ...`;
//! each is followed by a bar here.

use std::borrow::Cow;

use crate::output::StepReport;

/// The number of characters of a bar.
const WIDTH: usize = 10;

/// A log, or a part of it, with a progress bar after each line about a step.
pub fn with_progress(log: &str) -> Cow<'_, str> {
    if !log.lines().any(|line| StepReport::of_line(line).is_some()) {
        return log.into();
    }
    let mut text = String::with_capacity(log.len() * 2);
    for line in log.split_inclusive('\n') {
        text.push_str(line);
        if let Some(report) = StepReport::of_line(line) {
            if !line.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&bar(&report));
            text.push('\n');
        }
    }
    text.into()
}

/// A line as `tqdm` writes it.
fn bar(report: &StepReport) -> String {
    let StepReport {
        step,
        steps,
        steps_per_second,
    } = *report;
    let done = step.min(steps);
    let percent = (done * 100).checked_div(steps).unwrap_or(100);
    let tenths = (done * WIDTH * 10).checked_div(steps).unwrap_or(WIDTH * 10);
    let mut blocks = "#".repeat(tenths / 10);
    if tenths % 10 > 0 {
        blocks.push_str(&(tenths % 10).to_string());
    }
    let (passed, left, rate) = if steps_per_second > 0.0 && steps_per_second.is_finite() {
        let passed = done as f64 / steps_per_second;
        let left = (steps - done) as f64 / steps_per_second;
        (
            clock(passed),
            clock(left),
            format!("{steps_per_second:5.2}"),
        )
    } else {
        (clock(0.0), "?".to_owned(), "?".to_owned())
    };
    format!("{percent:3}%|{blocks:<WIDTH$}| {done}/{steps} [{passed}<{left}, {rate}it/s]")
}

/// Minutes and seconds, and hours if there are any.
fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    match minutes / 60 {
        0 => format!("{minutes:02}:{seconds:02}"),
        hours => format!("{hours}:{:02}:{seconds:02}", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_about_a_step_is_followed_by_a_bar() {
        let log = "drawing `a fox` with 2 strokes\nstep 0/30  0.0 steps/s  loss 1\nstep 10/30  5.0 steps/s  loss 0.5\n";
        let expected = "drawing `a fox` with 2 strokes\n\
            step 0/30  0.0 steps/s  loss 1\n  0%|          | 0/30 [00:00<?, ?it/s]\n\
            step 10/30  5.0 steps/s  loss 0.5\n 33%|###3      | 10/30 [00:02<00:04,  5.00it/s]\n";
        assert_eq!(with_progress(log), expected);
    }

    #[test]
    fn a_log_without_steps_stays_as_it_is() {
        for log in [
            "",
            "\n",
            "drawing `step 1/2` with 2 strokes",
            "webhook: 413\n",
        ] {
            assert!(matches!(with_progress(log), Cow::Borrowed(same) if same == log));
        }
    }

    #[test]
    fn the_last_step_has_a_full_bar_and_long_drawings_have_hours() {
        let line = "drawing 2/3  step 7200/7200  1.0 steps/s  loss 0\n";
        let text = with_progress(line);
        let bar = text.lines().nth(1).unwrap();
        assert_eq!(bar, "100%|##########| 7200/7200 [2:00:00<00:00,  1.00it/s]");
    }
}
