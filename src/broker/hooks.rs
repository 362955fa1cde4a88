//! Sends the webhooks of predictions, whichever machine draws them. One process at a time sends those of a prediction: it
//! leases them, and asks before each message whether it still has the lease.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::error::BrokerError;
use super::link::{arguments, flag};
use super::record::created_of;
use super::script::{HOOK_END, HOOK_HOLD, HOOK_LEASE};
use super::shared::{Broker, RETRY_PAUSE};
use super::store::RedisStore;
use super::take_over::TakeOver;
use super::value::{bytes, integer, list, next, text};
use crate::delivery::webhook::{WebhookLease, WebhookSender};
use crate::errors::chain;
use crate::service::{Prediction, Receiver};

/// How often to try to read a prediction with webhooks.
const READ_INTERVAL: Duration = Duration::from_secs(1);

/// The maximum number of predictions whose webhooks one process sends at the same time.
const MAX_TASKS: usize = 2000;

/// Sends the webhooks of predictions until it is stopped.
#[derive(Debug)]
pub struct HookRunner {
    stopping: CancellationToken,
    tasks: TaskTracker,
}

/// What the tasks share.
#[derive(Debug, Clone)]
struct Parts {
    broker: Arc<Broker>,
    store: RedisStore,
    webhooks: Arc<WebhookSender>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

/// The webhooks of one prediction, leased.
#[derive(Debug, Clone)]
struct Hook {
    id: String,
    entry: String,
    created: String,
    fence: String,
    receiver: String,
    /// The name of the last message that was sent.
    sent: String,
}

impl HookRunner {
    /// Starts to send webhooks once `ready` is cancelled. It must be called within a tokio runtime.
    pub fn start(
        broker: Arc<Broker>,
        webhooks: Arc<WebhookSender>,
        ready: CancellationToken,
    ) -> Self {
        let parts = Parts {
            store: RedisStore::new(Arc::clone(&broker)),
            broker,
            webhooks,
            stopping: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        let runner = Self {
            stopping: parts.stopping.clone(),
            tasks: parts.tasks.clone(),
        };
        runner.tasks.spawn(async move {
            tokio::select! {
                () = ready.cancelled() => parts.run().await,
                () = parts.stopping.cancelled() => {}
            }
        });
        runner
    }

    /// Stops, and leaves webhooks that are not delivered to another process.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Parts {
    async fn run(self) {
        let channel = self.broker.key("hooks");
        let subscription = self.broker.subscriptions.subscribe(channel);
        let take_over = TakeOver::default();
        let interval = self.broker.config.look_interval();
        loop {
            let take_over = take_over.is_time(&self.broker);
            if self.tasks.len() < MAX_TASKS {
                match self.lease(take_over).await {
                    Ok(Some(hook)) => {
                        self.tasks.spawn(self.clone().send(hook));
                        continue;
                    }
                    Ok(None) => {}
                    Err(error) => debug!(%error, "no webhooks can be leased"),
                }
            }
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = subscription.changed() => {}
                () = sleep(interval) => {}
            }
        }
    }

    async fn lease(&self, take_over: bool) -> Result<Option<Hook>, BrokerError> {
        if self.stopping.is_cancelled() {
            return Ok(None);
        }
        let request = arguments([
            self.broker.config.name.as_bytes(),
            self.broker.lease().as_bytes(),
            flag(take_over),
        ]);
        loop {
            let answer = self.broker.call(&HOOK_LEASE, &request).await?;
            let mut parts = list(answer)?.into_iter();
            match integer(&next(&mut parts)?)? {
                0 => return Ok(None),
                1 => {}
                _ => {
                    let id = bytes(next(&mut parts)?)?;
                    let id = String::from_utf8_lossy(&id);
                    debug!(%id, "the webhooks of a prediction are no longer wanted");
                    continue;
                }
            }
            let mut part = || text(next(&mut parts)?);
            return Ok(Some(Hook {
                id: part()?,
                entry: part()?,
                created: part()?,
                fence: part()?,
                receiver: part()?,
                sent: part()?,
            }));
        }
    }

