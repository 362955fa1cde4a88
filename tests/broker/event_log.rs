//! The events of a prediction as a client sees them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};

use reqwest::blocking::Response;
use serde_json::Value;

/// The events that a client has got, by their numbers.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct EventLog(pub(crate) BTreeMap<u64, (String, Value)>);

impl EventLog {
    /// Reads an event stream until it ends, breaks, or has given that many events.
    pub(crate) fn read(&mut self, response: Response, most: usize) {
        let (mut number, mut name, mut count) = (0, String::new(), 0);
        for line in BufReader::new(response).lines() {
            let Ok(line) = line else { return };
            if let Some(text) = line.strip_prefix("id: ") {
                number = text.parse().unwrap();
            } else if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut name);
            } else if let Some(text) = line.strip_prefix("data: ") {
                assert_ne!(name, "error", "{text}");
                let data = serde_json::from_str(text).unwrap();
                let before = self.0.insert(number, (name.clone(), data));
                assert!(before.is_none(), "event {number} came twice");
                count += 1;
                if count == most {
                    return;
                }
            }
        }
    }

    pub(crate) fn last(&self) -> u64 {
        self.0.keys().next_back().copied().unwrap_or_default()
    }

    /// Asserts that the events are complete: numbered from 1 without a gap, with one end, which is the last.
    pub(crate) fn assert_complete(&self) {
        let numbers: Vec<u64> = self.0.keys().copied().collect();
        let expected: Vec<u64> = (1..=self.last()).collect();
        assert_eq!(numbers, expected);
        let ends = self.0.values().filter(|(name, _)| name == "completed");
        assert_eq!(ends.count(), 1);
        assert_eq!(self.0[&self.last()].0, "completed");
    }

    /// The files of the drawing.
    pub(crate) fn files(&self) -> Vec<String> {
        let outputs = self.0.values().filter(|(name, _)| name == "output");
        outputs
            .map(|(_, data)| data["chunk"].as_str().unwrap().to_owned())
            .collect()
    }
}
