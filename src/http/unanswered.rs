//! Predictions whose client has left before it was answered, and may ask once more.
//!
//! Some clients repeat a request whose connection broke, without an idempotency key. The repetition gets the prediction
//! that the first request has started, instead of another one.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long a client may take to repeat a request. Those that do pause for at most a minute.
const REMEMBERED: Duration = Duration::from_mins(2);

/// The maximum number of requests that are remembered.
const MAX_REMEMBERED: usize = 1000;

/// Predictions whose client has left before it was answered, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Unanswered(Mutex<VecDeque<Left>>);

#[derive(Debug)]
struct Left {
    at: Instant,
    /// A digest of the request, which its repetition has too.
    request: String,
    prediction_id: String,
}

impl Unanswered {
    /// Remembers that the client of a request has left.
    pub(super) fn add(&self, request: String, prediction_id: String) {
        let mut all = self.0.lock();
        if all.len() == MAX_REMEMBERED {
            all.pop_front();
        }
        all.push_back(Left {
            at: Instant::now(),
            request,
            prediction_id,
        });
    }

    /// The prediction that the first of these requests has started, which only one repetition gets.
    pub(super) fn take(&self, request: &str) -> Option<String> {
        let mut all = self.0.lock();
        all.retain(|left| left.at.elapsed() < REMEMBERED);
        let place = all.iter().position(|left| left.request == request)?;
        all.remove(place).map(|left| left.prediction_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prediction_is_given_to_one_repetition_of_its_request() {
        let unanswered = Unanswered::default();
        for (request, id) in [("x", "1"), ("y", "2"), ("x", "3")] {
            unanswered.add(request.to_owned(), id.to_owned());
        }
        let taken = ["x", "z", "x", "x", "y"].map(|request| unanswered.take(request));
        let expected = [Some("1"), None, Some("3"), None, Some("2")];
        assert_eq!(taken, expected.map(|id| id.map(str::to_owned)));
    }
}
