//! Channels of the broker. A message says only that something has changed; whoever misses one looks after a while anyway.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::StreamExt;
use parking_lot::Mutex;
use redis::aio::PubSubSink;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::time::{sleep, timeout};
use tracing::debug;

use super::error::BrokerError;
use super::link::Link;

/// The pause before another attempt to connect.
const PAUSE: Duration = Duration::from_millis(200);

/// How long a connection or an answer may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How often the connection is checked.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// All subscriptions of this process, on one connection.
#[derive(Debug)]
pub(super) struct Subscriptions {
    channels: Arc<Mutex<HashMap<String, Channel>>>,
    changes: UnboundedSender<Change>,
}

#[derive(Debug)]
struct Channel {
    subscribers: usize,
    changed: Arc<Notify>,
}

#[derive(Debug)]
enum Change {
    Subscribe(String),
    Unsubscribe(String),
}

/// A subscription of a channel, until it is dropped.
#[derive(Debug)]
pub(super) struct Subscription {
    name: String,
    changed: Arc<Notify>,
    channels: Weak<Mutex<HashMap<String, Channel>>>,
    changes: UnboundedSender<Change>,
}

impl Subscription {
    /// Waits for a message; one that came since the last wait counts.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let Some(channels) = self.channels.upgrade() else {
            return;
        };
        let mut channels = channels.lock();
        let Some(channel) = channels.get_mut(&self.name) else {
            return;
        };
        channel.subscribers -= 1;
        if channel.subscribers == 0 {
            channels.remove(&self.name);
            let _ = self.changes.send(Change::Unsubscribe(self.name.clone()));
        } else {
            // The message may have been meant for another subscriber.
            self.changed.notify_waiters();
        }
    }
}

impl Subscriptions {
    /// No subscriptions yet; a task of the current runtime keeps the connection.
    pub(super) fn start(link: Arc<Link>) -> Self {
        let channels: Arc<Mutex<HashMap<String, Channel>>> = Arc::default();
        let (changes, inbox) = mpsc::unbounded_channel();
        tokio::spawn(run(link, Arc::clone(&channels), inbox));
        Self { channels, changes }
    }

    /// Subscribes to a channel.
    pub(super) fn subscribe(&self, name: String) -> Subscription {
        let mut channels = self.channels.lock();
        let channel = channels.entry(name.clone()).or_insert_with(|| {
            let _ = self.changes.send(Change::Subscribe(name.clone()));
            Channel {
                subscribers: 0,
                changed: Arc::default(),
            }
        });
        channel.subscribers += 1;
        Subscription {
            name,
            changed: Arc::clone(&channel.changed),
            channels: Arc::downgrade(&self.channels),
            changes: self.changes.clone(),
        }
    }
}

async fn run(
    link: Arc<Link>,
    channels: Arc<Mutex<HashMap<String, Channel>>>,
    mut inbox: UnboundedReceiver<Change>,
) {
    loop {
        match listen(&link, &channels, &mut inbox).await {
            Ok(()) => return,
            Err(error @ BrokerError::Forbidden(_)) => {
                link.forbidden(error);
            }
            Err(error) => debug!(%error, "the subscriptions are lost"),
        }
        sleep(PAUSE).await;
    }
}

/// Listens until the connection is lost. Ends without an error when all senders of changes are gone.
async fn listen(
    link: &Link,
    channels: &Mutex<HashMap<String, Channel>>,
    inbox: &mut UnboundedReceiver<Change>,
) -> Result<(), BrokerError> {
    let client = link.client().await?;
    let connection = timeout(TIMEOUT, client.get_async_pubsub()).await;
    let connection = connection.map_err(|_| BrokerError::Timeout)?;
    let (mut sink, mut messages) = connection.map_err(BrokerError::of)?.split();
    // Changes from before are part of the list of all channels.
    while inbox.try_recv().is_ok() {}
    let names: Vec<String> = channels.lock().keys().cloned().collect();
    for part in names.chunks(500) {
        answered(sink.subscribe(part)).await?;
    }
    for name in &names {
        if let Some(channel) = channels.lock().get(name) {
            channel.changed.notify_one();
        }
    }
    let mut ping = tokio::time::interval(PING_INTERVAL);
    loop {
        tokio::select! {
            message = messages.next() => {
                let Some(message) = message else {
                    return Err(BrokerError::Timeout);
                };
                if let Some(channel) = channels.lock().get(message.get_channel_name()) {
                    channel.changed.notify_one();
                }
            }
            change = inbox.recv() => match change {
                Some(change) => apply(&mut sink, channels, change).await?,
                None => return Ok(()),
            },
            _ = ping.tick() => answered(sink.ping::<redis::Value>()).await?,
        }
    }
}

async fn apply(
    sink: &mut PubSubSink,
    channels: &Mutex<HashMap<String, Channel>>,
    change: Change,
) -> Result<(), BrokerError> {
    match change {
        Change::Subscribe(name) => {
            answered(sink.subscribe(&name)).await?;
            // What was sent before is not missed.
            if let Some(channel) = channels.lock().get(&name) {
                channel.changed.notify_one();
            }
        }
        Change::Unsubscribe(name) => {
            let is_unused = !channels.lock().contains_key(&name);
            if is_unused {
                answered(sink.unsubscribe(&name)).await?;
            }
        }
    }
    Ok(())
}

async fn answered<T>(
    request: impl Future<Output = redis::RedisResult<T>>,
) -> Result<(), BrokerError> {
    let answer = timeout(TIMEOUT, request).await;
    answer
        .map_err(|_| BrokerError::Timeout)?
        .map(|_| ())
        .map_err(BrokerError::of)
}
