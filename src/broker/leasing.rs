//! Leases one job: its ticket, its data, and the handle for its worker.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::dead::DeadJob;
use super::error::BrokerError;
use super::held::Held;
use super::link::{Arguments, arguments};
use super::measure;
use super::record::{Fields, JobRecord, apply};
use super::script::{FINISH, LEASE, READ};
use super::shared::Broker;
use super::store::RedisStore;
use super::value::{entries, fields, integer, list, next, text};
use crate::service::{
    Completion, Event, Lease, MAX_ATTEMPTS, Outcome, Prediction, Priority, codec,
};

/// The ticket of a leased job.
#[derive(Debug)]
struct Ticket {
    id: String,
    priority: Priority,
    entry: String,
    /// Whether another worker was lost with it.
    is_taken_over: bool,
    fields: Fields,
}

impl Broker {
    /// Leases a job, if there is one. With `take_over`, those whose workers are lost come first.
    pub(super) async fn lease_job(&self, take_over: bool) -> Result<Option<Lease>, BrokerError> {
        loop {
            let Some(ticket) = self.ticket(take_over).await? else {
                return Ok(None);
            };
            if ticket.is_taken_over {
                warn!(id = ticket.id, "the worker of a prediction is lost");
                measure::redrawn();
            }
            match self.open(&ticket).await {
                Ok(Some(lease)) => return Ok(Some(lease)),
                Ok(None) => {}
                Err(error @ BrokerError::Damaged(_)) => self.refuse(&ticket, &error).await?,
                Err(error) => return Err(error),
            }
        }
    }

    async fn ticket(&self, take_over: bool) -> Result<Option<Ticket>, BrokerError> {
        let lease = self.config.lease.as_millis().to_string();
        let request = arguments([
            self.config.name.as_bytes(),
            lease.as_bytes(),
            if take_over { b"1" } else { b"0" },
            self.may_look(),
        ]);
        loop {
            let mut parts = list(self.call(&LEASE, &request).await?)?.into_iter();
            match integer(&next(&mut parts)?)? {
                0 => return Ok(None),
                1 => {}
                _ => {
                    let id = text(next(&mut parts)?)?;
                    warn!(
                        id,
                        "a queued prediction is missing in the broker, or damaged"
                    );
                    continue;
                }
            }
            let id = text(next(&mut parts)?)?;
            let priority = Priority::named(&text(next(&mut parts)?)?)
                .ok_or_else(|| BrokerError::Damaged("a priority".to_owned()))?;
            return Ok(Some(Ticket {
                id,
                priority,
                entry: text(next(&mut parts)?)?,
                is_taken_over: integer(&next(&mut parts)?)? == 1,
                fields: Fields(fields(next(&mut parts)?)?),
            }));
        }
    }

    /// Makes the handle of a leased job with the events of earlier attempts; `None` if it has ended instead.
    async fn open(&self, ticket: &Ticket) -> Result<Option<Lease>, BrokerError> {
        let fields = Fields(ticket.fields.0.clone());
        // To read a job may mean to decode pictures in it.
        let reading = spawn_blocking(move || fields.record());
        let record = reading
            .await
            .map_err(|error| BrokerError::Damaged(error.to_string()))??;
        let prediction = Prediction::accepted(&record.accepted, self.config.limits.replay);
        let held = Arc::new(Held::new(
            Arc::new(prediction),
            record.fence,
            ticket.priority,
            ticket.entry.clone(),
        ));
        // It is renewed from now on.
        self.held.add(Arc::clone(&held));
        let read = self.read_earlier(&held, &record).await;
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
    async fn read_earlier(&self, held: &Held, record: &JobRecord) -> Result<(), BrokerError> {
        let created = super::record::created(&record.accepted.job);
        while held.prediction.next_event() <= record.events {
            let after = (held.prediction.next_event() - 1).to_string();
            let request = arguments([
                held.prediction.id().as_bytes(),
                created.as_bytes(),
                after.as_bytes(),
                b"500",
                b"0",
            ]);
            let mut parts = list(self.call(&READ, &request).await?)?.into_iter();
            let read = match integer(&next(&mut parts)?)? {
                1 => entries(next(&mut parts)?)?,
                _ => Vec::new(),
            };
            if read.is_empty() {
                let id = held.prediction.id();
                let missing = format!("the events of prediction {id} are missing");
                return Err(BrokerError::Damaged(missing));
            }
            apply(&held.prediction, read)?;
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
            Ok(dead) => RedisStore::finish(self, held, &end, &dead).await,
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
        let fence: u64 = ticket.fields.number("fence").unwrap_or_default();
        let mut request: Arguments = arguments([
            ticket.id.as_bytes(),
            fence.to_string().as_bytes(),
            ticket.priority.as_str().as_bytes(),
            ticket.entry.as_bytes(),
            end.outcome.status().as_str().as_bytes(),
            self.kept_for().as_bytes(),
            b"",
        ]);
        for event in Event::last(end) {
            let stored = codec::encode(&event);
            request.extend([stored.kind.as_bytes().to_vec(), stored.data]);
        }
        self.call(&FINISH, &request).await?;
        info!(id = ticket.id, "a damaged prediction has failed");
        Ok(())
    }
}
