//! When to look for what lost processes have left.

use parking_lot::Mutex;
use tokio::time::Instant;

use super::shared::Broker;

/// When this process has last looked for the leases of lost ones.
#[derive(Debug, Default)]
pub(super) struct TakeOver(Mutex<Option<Instant>>);

impl TakeOver {
    /// Whether it is time to look for them, which then counts as done.
    pub(super) fn is_time(&self, broker: &Broker) -> bool {
        let interval = broker.config.look_interval();
        let mut looked_at = self.0.lock();
        let is_time = broker.link.may_take_over()
            && looked_at.is_none_or(|looked_at| looked_at.elapsed() >= interval);
        if is_time {
            *looked_at = Some(Instant::now());
        }
        is_time
    }
}
