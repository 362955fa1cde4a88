//! Renews the leases of this process, and gives them back.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::held::{Held, Progress, RETRY_PAUSE};
use super::script::{RELEASE, RENEW};
use super::shared::Broker;

/// How long the broker is asked to take a job back.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(3);

/// Whether an attempt to draw a job counts although it has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    Counts,
    DoesNotCount,
}

impl Broker {
    /// Renews all leases of this process.
    pub(super) async fn renew_leases(&self) {
        let held = self.held.all();
        join_all(held.iter().map(|held| self.renew(held))).await;
    }

    async fn renew(&self, held: &Held) {
        if held.is_lost() {
            return;
        }
        let mut arguments = held.arguments();
        arguments.push(self.config.name.clone().into_bytes());
        arguments.push(self.may_look().to_vec());
        match self.call(&RENEW, &arguments).await.and_then(Progress::read) {
            Ok(Progress::GoOn) => {}
            Ok(Progress::Cancel) => held.prediction.cancel(),
            Ok(Progress::Lost | Progress::Missing) => held.lose(),
            // The broker decides about the lease when it is back.
            Err(error) => debug!(%error, "a lease cannot be renewed"),
        }
    }

    /// Whether a life that was not renewed means that nobody waits. After an outage, no front end could renew one.
    pub(super) fn may_look(&self) -> &'static [u8] {
        if self.link.may_take_over() {
            b"1"
        } else {
            b"0"
        }
    }

    /// Gives a job back, so that the next worker draws it at once. If the broker does not answer, its lease runs out.
    pub(super) async fn give_back(&self, held: &Held, attempt: Attempt) {
        if held.is_lost() {
            return;
        }
        let mut arguments = held.arguments();
        arguments.push(match attempt {
            Attempt::Counts => b"1".to_vec(),
            Attempt::DoesNotCount => b"0".to_vec(),
        });
        let giving = async {
            while let Err(error) = self.call(&RELEASE, &arguments).await {
                if !error.is_temporary() {
                    warn!(%error, "a job cannot be given back");
                    return;
                }
                sleep(RETRY_PAUSE).await;
            }
        };
        if timeout(RELEASE_TIMEOUT, giving).await.is_err() {
            warn!(
                id = held.prediction.id(),
                "a job is not given back, because the broker is away"
            );
        }
        held.give_up();
    }
}
