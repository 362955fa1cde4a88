//! The events of a prediction, in order, and their replay for late subscribers.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::outcome::{Completion, Outcome};
use crate::plural::counted;

/// A change of a prediction. Its whole state is the result of its events.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The prediction got its slot.
    Start {
        /// When.
        started_at: Timestamp,
    },
    /// A line was added to its log.
    Log {
        /// The line with its line break.
        data: Arc<str>,
    },
    /// A metric got a new value.
    Metric {
        /// Its name.
        name: Cow<'static, str>,
        /// Its value, which replaces the previous one.
        value: Value,
    },
    /// A file was stored.
    Output {
        /// Its index among the outputs, from 0.
        index: usize,
        /// Its URL: a data URL, or where it was uploaded to.
        file: Arc<str>,
    },
    /// The status is final; no event follows.
    Completed(Completion),
}

impl Event {
    /// A line of the log, to which the line break is added.
    pub(crate) fn log(line: &str) -> Self {
        Self::Log {
            data: format!("{line}\n").into(),
        }
    }

    /// The last events of a prediction: its error as a line of the log, and the completion.
    pub(crate) fn last(completion: Completion) -> Vec<Self> {
        let error = match &completion.outcome {
            Outcome::Failed(message) => Some(Self::log(message)),
            Outcome::Succeeded | Outcome::Canceled => None,
        };
        error
            .into_iter()
            .chain([Self::Completed(completion)])
            .collect()
    }
}

/// Events that a subscriber requested and that are no longer kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{}", counted(*skipped, "event is no longer kept", "events are no longer kept"))]
pub struct Truncated {
    /// How many are missing.
    pub skipped: u64,
}

/// How far a subscriber may lag behind before it loses events, even where no replay is wanted.
const MIN_KEPT: usize = 1024;

/// The newest events, numbered from 1.
#[derive(Debug)]
pub(super) struct History {
    kept: VecDeque<Event>,
    /// The number of the next event.
    next: u64,
    /// How many events are replayed to a late subscriber.
    replay: usize,
}

impl History {
    pub(super) fn new(replay: usize) -> Self {
        Self {
            kept: VecDeque::new(),
            next: 1,
            replay,
        }
    }

    pub(super) fn push(&mut self, event: Event) {
        if self.kept.len() == self.replay.max(MIN_KEPT) {
            self.kept.pop_front();
        }
        self.kept.push_back(event);
        self.next += 1;
    }

    /// The number of the next event.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    fn oldest(&self) -> u64 {
        self.next - self.kept.len() as u64
    }

    /// The number of the first event for a new subscriber that has seen those up to `after`, or
    /// none. Without any replay configured it is the next event, or [`Event::Completed`] if that
    /// has happened.
    pub(super) fn first_for(&self, after: Option<u64>) -> Result<u64, Truncated> {
        let wanted = after
            .map_or(1, |seen| seen.saturating_add(1))
            .min(self.next);
        if self.replay == 0 && after.is_none() {
            let over = matches!(self.kept.back(), Some(Event::Completed(_)));
            return Ok(self.next - u64::from(over));
        }
        let oldest = self
            .oldest()
            .max(self.next.saturating_sub(self.replay as u64));
        if wanted < oldest {
            return Err(Truncated {
                skipped: oldest - wanted,
            });
        }
        Ok(wanted)
    }

    /// The event with that number; `None` if it has not happened yet.
    pub(super) fn event(&self, number: u64) -> Result<Option<Event>, Truncated> {
        let oldest = self.oldest();
        let Some(index) = number.checked_sub(oldest) else {
            return Err(Truncated {
                skipped: oldest - number,
            });
        };
        Ok(self.kept.get(index as usize).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completed() -> Event {
        Event::Completed(Completion {
            outcome: Outcome::Succeeded,
            completed_at: Timestamp::UNIX_EPOCH,
            predict_time: 1.0,
        })
    }

    fn history(replay: usize, events: usize) -> History {
        let mut history = History::new(replay);
        for index in 0..events {
            history.push(Event::Output {
                index,
                file: "x".into(),
            });
        }
        history
    }

    #[test]
    fn a_late_subscriber_gets_everything_or_learns_how_much_is_missing() {
        let history = history(3, 3);
        assert_eq!(history.first_for(None), Ok(1));
        assert_eq!(history.first_for(Some(2)), Ok(3));
        assert_eq!(history.first_for(Some(3)), Ok(4));
        assert_eq!(history.first_for(Some(u64::MAX)), Ok(4));
        let more = self::history(3, 5);
        assert_eq!(more.first_for(None), Err(Truncated { skipped: 2 }));
        assert_eq!(more.first_for(Some(2)), Ok(3));
    }

    #[test]
    fn without_replay_a_subscriber_begins_with_what_comes_next() {
        let mut history = history(0, 5);
        assert_eq!(history.first_for(None), Ok(6));
        assert_eq!(history.event(6), Ok(None));
        history.push(completed());
        assert_eq!(history.event(6), Ok(Some(completed())));
        assert_eq!(history.first_for(None), Ok(6));
    }

    #[test]
    fn a_subscriber_that_lags_too_far_behind_gets_an_error() {
        let history = history(0, MIN_KEPT + 10);
        assert_eq!(history.event(1), Err(Truncated { skipped: 10 }));
        assert!(history.event(11).unwrap().is_some());
        assert_eq!(history.event(MIN_KEPT as u64 + 11), Ok(None));
    }
}
