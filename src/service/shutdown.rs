//! The shutdown of the service: no new predictions are accepted, and every accepted one ends.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The progress of the shutdown, and the tasks that it waits for.
#[derive(Debug, Default)]
pub(super) struct Shutdown {
    closed: CancellationToken,
    cancel_now: CancellationToken,
    /// At least one task for each unfinished prediction.
    tasks: TaskTracker,
}

impl Shutdown {
    /// The tasks that have to end before the service has ended.
    pub(super) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// No prediction is accepted from now on.
    pub(super) fn close(&self) {
        self.closed.cancel();
        self.tasks.close();
    }

    /// Whether predictions are no longer accepted.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }

    /// Ends every prediction, without waiting for the worker.
    pub(super) fn cancel_now(&self) {
        self.cancel_now.cancel();
    }

    /// Waits for [`Self::cancel_now`].
    pub(super) async fn cancel_now_requested(&self) {
        self.cancel_now.cancelled().await;
    }

    /// Waits, after [`Self::close`], until every prediction has ended.
    pub(super) async fn drained(&self) {
        self.tasks.wait().await;
    }
}
