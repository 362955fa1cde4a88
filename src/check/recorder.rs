//! Runs checks and records what they find.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tch::TchError;
use thiserror::Error;

use super::report::{Finding, Outcome, Report};
use super::settings::{CheckSettings, Group};
use crate::clip::{Clip, ClipError};
use crate::compute::cuda::CudaError;
use crate::draw::DrawError;
use crate::errors::{chain, panic_message};
use crate::render::RenderError;

/// Why a check could not be finished.
#[derive(Debug, Error)]
pub(super) enum CheckError {
    /// CLIP failed.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// A renderer failed.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A drawing failed.
    #[error(transparent)]
    Draw(#[from] DrawError),
    /// libtorch failed.
    #[error("libtorch failed")]
    Torch(#[from] TchError),
    /// CUDA failed.
    #[error(transparent)]
    Cuda(#[from] CudaError),
    /// Something panicked.
    #[error("panicked: {0}")]
    Panicked(String),
}

/// The result of a check.
#[derive(Debug)]
pub(super) struct Measurement {
    outcome: Outcome,
    figure: String,
    values: BTreeMap<&'static str, f64>,
}

impl Measurement {
    /// The result of a check with a limit.
    pub(super) fn passed_if(passed: bool, figure: impl Into<String>) -> Self {
        let outcome = if passed {
            Outcome::Passed
        } else {
            Outcome::Failed
        };
        Self::new(outcome, figure.into())
    }

    /// A result without a limit.
    pub(super) fn without_limit(figure: impl Into<String>) -> Self {
        Self::new(Outcome::Measured, figure.into())
    }

    fn new(outcome: Outcome, figure: String) -> Self {
        Self {
            outcome,
            figure,
            values: BTreeMap::new(),
        }
    }

    /// Adds the cosines of points, half widths and colors.
    pub(super) fn with_stroke_cosines(self, [points, widths, colors]: [f64; 3]) -> Self {
        self.with("points_cosine", points)
            .with("half_widths_cosine", widths)
            .with("colors_cosine", colors)
    }

    /// Adds a number.
    pub(super) fn with(mut self, name: &'static str, value: f64) -> Self {
        self.values.insert(name, value);
        self
    }
}

/// Collects findings, and shows the report to an observer after each.
pub(super) struct Recorder<'a> {
    report: Report,
    group: Group,
    observer: &'a mut dyn FnMut(&Report),
}

impl<'a> Recorder<'a> {
    /// A recorder that adds to a report.
    pub(super) fn new(report: Report, observer: &'a mut dyn FnMut(&Report)) -> Self {
        Self {
            report,
            group: Group::Renderer,
            observer,
        }
    }

    /// What is recorded from now on belongs to this group.
    pub(super) fn enter(&mut self, group: Group) {
        self.group = group;
    }

    /// Runs a check and records its result. An error or a panic is a failure.
    pub(super) fn check(
        &mut self,
        name: impl Into<String>,
        work: impl FnOnce() -> Result<Measurement, CheckError>,
    ) {
        let name = name.into();
        if let Some(measurement) = self.attempt(&name, work) {
            self.record(name, measurement);
        }
    }

    /// Runs something that checks need, and returns its result. An error or a panic is recorded as a failure.
    pub(super) fn attempt<T>(
        &mut self,
        name: impl Into<String>,
        work: impl FnOnce() -> Result<T, CheckError>,
    ) -> Option<T> {
        let result = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|panic| Err(CheckError::Panicked(panic_message(&*panic).to_owned())));
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.record(name, Measurement::passed_if(false, chain(&error)));
                None
            }
        }
    }

    /// Loads CLIP as the settings say.
    pub(super) fn load(&mut self, settings: &CheckSettings) -> Option<Clip> {
        self.attempt("loading CLIP", || {
            Ok(settings.load_checked(settings.precision)?)
        })
    }

    /// Records a result.
    pub(super) fn record(&mut self, name: impl Into<String>, measurement: Measurement) {
        self.report.findings.push(Finding {
            group: self.group,
            check: name.into(),
            outcome: measurement.outcome,
            figure: measurement.figure,
            values: measurement.values,
        });
        (self.observer)(&self.report);
    }

    /// The report with everything that was recorded.
    pub(super) fn into_report(self) -> Report {
        self.report
    }
}
