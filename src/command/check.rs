//! `clipdraw check`: compares a device with the processor, and measures it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::measured_arithmetic::ArithmeticChoice;
use super::model::{ComputeArguments, ModelChoice};
use super::standard_output::standard_output;
use crate::check::{self, CheckSettings, Group, Report};

/// `clipdraw check`.
#[derive(Debug, Args)]
pub(super) struct CheckArguments {
    /// Number of steps of a drawing.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    steps: u16,
    /// Seed of every random choice.
    #[arg(long, default_value_t = 0, value_name = "N")]
    seed: u64,
    /// Run only this group of checks. Can be given several times. Default: all.
    #[arg(long, value_name = "GROUP")]
    only: Vec<GroupChoice>,
    /// Also write the report as JSON to this file, again after each check.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    compute: ComputeArguments,
}

/// The groups of checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GroupChoice {
    /// Strokes to views and back, against the renderer on the processor.
    Renderer,
    /// CLIP's gradients in each precision, against the processor in fp32.
    Clip,
    /// Whole drawings: the same bytes again, a loss that falls, numbers that are not finite.
    Drawing,
    /// Milliseconds a step.
    Speed,
}

impl From<GroupChoice> for Group {
    fn from(choice: GroupChoice) -> Self {
        match choice {
            GroupChoice::Renderer => Self::Renderer,
            GroupChoice::Clip => Self::Clip,
            GroupChoice::Drawing => Self::Drawing,
            GroupChoice::Speed => Self::Speed,
        }
    }
}

/// Prints a report in Markdown, line by line. The exit status is 1 if a check failed.
///
/// # Errors
/// If the device or the weights are unknown or not on this machine, or the report cannot be written.
pub(super) fn run(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    arguments.compute.set_threads()?;
    arguments.compute.check()?;
    let ModelChoice {
        device,
        choice: ArithmeticChoice { precision, backend },
        weights,
        options,
    } = arguments.compute.choose_model()?;
    let groups: Vec<Group> = arguments.only.iter().copied().map(Into::into).collect();
    let settings = CheckSettings {
        device,
        precision,
        backend: backend.unwrap_or_default(),
        weights,
        options,
        steps: arguments.steps.into(),
        seed: arguments.seed,
        groups: if groups.is_empty() {
            Group::ALL.to_vec()
        } else {
            groups
        },
    };
    let mut written = Ok(());
    let report = check::run(&settings, &mut |report| {
        if written.is_ok() {
            written = write(report, arguments.json.as_deref());
        }
    });
    written?;
    Ok(status(&report))
}

/// Prints the newest finding, after the heading if it is the first, and writes the JSON.
fn write(report: &Report, json: Option<&Path>) -> anyhow::Result<()> {
    let mut out = standard_output();
    if let [_] = &report.findings[..] {
        writeln!(out, "{}", report.heading())?;
    }
    if let Some(finding) = report.findings.last() {
        writeln!(out, "{finding}")?;
    }
    out.flush()?;
    if let Some(file) = json {
        let text = serde_json::to_vec_pretty(report)?;
        fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(())
}

/// The exit status for a report.
fn status(report: &Report) -> ExitCode {
    if report.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
