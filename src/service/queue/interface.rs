//! The trait [`Queue`].

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::service::job::Job;

/// Jobs that wait for a worker, first in, first out.
///
/// Workers of other processes may share a queue, which then renews its leases by itself. Every job that was pushed is either removed
/// before it is leased, or leased and then completed.
#[async_trait]
pub trait Queue: fmt::Debug + Send + Sync {
    /// Adds a job at the end. A queue that shares an engine with the store has got the job with
    /// [`Store::insert`](crate::service::Store::insert) already, and does nothing.
    ///
    /// # Errors
    /// When there is no room, the queue is closed, or it cannot be reached. The job is not in the
    /// queue then.
    async fn push(&self, job: Job) -> Result<(), PushError>;

    /// Adds a job of an earlier process at the end, whatever the capacity. It was leased `attempts` times.
    async fn restore(&self, job: Job, attempts: u32);

    /// Takes the next job, and waits until there is one; `None` once the queue is closed and empty. If the future is
    /// dropped before it is ready, no job was taken.
    async fn lease(&self) -> Option<Lease>;

    /// Takes the next job if there is one.
    async fn try_lease(&self) -> Option<Lease>;

    /// Removes a waiting job; false if it is not waiting, for example because it is leased. The
    /// time of its creation distinguishes it from a later job with the same id.
    async fn remove(&self, id: &str, created_at: Timestamp) -> bool;

    /// Ends a lease because the job has ended. This frees its slot.
    async fn complete(&self, lease: Lease);

    /// Gives a lease back: the job is the next one to be leased, and this lease does not count.
    async fn release(&self, lease: Lease);

    /// Ends a lease because the worker failed. Where other processes could do better, the job waits again, and this lease
    /// counts as an attempt. Elsewhere nothing happens, and the lease is returned.
    async fn abandon(&self, lease: Lease) -> Option<Lease> {
        Some(lease)
    }

    /// How many jobs are running and waiting.
    async fn depth(&self) -> Depth;

    /// Accepts no further jobs. Those that wait are still leased.
    async fn close(&self);
}

/// A job that belongs to one worker until it is completed.
#[derive(Debug)]
pub struct Lease {
    /// The job.
    pub job: Job,
    /// How often the job has been leased, this time included: 1 unless an earlier worker or process lost it.
    pub attempt: u32,
    /// The number of the lease, which grows with each lease of the job in a queue that several processes share. What an
    /// earlier holder of the job reports under an earlier number is refused.
    pub fence: u64,
}

/// How full a queue is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Depth {
    /// Jobs that are leased: they are drawn, or their files are being stored.
    pub running: usize,
    /// Jobs that wait for a slot.
    pub waiting: usize,
}

impl Depth {
    /// All jobs that are accepted and unfinished.
    pub fn total(self) -> usize {
        self.running + self.waiting
    }
}

/// Why a job could not be added to a queue.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The maximum number of jobs are running and waiting.
    #[error("the queue is full")]
    Full,
    /// The queue accepts no further jobs.
    #[error("the queue is closed")]
    Closed,
    /// The queue cannot be reached, or cannot write.
    #[error("the queue failed")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}
