//! What the log says of a broker that cannot be used: once when that begins, and once when it is over.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tracing::{info, warn};

use super::error::BrokerError;
use crate::errors::chain;

/// For how long nothing may fail before an outage is over.
const QUIET: Duration = Duration::from_secs(1);

/// After which time without a failure an outage is over even if the request that failed first was not repeated.
const LONG_QUIET: Duration = Duration::from_secs(30);

/// The outage that lasts now. All connections of a process share it.
///
/// While the broker's memory is full, or it has become a replica, some requests fail and others do not. So an outage lasts
/// until the request that failed first has succeeded.
///
/// A connection that was lost in an outage may be used only long after it. That is not another outage: if the broker is away
/// again, the attempt to connect fails as well.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    begun: Option<Begun>,
    /// When the last one was over.
    over_at: Option<Instant>,
}

#[derive(Debug)]
struct Begun {
    /// The request that failed first.
    request: String,
    /// When a request failed last.
    failed_at: Instant,
}

impl Outage {
    /// A request has failed for a reason for which the broker cannot be used. Says so unless it was said. If a connection was
    /// lost, `made_at` tells when it was made.
    pub(super) fn failed(&self, request: &str, error: &BrokerError, made_at: Option<Instant>) {
        let mut state = self.0.lock();
        let failed_at = Instant::now();
        if let Some(begun) = &mut state.begun {
            begun.failed_at = failed_at;
        } else if made_at.is_none() || made_at > state.over_at {
            warn!(error = chain(error), "the broker cannot be used");
            state.begun = Some(Begun {
                request: request.to_owned(),
                failed_at,
            });
        }
    }

    /// A request has succeeded.
    pub(super) fn succeeded(&self, request: &str) {
        let mut state = self.0.lock();
        let is_over = state.begun.as_ref().is_some_and(|begun| {
            let quiet = begun.failed_at.elapsed();
            quiet >= LONG_QUIET || (quiet >= QUIET && begun.request == request)
        });
        if is_over {
            info!("the broker can be used again");
            state.begun = None;
            state.over_at = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_lasts_until_what_failed_first_succeeds_and_nothing_has_failed_for_a_while() {
        let outage = Outage::default();
        let lasts = || outage.0.lock().begun.is_some();
        outage.succeeded("publish");
        assert!(!lasts());
        outage.failed("publish", &BrokerError::Timeout, None);
        advance(QUIET).await;
        outage.succeeded("read");
        assert!(lasts());
        outage.failed("submit", &BrokerError::Timeout, None);
        outage.succeeded("publish");
        assert!(lasts());
        advance(QUIET).await;
        outage.succeeded("publish");
        assert!(!lasts());
        outage.failed("publish", &BrokerError::Timeout, None);
        advance(LONG_QUIET).await;
        outage.succeeded("read");
        assert!(!lasts());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_lost_in_an_outage_is_not_another_one() {
        let outage = Outage::default();
        let lasts = || outage.0.lock().begun.is_some();
        let lost = |made_at| outage.failed("lease", &BrokerError::Timeout, Some(made_at));
        let before = Instant::now();
        lost(before);
        assert!(lasts());
        advance(LONG_QUIET).await;
        outage.succeeded("lease");
        assert!(!lasts());
        lost(before);
        assert!(!lasts());
        advance(QUIET).await;
        lost(Instant::now());
        assert!(lasts());
    }
}
