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
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<Option<Begun>>);

#[derive(Debug)]
struct Begun {
    /// The request that failed first.
    request: String,
    /// When a request failed last.
    failed_at: Instant,
}

impl Outage {
    /// A request has failed for a reason for which the broker cannot be used. Says so unless it was said.
    pub(super) fn failed(&self, request: &str, error: &BrokerError) {
        let mut begun = self.0.lock();
        let failed_at = Instant::now();
        if let Some(begun) = &mut *begun {
            begun.failed_at = failed_at;
        } else {
            warn!(error = chain(error), "the broker cannot be used");
            *begun = Some(Begun {
                request: request.to_owned(),
                failed_at,
            });
        }
    }

    /// A request has succeeded.
    pub(super) fn succeeded(&self, request: &str) {
        let mut begun = self.0.lock();
        let is_over = begun.as_ref().is_some_and(|begun| {
            let quiet = begun.failed_at.elapsed();
            quiet >= LONG_QUIET || (quiet >= QUIET && begun.request == request)
        });
        if is_over {
            info!("the broker can be used again");
            *begun = None;
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
        let lasts = || outage.0.lock().is_some();
        outage.succeeded("publish");
        assert!(!lasts());
        outage.failed("publish", &BrokerError::Timeout);
        advance(QUIET).await;
        outage.succeeded("read");
        assert!(lasts());
        outage.failed("submit", &BrokerError::Timeout);
        outage.succeeded("publish");
        assert!(lasts());
        advance(QUIET).await;
        outage.succeeded("publish");
        assert!(!lasts());
        outage.failed("publish", &BrokerError::Timeout);
        advance(LONG_QUIET).await;
        outage.succeeded("read");
        assert!(!lasts());
    }
}
