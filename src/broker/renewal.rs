//! Renews the leases of this process, gives them back, and ends them.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;
use tracing::{debug, error, warn};

use super::held::{Held, Progress, Ticket};
use super::link::{Arguments, flag};
use super::record::end_arguments;
use super::script::{FINISH, RELEASE, RENEW};
use super::shared::Broker;
use super::value::integer;
use crate::service::Completion;

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
        let mut arguments = held.ticket.arguments();
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
        flag(self.link.may_take_over())
    }

    /// Gives a job back, so that the next worker draws it at once. If the broker does not answer, its lease runs out.
    pub(super) async fn give_back(&self, held: &Held, attempt: Attempt) {
        if held.is_lost() {
            return;
        }
        let mut arguments = held.ticket.arguments();
        arguments.push(flag(attempt == Attempt::Counts).to_vec());
        let giving = self.call_until(&RELEASE, &arguments, || false);
        match timeout(RELEASE_TIMEOUT, giving).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => warn!(%error, "a job cannot be given back"),
            Err(_) => warn!(
                id = held.prediction.id(),
                "a job is not given back, because the broker is away"
            ),
        }
        held.give_up();
    }

    /// The arguments of the script that ends a leased job. `dead` is its record in the dead list, or empty.
    pub(super) fn finish_arguments(
        &self,
        ticket: &Ticket,
        end: &Completion,
        dead: &[u8],
    ) -> Arguments {
        let mut request = ticket.arguments();
        request.push(end.outcome.status().as_str().into());
        request.extend(self.retention());
        request.push(dead.to_vec());
        request.extend(end_arguments(end));
        request
    }

    /// Records the end of a leased prediction, however long the broker is away.
    pub(super) async fn finish(&self, held: &Held, end: &Completion, dead: &[u8]) {
        if held.is_lost() {
            return;
        }
        let request = self.finish_arguments(&held.ticket, end, dead);
        let answer = self.call_until(&FINISH, &request, || held.is_lost()).await;
        match answer {
            Ok(answer) => {
                if integer(&answer).is_ok_and(|answer| answer < 0) {
                    held.lose();
                }
            }
            // The lease was lost meanwhile.
            Err(error) if error.is_temporary() => {}
            Err(error) => error!(%error, id = held.prediction.id(), "an end cannot be recorded"),
        }
    }
}
