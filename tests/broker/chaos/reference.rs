//! What a drawing is without failures, and the comparison with what a client has received.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The number of different drawings that are requested.
pub(super) const VARIANTS: u64 = 4;

/// The inputs of a tiny drawing: 4 strokes, and a frame every second step.
pub(super) fn body(variant: u64) -> Value {
    json!({"input": {
        "prompt": "a house", "num_paths": 4, "num_iterations": 2 + 2 * variant, "seed": 7 + variant,
        "num_augmentations": 1, "display_frequency": 2, "canvas_width": 64, "canvas_height": 64
    }})
}

/// An event without what differs from drawing to drawing: times, speeds, and the id.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fact {
    Start,
    Log(String),
    Metric(String, Value),
    Output(String),
    Completed { status: String },
}

impl Fact {
    /// Reads an event of a stream.
    pub(super) fn read(name: &str, data: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        match name {
            "start" => Self::Start,
            "log" => Self::Log(without_speed(data["data"].as_str().unwrap())),
            "metric" if data["name"] == "steps_per_second" => {
                Self::Metric(text(&data["name"]), Value::Null)
            }
            "metric" => Self::Metric(text(&data["name"]), data["value"].clone()),
            "output" => Self::Output(text(&data["chunk"])),
            "completed" => Self::Completed {
                status: text(&data["status"]),
            },
            _ => panic!("unexpected event {name}: {data}"),
        }
    }
}

/// A line of the log without the speed: `step 2/4  9.7 steps/s  loss ...`.
fn without_speed(line: &str) -> String {
    match line.split_once(" steps/s") {
        Some((before, after)) => {
            let before = before.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
            format!("{before}{after}")
        }
        None => line.to_owned(),
    }
}

/// The events of one prediction that a client has received, by number.
#[derive(Debug, Clone, Default)]
pub(super) struct Events {
    received: BTreeMap<u64, Fact>,
}

impl Events {
    /// The number of the last event, or 0.
    pub(super) fn last(&self) -> u64 {
        self.received.keys().next_back().copied().unwrap_or(0)
    }

    /// The final status, if the last event was received.
    pub(super) fn status(&self) -> Option<&str> {
        match self.received.values().next_back() {
            Some(Fact::Completed { status }) => Some(status),
            _ => None,
        }
    }

    /// Adds the next event. It is an error if its number does not follow.
    pub(super) fn push(&mut self, number: u64, fact: Fact) -> Result<(), String> {
        if self.status().is_some() {
            return Err(format!("event {number} after the end: {fact:?}"));
        }
        if number != self.last() + 1 {
            return Err(format!("event {number} after {}", self.last()));
        }
        self.received.insert(number, fact);
        Ok(())
    }

    /// Compares with the events of the same drawing without failures. An unfinished drawing has the first of them.
    /// Further lines of the log are allowed: they say that a worker was lost, or that a webhook was not taken.
    pub(super) fn differences(&self, reference: &Self) -> Vec<String> {
        let mut expected = reference.received.values().peekable();
        let mut differences = Vec::new();
        for (number, fact) in &self.received {
            if expected.peek().is_some_and(|next| *next == fact) {
                expected.next();
                continue;
            }
            match fact {
                Fact::Log(_) => {}
                Fact::Completed { status } if status != "succeeded" => {}
                other => differences.push(format!(
                    "event {number} is {}, not {}",
                    brief(other),
                    expected
                        .peek()
                        .map_or("none".to_owned(), |next| brief(next))
                )),
            }
        }
        if self.status() == Some("succeeded") && expected.peek().is_some() {
            differences.push("events are missing".to_owned());
        }
        differences
    }

    /// The first event that is different in `other`, which has at least as many.
    pub(super) fn differs_from(&self, other: &Self) -> Option<String> {
        let mut events = self.received.iter();
        let (number, fact) =
            events.find(|(number, fact)| other.received.get(number) != Some(fact))?;
        let there = other.received.get(number).map_or("none".to_owned(), brief);
        Some(format!(
            "event {number} was {}, and later {there}",
            brief(fact)
        ))
    }

    /// The final line of the log, for failures.
    pub(super) fn last_line(&self) -> String {
        let mut lines = self.received.values().rev();
        let line = lines.find_map(|fact| match fact {
            Fact::Log(line) => Some(line.clone()),
            _ => None,
        });
        line.unwrap_or_default()
    }
}

fn brief(fact: &Fact) -> String {
    let text = format!("{fact:?}");
    text.chars().take(120).collect()
}
