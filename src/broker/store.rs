//! [`RedisStore`].

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use redis::Value;
use tracing::{error, warn};

use super::error::BrokerError;
use super::held::{Held, Progress};
use super::link::{Arguments, arguments, flag};
use super::record::{Fields, created, created_of, elsewhere, event_arguments};
use super::renewal::Attempt;
use super::script::{BEGIN, CANCEL, DRAW_AGAIN, LIST, LOAD, NOTE, PUBLISH, SECRET, SUBMIT};
use super::shared::Broker;
use super::value::{StreamEntry, bytes, entries, fields, integer, list, next, text};
use crate::output::Provenance;
use crate::secret::Secret;
use crate::service::codec;
use crate::service::{
    Accepted, Completion, Event, InsertError, Lease, ListQuery, Outcome, Page, Prediction,
    RestartPolicy, Snapshot, Store, StoreError,
};

/// Predictions that are read at once for a list. The broker does nothing else while it reads their events.
const LIST_COUNT: &[u8] = b"10";

/// How often a prediction is submitted again when another one with its id has ended meanwhile.
const MAX_SUBMISSIONS: usize = 3;

/// A store in Redis or Valkey, which front ends and workers on many machines share.
#[derive(Debug, Clone)]
pub struct RedisStore(Arc<Broker>);

impl RedisStore {
    /// The store of a broker.
    pub fn new(broker: Arc<Broker>) -> Self {
        Self(broker)
    }

    async fn submit(&self, accepted: &Accepted) -> Result<i64, BrokerError> {
        let broker = &self.0;
        let job = &accepted.job;
        let text = serde_json::to_vec(job)
            .map_err(|error| BrokerError::Damaged(format!("a job: {error}")))?;
        let dispatch = &accepted.dispatch;
        let capacity = broker.config.capacity.to_string();
        let is_awaited = accepted.restart_policy == RestartPolicy::Cancel;
        let receiver = accepted.receiver.as_ref();
        let request = arguments([
            job.id.as_bytes(),
            created(job).as_bytes(),
            &text,
            dispatch.priority.as_str().as_bytes(),
            dispatch.caller.as_deref().unwrap_or_default().as_bytes(),
            capacity.as_bytes(),
            flag(is_awaited),
            broker.life().as_bytes(),
            receiver.map_or("", |receiver| receiver.as_str()).as_bytes(),
            dispatch.trace.as_deref().unwrap_or_default().as_bytes(),
        ]);
        let answer = broker.call(&SUBMIT, &request).await?;
        let answer = integer(&answer)?;
        if answer == 1 {
            broker.replicas.confirmed().await?;
        }
        Ok(answer)
    }

    /// A prediction from the broker, with its events. With the entry of webhooks, it is the one that they are about, also if
    /// a later one has its id.
    async fn load(&self, id: &str, entry: &str) -> Result<Option<Arc<Prediction>>, BrokerError> {
        let broker = &self.0;
        let request = arguments([id.as_bytes(), entry.as_bytes()]);
        let answer = broker.call(&LOAD, &request).await?;
        let mut parts = list(answer)?.into_iter();
        if integer(&next(&mut parts)?)? == 0 {
            return Ok(None);
        }
        let fields = Fields(fields(next(&mut parts)?)?);
        let events = entries(next(&mut parts)?)?;
        let replay = broker.config.replay;
        let read = elsewhere(move || match fields.record() {
            Ok(record) => record.readable(events, replay).map(Some),
            // Nobody can ever read it.
            Err(BrokerError::Damaged(_)) if fields.has_ended() => Ok(None),
            Err(error) => Err(error),
        });
        let Some(prediction) = read.await? else {
            return Ok(None);
        };
        if prediction.status().is_terminal() {
            return Ok(Some(prediction));
        }
        Ok(Some(broker.follow(prediction)))
    }

    async fn find_up_to_date(&self, id: &str) -> Result<Option<Arc<Prediction>>, BrokerError> {
        if let Some((watched, reading)) = self.0.watched(id) {
            self.0.catch_up(&watched, &reading).await?;
            if !watched.status().is_terminal() {
                return Ok(Some(watched));
            }
        }
        self.load(id, "").await
    }

    /// The prediction that webhooks are about.
    pub(super) async fn find_hooked(
        &self,
        id: &str,
        entry: &str,
    ) -> Result<Option<Arc<Prediction>>, BrokerError> {
        self.load(id, entry).await
    }