    /// Sends all messages of a prediction, or gives its webhooks to another process.
    async fn send(self, hook: Hook) {
        let lease = Arc::new(HookLease {
            broker: Arc::clone(&self.broker),
            hook: hook.clone(),
            renewed: Mutex::new(Instant::now()),
            unrecorded: Mutex::new(None),
            lost: CancellationToken::new(),
        });
        let is_done = tokio::select! {
            is_done = self.deliver(&hook, &lease) => is_done,
            () = lease.renew() => return,
            () = self.stopping.cancelled() => false,
        };
        let mut request = arguments([
            hook.id.as_bytes(),
            hook.entry.as_bytes(),
            hook.fence.as_bytes(),
            flag(is_done),
            self.broker.config.name.as_bytes(),
            self.broker.lease().as_bytes(),
        ]);
        request.extend(self.broker.retention());
        let is_over = || self.stopping.is_cancelled();
        if let Err(error) = self.broker.call_until(&HOOK_END, &request, is_over).await {
            warn!(%error, id = hook.id, "delivered webhooks are not recorded");
        }
    }

    /// Sends all messages of a prediction. Returns whether nothing is left to be sent.
    async fn deliver(&self, hook: &Hook, lease: &Arc<HookLease>) -> bool {
        let Some(prediction) = self.find(hook).await else {
            return true;
        };
        let receiver = Receiver::new(hook.receiver.clone());
        let sent = Some(hook.sent.as_str()).filter(|sent| !sent.is_empty());
        let lease: Arc<dyn WebhookLease> = Arc::clone(lease) as _;
        match self
            .webhooks
            .send_leased(prediction, &receiver, sent, lease)
        {
            Ok(sending) => sending.await,
            Err(error) => {
                let error = chain(&error);
                warn!(error, id = hook.id, "the webhooks of a prediction are lost");
                true
            }
        }
    }

    async fn find(&self, hook: &Hook) -> Option<Arc<Prediction>> {
        loop {
            let error = match self.store.find_hooked(&hook.id, &hook.entry).await {
                Ok(found) => {
                    return found.filter(|found| created_of(found) == hook.created);
                }
                Err(error) => error,
            };
            let (id, message) = (&hook.id, chain(&error));
            if !error.is_temporary() {
                warn!(
                    error = message,
                    id, "the webhooks of a damaged prediction are lost"
                );
                return None;
            }
            info!(
                error = message,
                id, "a prediction with webhooks cannot be read"
            );
            sleep(READ_INTERVAL).await;
        }
    }
}

/// The lease of the webhooks of one prediction.
#[derive(Debug)]
struct HookLease {
    broker: Arc<Broker>,
    hook: Hook,
    renewed: Mutex<Instant>,
    /// The name of the last message that was sent, if the broker could not record it. Nothing else may be sent before it is
    /// recorded: the process that takes over would send it again, after a later message.
    unrecorded: Mutex<Option<String>>,
    lost: CancellationToken,
}

impl HookLease {
    /// Renews the lease until it is lost.
    async fn renew(&self) {
        let interval = self.broker.config.renewal_interval();
        loop {
            tokio::select! {
                () = self.lost.cancelled() => return,
                () = sleep(interval) => {}
            }
            if let Err(error) = self.hold("").await {
                debug!(%error, "the lease of webhooks cannot be renewed");
            }
        }
    }

    async fn hold(&self, sent: &str) -> Result<bool, BrokerError> {
        let began = Instant::now();
        let request = arguments([
            self.hook.id.as_bytes(),
            self.hook.entry.as_bytes(),
            self.hook.fence.as_bytes(),
            self.broker.config.name.as_bytes(),
            sent.as_bytes(),
        ]);
        let answer = self.broker.call(&HOOK_HOLD, &request).await?;
        let holds = integer(&answer)? == 1;
        if holds {
            *self.renewed.lock() = began;
        } else {
            self.lost.cancel();
        }
        Ok(holds)
    }
}

#[async_trait]
impl WebhookLease for HookLease {
    async fn may_send(&self) -> bool {
        loop {
            if self.lost.is_cancelled() {
                return false;
            }
            let unrecorded = self.unrecorded.lock().clone();
            // A process that was stopped for a while does not know whether another one sends now.
            let is_fresh = self.renewed.lock().elapsed() < self.broker.config.lease / 2;
            if unrecorded.is_none() && is_fresh {
                return true;
            }
            match self.hold(unrecorded.as_deref().unwrap_or_default()).await {
                Ok(_) => *self.unrecorded.lock() = None,
                Err(_) => sleep(RETRY_PAUSE).await,
            }
        }
    }

    async fn sent(&self, name: &str) {
        if let Err(error) = self.hold(name).await {
            debug!(%error, "a webhook is not recorded yet");
            *self.unrecorded.lock() = Some(name.to_owned());
        }
    }
}
