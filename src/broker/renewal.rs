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
        match self.call(&RENEW, &arguments).await.and_then(Progress::read) {
            Ok(Progress::GoOn) => {}
            Ok(Progress::Cancel) => held.prediction.cancel(),
            Ok(Progress::Lost | Progress::Missing) => held.lose(),
            // The broker decides about the lease when it is back.
            Err(error) => debug!(%error, "a lease cannot be renewed"),
        }
    }

    /// Gives a job back, so that the next worker draws it at once. If the broker does not answer, its lease runs out.
    pub(super) async fn give_back(&self, held: &Held) {
        if held.is_lost() {
            return;
        }
        let arguments = held.arguments();
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