    /// Publishes events of a drawing, however long the broker is away.
    async fn publish(&self, held: &Held, events: Arguments) -> Progress {
        if held.is_lost() {
            return Progress::Lost;
        }
        let drawn = held.prediction.drawn_events().to_string();
        let mut request = held.ticket.arguments();
        request.push(drawn.into_bytes());
        request.extend(events);
        let publishing = self.0.call_until(&PUBLISH, &request, || held.is_lost());
        match publishing.await.and_then(Progress::read) {
            Ok(progress) => progress,
            // The lease was lost meanwhile.
            Err(error) if error.is_temporary() => Progress::Lost,
            Err(error) => {
                error!(%error, id = held.prediction.id(), "events cannot be published");
                held.fail(format!("Prediction failed: {error}"));
                Progress::Cancel
            }
        }
    }

    async fn read_list(&self, query: &ListQuery) -> Result<Page, BrokerError> {
        let wanted = query.limit.saturating_add(1);
        let mut before = query
            .after
            .as_ref()
            .map_or_else(|| "+".to_owned(), |cursor| format!("({cursor}"));
        let statuses: Vec<_> = query
            .statuses
            .iter()
            .map(|status| status.as_str())
            .collect();
        let statuses = statuses.join(" ");
        let mut states = Vec::new();
        while states.len() < wanted {
            let request = arguments([before.as_bytes(), LIST_COUNT, statuses.as_bytes()]);
            let rows = list(self.0.call(&LIST, &request).await?)?;
            let (last, mut found) = elsewhere(move || read_rows(rows)).await?;
            let Some(last) = last else { break };
            before = format!("({last}");
            found.retain(|state| query.statuses.contains(&state.status));
            states.append(&mut found);
        }
        Ok(Page::of(states, query.limit))
    }
}

/// The last member of the list of all predictions among these rows, and the predictions that can be read.
fn read_rows(rows: Vec<Value>) -> Result<(Option<String>, Vec<Snapshot>), BrokerError> {
    let mut last = None;
    let mut states = Vec::new();
    for row in rows {
        let mut parts = list(row)?.into_iter();
        last = Some(text(next(&mut parts)?)?);
        let Some(found) = parts.next() else { continue };
        match state(fields(found)?, entries(next(&mut parts)?)?) {
            Ok(state) => states.push(state),
            Err(error) => warn!(%error, "a prediction is left out of a list"),
        }
    }
    Ok((last, states))
}

fn state(
    found: HashMap<String, Vec<u8>>,
    events: Vec<StreamEntry>,
) -> Result<Snapshot, BrokerError> {
    let record = Fields(found).record()?;
    Ok(record.without_files(events)?.snapshot())
}

#[async_trait]
impl Store for RedisStore {
    async fn insert(&self, accepted: &Accepted) -> Result<Arc<Prediction>, InsertError> {
        let unavailable = |error: BrokerError| InsertError::Unavailable(StoreError::new(error));
        for _ in 0..MAX_SUBMISSIONS {
            match self.submit(accepted).await.map_err(unavailable)? {
                1 => {
                    let replay = self.0.config.replay;
                    let prediction = Arc::new(Prediction::accepted(accepted, replay));
                    return Ok(self.0.follow(prediction));
                }
                0 => {
                    let found = self.find_up_to_date(&accepted.job.id).await;
                    let found = found.map_err(unavailable)?;
                    if let Some(found) = found.filter(|found| !found.status().is_terminal()) {
                        return Err(InsertError::Unfinished(found));
                    }
                }
                _ => return Err(InsertError::Full),
            }
        }
        Err(unavailable(BrokerError::Timeout))
    }

    async fn find(&self, id: &str) -> Result<Option<Arc<Prediction>>, StoreError> {
        self.find_up_to_date(id).await.map_err(StoreError::new)
    }

    async fn unfinished(&self, id: &str) -> Option<Arc<Prediction>> {
        let found = self.find_up_to_date(id).await;
        let found = found.unwrap_or_else(|error| {
            warn!(%error, id, "a prediction cannot be read");
            None
        });
        found.filter(|prediction| !prediction.status().is_terminal())
    }

    async fn leased(&self, lease: &Lease) -> Option<Arc<Prediction>> {
        let held = self.0.held.find(&lease.job.id, lease.fence);
        held.map(|held| Arc::clone(&held.prediction))
    }

    async fn all_unfinished(&self) -> Vec<Arc<Prediction>> {
        let held = self.0.held.all();
        let held = held.iter().map(|held| Arc::clone(&held.prediction));
        let live = self.0.live.lock();
        let watched = live.values().filter_map(|live| live.prediction.upgrade());
        held.chain(watched).collect()
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        self.read_list(query).await.map_err(StoreError::new)
    }

