//! Leases one job: its ticket, its data, and the handle for its worker.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use tracing::{info, warn};

use super::dead::DeadJob;
use super::error::BrokerError;
use super::held::{Held, Ticket};
use super::link::{arguments, flag};
use super::measure;
use super::record::{Fields, JobRecord, apply_all, elsewhere};
use super::script::{FINISH, LEASE};
use super::shared::Broker;
use super::value::{bytes, fields, integer, list, next, text};
use crate::service::{Completion, Lease, MAX_ATTEMPTS, Outcome, Prediction};

/// A job that was leased just now.
#[derive(Debug)]
struct Leased {
    ticket: Ticket,
    /// Whether another worker was lost with it.
    is_taken_over: bool,
    fields: Fields,
}

impl Broker {
    /// Leases a job, if there is one. With `take_over`, those whose workers are lost come first.
    pub(super) async fn lease_job(&self, take_over: bool) -> Result<Option<Lease>, BrokerError> {
        loop {
            let Some(leased) = self.next_leased(take_over).await? else {
                return Ok(None);
            };
            let ticket = leased.ticket;
            if leased.is_taken_over {
                warn!(id = ticket.id, "the worker of a prediction is lost");
                measure::redrawn();
            }
            match self.open(&ticket, leased.fields).await {
                Ok(Some(lease)) => return Ok(Some(lease)),
                Ok(None) => {}
                Err(error @ BrokerError::Damaged(_)) => self.refuse(&ticket, &error).await?,
                Err(error) => return Err(error),
            }
        }
    }

    async fn next_leased(&self, take_over: bool) -> Result<Option<Leased>, BrokerError> {
        let request = arguments([
            self.config.name.as_bytes(),
            self.lease().as_bytes(),
            flag(take_over),
            self.may_look(),
        ]);
        loop {
            let mut parts = list(self.call(&LEASE, &request).await?)?.into_iter();
            match integer(&next(&mut parts)?)? {
                0 => {
                    self.tell_newer(integer(&next(&mut parts)?)?);
                    return Ok(None);
                }
                1 => {}
                _ => {
                    let id = bytes(next(&mut parts)?)?;
                    if !id.is_empty() {
                        let id = String::from_utf8_lossy(&id);
                        warn!(%id, "a queued prediction is missing in the broker");
                    }
                    continue;
                }
            }
            let id = text(next(&mut parts)?)?;
            let is_taken_over = integer(&next(&mut parts)?)? == 1;
            let fields = Fields(fields(next(&mut parts)?)?);
            return Ok(Some(Leased {
                ticket: Ticket {
                    id,
                    fence: fields.number("fence").unwrap_or_default(),
                },
                is_taken_over,
                fields,
            }));
        }
    }

    /// Says how many jobs wait that only workers of a newer version draw, when there are the first ones.
    fn tell_newer(&self, count: i64) {
        let before = self.newer.swap(count, Ordering::Relaxed);
        if before == 0 && count > 0 {
            warn!(
                count,
                "predictions wait for workers of a newer version, which has accepted them"
            );
        }
    }

    /// Makes the handle of a leased job with the events of earlier attempts; `None` if it has ended instead.
    async fn open(&self, ticket: &Ticket, fields: Fields) -> Result<Option<Lease>, BrokerError> {
        let record = elsewhere(move || fields.record()).await?;
        let prediction = Prediction::accepted(&record.accepted, self.config.replay);
        let held = Arc::new(Held::new(Arc::new(prediction), ticket.clone()));
        // It is renewed from now on.
        self.held.add(Arc::clone(&held));
        let read = self.read_earlier(&held, record.events).await;
        let goes_on = match read {
            Ok(()) if record.attempts >= MAX_ATTEMPTS => {
                self.give_up(&held, &record).await;
                false
            }
            read => {
                if let Err(error) = read {
                    self.held.remove(&ticket.id, record.fence);
                    return Err(error);
                }
                true
            }
        };
        if !goes_on {
            self.held.remove(&ticket.id, record.fence);
            return Ok(None);
        }
        if record.is_cancelled {
            held.prediction.cancel();
        }
        Ok(Some(Lease {
            job: record.accepted.job,
            attempt: record.attempts + 1,
            fence: record.fence,
        }))
    }

    /// Applies the events of earlier attempts, so that they are not published again.
    async fn read_earlier(&self, held: &Held, events: u64) -> Result<(), BrokerError> {
        let prediction = &held.prediction;
        while prediction.next_event() <= events {
            let read = self.read_events(prediction, "0").await?;
            let read = read.map(|read| read.events).unwrap_or_default();
            if read.is_empty() {
                let missing = format!("the events of prediction {} are missing", prediction.id());
                return Err(BrokerError::Damaged(missing));
            }
            apply_all(prediction, read, ()).await?;
        }
        Ok(())
    }

    /// Fails a prediction with which too many workers were lost, and keeps it in the dead list.
    async fn give_up(&self, held: &Held, record: &JobRecord) {
        let id = held.prediction.id();
        warn!(
            id,
            "a prediction is given up: its worker was lost each time"
        );
        let message =
            format!("Prediction failed: {MAX_ATTEMPTS} workers were lost while they drew this");
        let end = held.prediction.completion(Outcome::Failed(message.clone()));
        let dead = DeadJob::new(&record.accepted, record.attempts, message, end.completed_at);
        match serde_json::to_vec(&dead) {
            Ok(dead) => self.finish(held, &end, &dead).await,
            Err(error) => warn!(%error, id, "a prediction is not kept in the dead list"),
        }
    }

    /// Fails a leased prediction whose data somebody has damaged.
    async fn refuse(&self, ticket: &Ticket, why: &BrokerError) -> Result<(), BrokerError> {
        warn!(%why, id = ticket.id, "a damaged prediction fails");
        let end = Completion {
            outcome: Outcome::Failed(format!("Prediction failed: {why}")),
            completed_at: Timestamp::now(),
            predict_time: 0.0,
        };
        let request = self.finish_arguments(ticket, &end, b"");
        self.call(&FINISH, &request).await?;
        info!(id = ticket.id, "a damaged prediction has failed");
        Ok(())
    }
}
