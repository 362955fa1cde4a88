//! [`RedisQueue`].

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use redis::cmd;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::link::Link;
use super::renewal::Attempt;
use super::shared::Broker;
use super::take_over::TakeOver;
use crate::service::{Depth, Job, Lease, PushError, Queue};

/// How often to look for a job while others are being drawn.
const BUSY_INTERVAL: Duration = Duration::from_millis(200);

/// The queue in Redis or Valkey that workers on many machines share.
///
/// Leases are renewed by a task until they are completed.
#[derive(Debug)]
pub struct RedisQueue(Arc<State>);

#[derive(Debug)]
struct State {
    broker: Arc<Broker>,
    /// For requests that block their connection.
    blocking: Link,
    closed: CancellationToken,
    /// Leases that nobody has taken yet, with the time at which they were made.
    ready: Mutex<VecDeque<(Lease, Instant)>>,
    /// Whether a job is being leased now.
    is_leasing: AtomicBool,
    leased: Notify,
    take_over: TakeOver,
    /// When no job was found last.
    found_none: Mutex<Option<Instant>>,
}

impl RedisQueue {
    /// The queue of a broker. A task of the current runtime renews the leases.
    pub fn new(broker: Arc<Broker>) -> Self {
        let state = Arc::new(State {
            blocking: broker.link.another(),
            broker,
            closed: CancellationToken::new(),
            ready: Mutex::default(),
            is_leasing: AtomicBool::new(false),
            leased: Notify::new(),
            take_over: TakeOver::default(),
            found_none: Mutex::default(),
        });
        tokio::spawn(renew(Arc::clone(&state)));
        Self(state)
    }
}

/// Renews all leases, and those at once about which there is a message.
async fn renew(state: Arc<State>) {
    let broker = &state.broker;
    let channel = broker.key(&format!("control:{}", broker.config.name));
    let control = broker.subscriptions.subscribe(channel);
    let interval = broker.config.renewal_interval();
    loop {
        tokio::select! {
            () = sleep(interval) => {}
            () = control.changed() => {}
        }
        broker.renew_leases().await;
        // Nobody has taken it: another worker may be free.
        let unused = {
            let mut ready = state.ready.lock();
            let is_old = ready.front().is_some_and(|(_, at)| at.elapsed() > interval);
            if is_old { ready.pop_front() } else { None }
        };
        if let Some((lease, _)) = unused {
            state.give_back(lease, Attempt::DoesNotCount).await;
        }
    }
}

impl State {
    /// Starts to lease a job, unless that is being done already. The result is in `ready`, so that no lease is lost when a
    /// caller no longer waits.
    fn start_leasing(self: &Arc<Self>) {
        if self.is_leasing.swap(true, Ordering::AcqRel) {
            return;
        }
        let state = Arc::clone(self);
        tokio::spawn(async move {
            let take_over = state.take_over.is_time(&state.broker);
            match state.broker.lease_job(take_over).await {
                Ok(Some(lease)) if state.closed.is_cancelled() => {
                    state.give_back(lease, Attempt::DoesNotCount).await;
                }
                Ok(Some(lease)) => {
                    state.ready.lock().push_back((lease, Instant::now()));
                }
                Ok(None) => *state.found_none.lock() = Some(Instant::now()),
                Err(error) => {
                    debug!(%error, "no job can be leased");
                    *state.found_none.lock() = Some(Instant::now());
                }
            }
            state.is_leasing.store(false, Ordering::Release);
            state.leased.notify_waiters();
        });
    }

    fn take(&self) -> Option<Lease> {
        self.ready.lock().pop_front().map(|(lease, _)| lease)
    }

    /// Waits for a message that a job waits, or a while.
    async fn wait_for_jobs(&self) {
        let longest = self.broker.config.look_interval();
        let mut wait = cmd("BLPOP");
        wait.arg(self.broker.key("wake")).arg(longest.as_secs_f64());
        tokio::select! {
            answer = self.blocking.request(&wait) => if answer.is_err() {
                sleep(longest).await;
            },
            () = self.closed.cancelled() => {}
        }
    }

    async fn give_back(&self, lease: Lease, attempt: Attempt) {
        if let Some(held) = self.broker.held.find(&lease.job.id, lease.fence) {
            self.broker.give_back(&held, attempt).await;
        }
        self.broker.held.remove(&lease.job.id, lease.fence);
    }
}

#[async_trait]
impl Queue for RedisQueue {
    /// Does nothing: the store has queued the job when it was inserted.
    async fn push(&self, _job: Job) -> Result<(), PushError> {
        Ok(())
    }

    /// Does nothing: the queue outlives the process.
    async fn restore(&self, _job: Job, _attempts: u32) {}

    async fn lease(&self) -> Option<Lease> {
        let state = &self.0;
        loop {
            if state.closed.is_cancelled() {
                return None;
            }
            let leased = state.leased.notified();
            if let Some(lease) = state.take() {
                return Some(lease);
            }
            state.start_leasing();
            leased.await;
            if let Some(lease) = state.take() {
                return Some(lease);
            }
            state.wait_for_jobs().await;
        }
    }

    async fn try_lease(&self) -> Option<Lease> {
        let state = &self.0;
        let lease = state.take();
        let found_none = *state.found_none.lock();
        let is_time = found_none.is_none_or(|at| at.elapsed() >= BUSY_INTERVAL);
        if lease.is_none() && is_time && !state.closed.is_cancelled() {
            // The caller must not wait for the broker: others are being drawn.
            state.start_leasing();
        }
        lease
    }

    /// Always false: the store ends waiting predictions.
    async fn remove(&self, _id: &str, _created_at: Timestamp) -> bool {
        false
    }

    async fn complete(&self, lease: Lease) {
        self.0.broker.held.remove(&lease.job.id, lease.fence);
    }

    async fn release(&self, lease: Lease) {
        self.0.give_back(lease, Attempt::DoesNotCount).await;
    }

    async fn abandon(&self, lease: Lease) -> Option<Lease> {
        self.0.give_back(lease, Attempt::Counts).await;
        None
    }

    async fn depth(&self) -> Depth {
        let backlog = *self.0.broker.backlog.lock();
        Depth {
            running: backlog.running,
            waiting: backlog.waiting,
        }
    }

    async fn close(&self) {
        self.0.closed.cancel();
        loop {
            let Some(lease) = self.0.take() else { break };
            self.0.give_back(lease, Attempt::DoesNotCount).await;
        }
    }
}
