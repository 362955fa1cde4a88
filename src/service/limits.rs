//! How much the service accepts and keeps.

use std::time::Duration;

/// How much the service accepts and keeps.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Drawings at once, stepped together.
    pub slots: usize,
    /// Accepted predictions that may wait for a slot.
    pub queue: usize,
    /// The same for callers that wait rather than being refused, those of Replicate's clients, if it is more.
    pub long_queue: usize,
    /// Events of a prediction that are replayed to a late subscriber.
    pub replay: usize,
    /// Finished predictions that are kept.
    pub remember: usize,
    /// How long they are kept.
    pub remember_for: Duration,
    /// The maximum size of the files of all of them together, in bytes.
    pub remember_bytes: usize,
}

impl Limits {
    /// Predictions that may be accepted and unfinished at once: running and waiting ones.
    pub fn capacity(&self) -> usize {
        self.slots + self.queue
    }

    /// The same, for callers that wait rather than being refused.
    pub fn long_capacity(&self) -> usize {
        self.slots + self.queue.max(self.long_queue)
    }
}
