//! The result of the checks, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::settings::Group;
use crate::compute::cuda::CudaProperties;
use crate::plural::counted;

/// Everything that was checked and measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Where the checks ran.
    pub machine: Machine,
    /// The weights of CLIP: `embedded`, or a path.
    pub weights: String,
    /// The precision of CLIP in whole drawings.
    pub precision: String,
    /// The precision that `auto` selects on this device.
    pub auto_precision: String,
    /// The number of steps of a drawing.
    pub steps: usize,
    /// The seed.
    pub seed: u64,
    /// One for each check, in the order in which they ran.
    pub findings: Vec<Finding>,
}

/// Where the checks ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The version of this program.
    pub program: String,
    /// libtorch's version and what it was built with.
    pub libtorch: String,
    /// NVIDIA's driver and compiler, or why CUDA cannot be used.
    pub cuda: String,
    /// The device as a user names it.
    pub device: String,
    /// The properties of a CUDA device.
    pub properties: Option<CudaProperties>,
    /// Processor cores that the program may use.
    pub cores: usize,
}

/// One check and its result.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// The group it belongs to.
    pub group: Group,
    /// What was checked, in a few words.
    pub check: String,
    /// Its outcome.
    pub outcome: Outcome,
    /// What was found, for people.
    pub figure: String,
    /// The same as numbers; their names contain the unit.
    pub values: BTreeMap<&'static str, f64>,
}

/// The outcome of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Not as it should be, or the check could not be finished.
    Failed,
    /// A measurement that has no limit.
    Measured,
}

impl Report {
    /// Whether no check failed.
    pub fn passed(&self) -> bool {
        let mut outcomes = self.findings.iter().map(|finding| finding.outcome);
        outcomes.all(|outcome| outcome != Outcome::Failed)
    }

    /// What comes before the rows in Markdown: the machine, and the head of the table.
    pub fn heading(&self) -> String {
        let machine = &self.machine;
        let properties = machine.properties.as_ref().map(|properties| {
            format!(
                " ({}, compute capability {}, {:.1} GB, {} multiprocessors at {} MHz)",
                properties.name,
                properties.compute_capability,
                properties.memory_bytes as f64 / 1e9,
                properties.multiprocessors,
                properties.clock_mhz,
            )
        });
        format!(
            "- clipdraw {}, {}\n- {}\n- device {}{}, {}\n- weights {}, precision {} (auto is {})\n- {}, seed \
             {}\n\n| group | check | result | figure |\n|---|---|---|---|",
            machine.program,
            machine.libtorch,
            machine.cuda,
            machine.device,
            properties.unwrap_or_default(),
            counted(machine.cores, "core", "cores"),
            self.weights,
            self.precision,
            self.auto_precision,
            counted(self.steps, "step", "steps"),
            self.seed,
        )
    }
}

impl fmt::Display for Report {
    /// Markdown.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{}", self.heading())?;
        for finding in &self.findings {
            writeln!(out, "{finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    /// A row of a table in Markdown.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cell = |text: &str| text.replace('|', "\\|").replace(['\n', '\r'], " ");
        let (check, figure) = (cell(&self.check), cell(&self.figure));
        write!(
            out,
            "| {} | {check} | {} | {figure} |",
            self.group, self.outcome
        )
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "**failed**",
            Self::Measured => "measured",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(outcome: Outcome) -> Finding {
        Finding {
            group: Group::Clip,
            check: "a | b".to_owned(),
            outcome,
            figure: "two\nlines".to_owned(),
            values: BTreeMap::from([("cosine", 0.5)]),
        }
    }

    fn report(outcomes: &[Outcome]) -> Report {
        Report {
            machine: Machine {
                program: "1".to_owned(),
                libtorch: "libtorch 2".to_owned(),
                cuda: "no CUDA".to_owned(),
                device: "cpu".to_owned(),
                properties: None,
                cores: 2,
            },
            weights: "embedded".to_owned(),
            precision: "fp32".to_owned(),
            auto_precision: "fp32".to_owned(),
            steps: 3,
            seed: 4,
            findings: outcomes.iter().copied().map(finding).collect(),
        }
    }

    #[test]
    fn one_failed_check_fails_the_report() {
        use Outcome::{Failed, Measured, Passed};
        assert!(report(&[]).passed());
        assert!(report(&[Passed, Measured]).passed());
        assert!(!report(&[Passed, Failed, Measured]).passed());
    }

    #[test]
    fn each_finding_is_a_row_whatever_its_text_contains() {
        let text = report(&[Outcome::Failed]).to_string();
        let rows: Vec<_> = text
            .lines()
            .filter(|line| line.starts_with("| clip"))
            .collect();
        assert_eq!(rows, ["| clip | a \\| b | **failed** | two lines |"]);
        assert!(text.contains("- device cpu, 2 cores\n"), "{text}");
    }

    #[test]
    fn properties_of_the_device_are_in_the_heading() {
        let mut report = report(&[]);
        report.machine.properties = Some(CudaProperties {
            name: "T4".to_owned(),
            compute_capability: "7.5".to_owned(),
            memory_bytes: 15_800_000_000,
            free_bytes: 1,
            multiprocessors: 40,
            clock_mhz: 1590,
        });
        let expected = "- device cpu (T4, compute capability 7.5, 15.8 GB, 40 multiprocessors at 1590 MHz), 2 cores\n";
        assert!(report.heading().contains(expected));
    }

    #[test]
    fn numbers_are_in_the_json() {
        let json = serde_json::to_value(report(&[Outcome::Measured])).unwrap();
        assert_eq!(json["findings"][0]["values"]["cosine"], 0.5);
        assert_eq!(json["findings"][0]["outcome"], "measured");
    }
}
