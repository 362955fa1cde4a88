//! A queue within this process.

use std::collections::VecDeque;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{Depth, Lease, PushError, Queue};
use crate::service::job::Job;
use crate::service::measure;

/// A queue within this process, which ends with it. None of its methods waits, except
/// [`Queue::lease`].
#[derive(Debug)]
pub struct InMemoryQueue {
    /// Jobs that may be running and waiting at once.
    capacity: usize,
    state: Mutex<QueueState>,
    /// Wakes a worker when a job waits or the queue is closed.
    changed: Notify,
}

#[derive(Debug, Default)]
struct QueueState {
    closed: bool,
    /// With the number of times that they were leased.
    waiting: VecDeque<(Job, u32)>,
    /// Leases that are not completed.
    running: usize,
}

impl InMemoryQueue {
    /// An empty queue for `capacity` jobs, running and waiting ones together.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }
}

#[async_trait]
impl Queue for InMemoryQueue {
    async fn push(&self, job: Job) -> Result<(), PushError> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(PushError::Closed);
        }
        if state.depth().total() >= self.capacity {
            return Err(PushError::Full);
        }
        state.waiting.push_back((job, 0));
        state.measure();
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    async fn restore(&self, job: Job, attempts: u32) {
        let mut state = self.state.lock();
        state.waiting.push_back((job, attempts));
        state.measure();
        drop(state);
        self.changed.notify_one();
    }

    async fn lease(&self) -> Option<Lease> {
        loop {
            // Registered before the state is read, so that no change in between is missed.
            let changed = self.changed.notified();
            {
                let mut state = self.state.lock();
                if let Some(lease) = state.lease() {
                    return Some(lease);
                }
                if state.closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    async fn try_lease(&self) -> Option<Lease> {
        self.state.lock().lease()
    }

    async fn remove(&self, id: &str, created_at: Timestamp) -> bool {
        let mut state = self.state.lock();
        let before = state.waiting.len();
        state
            .waiting
            .retain(|(job, _)| job.id != id || job.created_at != created_at);
        state.measure();
        state.waiting.len() < before
    }

    async fn complete(&self, _lease: Lease) {
        let mut state = self.state.lock();
        state.running -= 1;
        state.measure();
    }

    async fn release(&self, lease: Lease) {
        let mut state = self.state.lock();
        state.running -= 1;
        state.waiting.push_front((lease.job, lease.attempt - 1));
        state.measure();
        drop(state);
        self.changed.notify_one();
    }

    async fn depth(&self) -> Depth {
        self.state.lock().depth()
    }

    async fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_waiters();
    }
}

impl QueueState {
    fn lease(&mut self) -> Option<Lease> {
        let (job, attempts) = self.waiting.pop_front()?;
        self.running += 1;
        self.measure();
        Some(Lease {
            job,
            attempt: attempts + 1,
            fence: 0,
        })
    }

    fn measure(&self) {
        measure::occupancy(self.running, self.waiting.len());
    }

    fn depth(&self) -> Depth {
        Depth {
            running: self.running,
            waiting: self.waiting.len(),
        }
    }
}
