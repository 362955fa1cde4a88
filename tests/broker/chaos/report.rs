//! What clients and receivers have seen, compared with what the front ends say in the end.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tokio::time::sleep;

use super::client::{FrontEnds, Mode, Seen};
use super::receiver::{self, Receiver};
use super::reference::Events;

/// How long the last webhooks may take: their receiver refuses every fifth.
const WEBHOOKS: Duration = Duration::from_secs(40);

/// The result of a test.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// What must not happen, one line each.
    pub(super) problems: Vec<String>,
    pub(super) accepted: usize,
    /// Predictions whose workers were lost three times.
    pub(super) failed: usize,
    statuses: BTreeMap<String, usize>,
    events: u64,
    webhooks: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} accepted, {:?}, {} events compared, {} predictions with webhooks, {} problems",
            self.accepted,
            self.statuses,
            self.events,
            self.webhooks,
            self.problems.len()
        )
    }
}

impl Report {
    pub(super) async fn check(
        front_ends: &FrontEnds,
        receiver: &Receiver,
        references: &[Events],
        seen: Vec<Seen>,
    ) -> Self {
        let mut report = Self::default();
        let mut ends = BTreeMap::new();
        for one in seen {
            if let Some(status) = report.check_one(front_ends, references, &one).await {
                ends.insert(one.id, (status, one.has_webhook));
            }
        }
        report.check_webhooks(receiver, &ends).await;
        report
    }

    fn problem(&mut self, seen: &Seen, text: &str) {
        self.problems
            .push(format!("{} ({:?}): {text}", seen.id, seen.mode));
    }

    /// Checks one prediction and returns its final status, if it was accepted.
    async fn check_one(
        &mut self,
        front_ends: &FrontEnds,
        references: &[Events],
        seen: &Seen,
    ) -> Option<String> {
        for error in &seen.errors {
            self.problem(seen, error);
        }
        let variant: usize = seen.id.split_once('-')?.1.parse().unwrap();
        let reference = &references[variant];
        for difference in seen.events.differences(reference) {
            self.problem(seen, &difference);
        }
        let statuses = front_ends.statuses(&seen.id).await;
        if !seen.accepted && statuses.iter().all(|status| *status == 404) {
            return None;
        }
        self.accepted += 1;
        let status = statuses[0].as_str().unwrap_or_default().to_owned();
        if statuses.iter().any(|other| other != &statuses[0]) || !is_final(&statuses[0]) {
            self.problem(seen, &format!("the front ends say {statuses:?}"));
            return None;
        }
        for said in [seen.events.status(), seen.status.as_deref()]
            .into_iter()
            .flatten()
        {
            if said != status {
                self.problem(seen, &format!("it ended as {said} and as {status}"));
            }
        }
        self.check_replay(front_ends, reference, seen, &status)
            .await;
        self.check_status(seen, &status);
        *self.statuses.entry(status.clone()).or_default() += 1;
        Some(status)
    }

    /// Reads all events again, from another front end, and compares them with those that the client had received.
    async fn check_replay(
        &mut self,
        front_ends: &FrontEnds,
        reference: &Events,
        seen: &Seen,
        status: &str,
    ) {
        let mut again = Seen {
            id: seen.id.clone(),
            mode: seen.mode,
            accepted: true,
            has_webhook: seen.has_webhook,
            events: Events::default(),
            status: None,
            errors: Vec::new(),
        };
        let mut random = ChaCha8Rng::seed_from_u64(seen.events.last());
        let path = format!("/predictions/{}", seen.id);
        front_ends.follow(&mut random, &path, &mut again).await;
        for error in &again.errors {
            self.problem(seen, &format!("read again: {error}"));
        }
        for difference in again.events.differences(reference) {
            self.problem(seen, &format!("read again: {difference}"));
        }
        if again.events.status() != Some(status) {
            self.problem(
                seen,
                &format!("read again, it ended as {:?}", again.events.status()),
            );
        }
        if let Some(difference) = seen.events.differs_from(&again.events) {
            self.problem(seen, &difference);
        }
        self.events += again.events.last();
        if status == "failed" {
            self.failed += 1;
            let line = again.events.last_line();
            if !line.contains("3 workers were lost") {
                self.problem(seen, &format!("it failed: {line}"));
            }
        }
    }

    /// Only those whose clients were lost or wanted it are cancelled.
    fn check_status(&mut self, seen: &Seen, status: &str) {
        if status == "canceled" && matches!(seen.mode, Mode::Follow | Mode::Poll) {
            self.problem(seen, "it was cancelled, and nobody wanted that");
        }
    }

    async fn check_webhooks(
        &mut self,
        receiver: &Receiver,
        ends: &BTreeMap<String, (String, bool)>,
    ) {
        let began = Instant::now();
        loop {
            let messages = receiver.messages().await;
            let mut problems = Vec::new();
            for (id, (status, has_webhook)) in ends {
                let of_prediction = messages.get(id).map_or(&[][..], Vec::as_slice);
                let found = if *has_webhook {
                    receiver::problems(of_prediction, status)
                } else {
                    Vec::new()
                };
                problems.extend(found.into_iter().map(|problem| format!("{id}: {problem}")));
            }
            for id in messages.keys().filter(|id| !ends.contains_key(*id)) {
                problems.push(format!(
                    "{id}: webhooks about a prediction that is not there"
                ));
            }
            self.webhooks = messages.len();
            if problems.is_empty() || began.elapsed() > WEBHOOKS {
                self.problems.extend(problems);
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
    }
}

fn is_final(status: &Value) -> bool {
    ["succeeded", "failed", "canceled"]
        .iter()
        .any(|known| status == known)
}
