//! A store within this process.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{InsertError, Store};
use crate::service::event::Event;
use crate::service::job::Job;
use crate::service::limits::Limits;
use crate::service::outcome::Completion;
use crate::service::prediction::Prediction;

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
    async fn insert(&self, job: &Job) -> Result<Arc<Prediction>, InsertError> {
        let mut predictions = self.predictions.lock();
        if let Some(unfinished) = predictions.unfinished.get(job.id.as_str()) {
            return Err(InsertError::Unfinished(Arc::clone(unfinished)));
        }
        let prediction = Arc::new(Prediction::accepted(job, self.limits.replay));
        predictions
            .finished
            .retain(|(_, finished)| finished.id() != prediction.id());
        predictions
            .unfinished
            .insert(job.id.clone(), Arc::clone(&prediction));
        Ok(prediction)
    }

    async fn find(&self, id: &str) -> Option<Arc<Prediction>> {
        let mut predictions = self.predictions.lock();
        predictions.evict(&self.limits);
        let finished = || {
            let mut all = predictions
                .finished
                .iter()
                .map(|(_, prediction)| prediction);
            all.find(|prediction| prediction.id() == id)
        };
        predictions.unfinished.get(id).or_else(finished).cloned()
    }

    async fn unfinished(&self, id: &str) -> Option<Arc<Prediction>> {
        self.predictions.lock().unfinished.get(id).cloned()
    }

    async fn recent(&self) -> Vec<Arc<Prediction>> {
        let mut predictions = self.predictions.lock();
        predictions.evict(&self.limits);
        let mut all: Vec<_> = predictions.unfinished.values().cloned().collect();
        all.sort_by_key(|prediction| std::cmp::Reverse(prediction.created_at()));
        let finished = predictions.finished.iter();
        all.extend(finished.map(|(_, prediction)| Arc::clone(prediction)));
        all
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