    async fn append(&self, prediction: &Arc<Prediction>, events: Vec<Event>) {
        let Some(held) = self.0.held.of(prediction) else {
            return;
        };
        let (events, stored) = codec::encode_all(events).await;
        match self.publish(&held, event_arguments(stored)).await {
            Progress::GoOn => prediction.apply(events),
            Progress::Cancel => {
                prediction.apply(events);
                prediction.cancel();
            }
            Progress::Lost => held.lose(),
            Progress::Missing => {
                warn!(
                    id = prediction.id(),
                    "the broker has lost events; the prediction is drawn again"
                );
                prediction.suspend();
            }
        }
    }

    async fn record_end(&self, prediction: &Arc<Prediction>, completion: &Completion) {
        let Some(held) = self.0.held.of(prediction) else {
            return;
        };
        let mut end = completion.clone();
        if let Some(message) = held.failure() {
            end.outcome = Outcome::Failed(message);
        }
        self.0.finish(&held, &end, b"").await;
    }

    async fn publish_end(&self, prediction: &Arc<Prediction>, completion: Completion) {
        prediction.apply(Event::last(completion));
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn fault(&self) -> Option<String> {
        self.0.fault()
    }

    async fn secret(&self) -> Result<Option<Secret>, StoreError> {
        let new = Secret::generate();
        let request = arguments([new.expose_bytes()]);
        let kept = self.0.call(&SECRET, &request).await;
        let kept = kept.and_then(bytes).map_err(StoreError::new)?;
        Ok(Secret::from_bytes(kept))
    }

    async fn begin(&self, prediction: &Arc<Prediction>, by: &Provenance) -> Result<(), StoreError> {
        let Some(held) = self.0.held.of(prediction) else {
            return Ok(());
        };
        let provenance = serde_json::to_string(&(env!("CARGO_PKG_VERSION"), by));
        let provenance = provenance.map_err(StoreError::new)?;
        let mut request = held.ticket.arguments();
        request.push(provenance.clone().into_bytes());
        request.push(prediction.drawn_events().to_string().into_bytes());
        let answer = self.0.call(&BEGIN, &request).await;
        let answer = match answer {
            Err(error) if !error.is_temporary() => {
                held.fail(format!("Prediction failed: {error}"));
                return Ok(());
            }
            answer => answer.map_err(StoreError::new)?,
        };
        let mut parts = list(answer).map_err(StoreError::new)?.into_iter();
        let answer = next(&mut parts).and_then(|answer| integer(&answer));
        if answer.map_err(StoreError::new)? != 1 {
            held.lose();
            return Ok(());
        }
        let before = next(&mut parts).and_then(bytes).unwrap_or_default();
        if !before.is_empty() && before != provenance.as_bytes() {
            warn!(
                id = prediction.id(),
                before = %String::from_utf8_lossy(&before),
                now = provenance,
                "a prediction is drawn again by another version, model or device; its frames may differ from those before"
            );
        }
        Ok(())
    }

    async fn add_note(&self, prediction: &Arc<Prediction>, line: &str) {
        let created = created_of(prediction);
        let request = arguments([
            prediction.id().as_bytes(),
            created.as_bytes(),
            line.as_bytes(),
        ]);
        if let Err(error) = self.0.call(&NOTE, &request).await {
            warn!(%error, line, "a note is not recorded");
        }
    }

    async fn draw_again(&self, prediction: &Arc<Prediction>) -> Result<(), StoreError> {
        let is_held = self.0.held.of(prediction).is_some();
        if prediction.restart_policy() == RestartPolicy::Cancel && !is_held {
            let created = created_of(prediction);
            let request = arguments([prediction.id().as_bytes(), created.as_bytes()]);
            let answer = self.0.call(&DRAW_AGAIN, &request).await;
            answer.map_err(StoreError::new)?;
            prediction.set_drawn_again();
        }
        Ok(())
    }

    async fn record_cancel(&self, prediction: &Arc<Prediction>) -> Result<(), StoreError> {
        let created = created_of(prediction);
        let request = self.0.cancel_arguments(prediction.id(), &created);
        let cancelled = self.0.call(&CANCEL, &request).await;
        cancelled.map_err(StoreError::new)?;
        let confirmed = self.0.replicas.confirmed().await;
        confirmed.map_err(StoreError::new)
    }

    async fn suspend(&self, prediction: &Arc<Prediction>) {
        if let Some(held) = self.0.held.of(prediction) {
            self.0.give_back(&held, Attempt::DoesNotCount).await;
        }
    }
}
