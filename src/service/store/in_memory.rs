//! A store within this process.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::list::{Cursor, ListQuery, Page};
use super::{InsertError, Store, StoreError};
use crate::service::accepted::Accepted;
use crate::service::event::Event;
use crate::service::limits::Limits;
use crate::service::outcome::Completion;
use crate::service::prediction::Prediction;
use crate::service::snapshot::Snapshot;

/// A store within this process, which ends with it. None of its methods waits.
#[derive(Debug)]
pub struct InMemoryStore {
    limits: Limits,
    predictions: Mutex<Predictions>,
}

#[derive(Debug, Default)]
struct Predictions {
    unfinished: HashMap<String, Arc<Prediction>>,
    /// With the time of their end, newest first.
    finished: VecDeque<(Instant, Arc<Prediction>)>,
}

impl InMemoryStore {
    /// An empty store, which keeps finished predictions within the limits.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            predictions: Mutex::default(),
        }
    }
}

#[async_trait]
impl Store for InMemoryStore {
    async fn insert(&self, accepted: &Accepted) -> Result<Arc<Prediction>, InsertError> {
        let mut predictions = self.predictions.lock();
        let id = accepted.job.id.as_str();
        if let Some(unfinished) = predictions.unfinished.get(id) {
            return Err(InsertError::Unfinished(Arc::clone(unfinished)));
        }
        let prediction = Arc::new(Prediction::accepted(accepted, self.limits.replay));
        predictions
            .finished
            .retain(|(_, finished)| finished.id() != prediction.id());
        predictions
            .unfinished
            .insert(id.to_owned(), Arc::clone(&prediction));
        Ok(prediction)
    }

    async fn find(&self, id: &str) -> Result<Option<Arc<Prediction>>, StoreError> {
        let mut predictions = self.predictions.lock();
        predictions.evict(&self.limits);
        let finished = || {
            let mut all = predictions
                .finished
                .iter()
                .map(|(_, prediction)| prediction);
            all.find(|prediction| prediction.id() == id)
        };
        Ok(predictions.unfinished.get(id).or_else(finished).cloned())
    }

    async fn unfinished(&self, id: &str) -> Option<Arc<Prediction>> {
        self.predictions.lock().unfinished.get(id).cloned()
    }

    async fn all_unfinished(&self) -> Vec<Arc<Prediction>> {
        self.predictions
            .lock()
            .unfinished
            .values()
            .cloned()
            .collect()
    }

    async fn list(&self, query: &ListQuery) -> Result<Page, StoreError> {
        let mut states: Vec<Snapshot> = {
            let mut predictions = self.predictions.lock();
            predictions.evict(&self.limits);
            let finished = predictions.finished.iter();
            let finished = finished.map(|(_, prediction)| prediction);
            let all = predictions.unfinished.values().chain(finished);
            all.map(|prediction| prediction.state_without_output())
                .collect()
        };
        states.retain(|state| {
            let after = query.after.as_ref();
            query.statuses.contains(&state.status)
                && after.is_none_or(|after| Cursor::after(state) < *after)
        });
        states.sort_by_cached_key(|state| std::cmp::Reverse(Cursor::after(state)));
        Ok(Page::of(states, query.limit))
    }

    async fn append(&self, prediction: &Arc<Prediction>, events: Vec<Event>) {
        prediction.apply(events);
    }

    async fn record_end(&self, prediction: &Arc<Prediction>, _completion: &Completion) {
        let mut predictions = self.predictions.lock();
        predictions.unfinished.remove(prediction.id());
        predictions
            .finished
            .push_front((Instant::now(), Arc::clone(prediction)));
        predictions.evict(&self.limits);
    }

    async fn publish_end(&self, prediction: &Arc<Prediction>, completion: Completion) {
        prediction.apply(Event::last(completion));
    }
}

impl Predictions {
    /// Drops finished predictions that are too many, too old or too large.
    fn evict(&mut self, limits: &Limits) {
        self.finished.truncate(limits.remember);
        let mut bytes = 0;
        let kept = self.finished.iter().take_while(|(at, prediction)| {
            bytes += prediction.output_bytes();
            at.elapsed() < limits.remember_for && bytes <= limits.remember_bytes
        });
        let kept = kept.count();
        self.finished.truncate(kept);
    }
}
