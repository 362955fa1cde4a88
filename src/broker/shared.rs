//! [`Broker`]: what the queue, the store and the webhooks of one process share.

use std::collections::HashMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use redis::Value;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::sleep;

use super::config::BrokerConfig;
use super::error::BrokerError;
use super::held::HeldLeases;
use super::link::{Arguments, Link, arguments};
use super::measure::Occupancy;
use super::replica::Replicas;
use super::script::Script;
use super::subscriptions::Subscriptions;
use crate::service::Prediction;

/// The pause between two attempts while the broker is away.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// The connection to the broker with all that this process knows: the queue, the store and the webhooks share it.
#[derive(Debug)]
pub struct Broker {
    pub(super) config: Arc<BrokerConfig>,
    pub(super) link: Arc<Link>,
    pub(super) subscriptions: Subscriptions,
    pub(super) replicas: Replicas,
    /// Handles that somebody watches.
    pub(super) live: Mutex<HashMap<String, Live>>,
    pub(super) held: HeldLeases,
    pub(super) backlog: Mutex<Occupancy>,
    /// How many jobs this process left to newer ones when it looked for one last.
    pub(super) newer: AtomicI64,
}

/// A handle that somebody watches, filled from the stream.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) prediction: Weak<Prediction>,
    /// Held while events are applied.
    pub(super) reading: Arc<AsyncMutex<()>>,
}

impl Broker {
    /// Prepares the connection, which is made when it is first used. It must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the URL or the certificates cannot be used.
    pub fn new(config: BrokerConfig) -> Result<Arc<Self>, BrokerError> {
        let config = Arc::new(config);
        let link = Arc::new(Link::new(Arc::clone(&config))?);
        let waiting = link.another();
        Ok(Arc::new(Self {
            subscriptions: Subscriptions::start(Arc::clone(&link)),
            replicas: Replicas::start(Arc::clone(&config), waiting),
            live: Mutex::default(),
            held: HeldLeases::default(),
            backlog: Mutex::default(),
            newer: AtomicI64::new(0),
            link,
            config,
        }))
    }

    /// Why the broker cannot be used at the moment.
    pub fn fault(&self) -> Option<String> {
        self.link.fault()
    }

    pub(super) async fn call(
        &self,
        script: &Script,
        arguments: &Arguments,
    ) -> Result<Value, BrokerError> {
        self.link.call(script, arguments).await
    }

    /// Runs a script, and again while the error is temporary, unless `stop` says after an attempt that it is the last.
    pub(super) async fn call_until(
        &self,
        script: &Script,
        arguments: &Arguments,
        stop: impl Fn() -> bool,
    ) -> Result<Value, BrokerError> {
        loop {
            match self.call(script, arguments).await {
                Err(error) if error.is_temporary() && !stop() => sleep(RETRY_PAUSE).await,
                answer => return answer,
            }
        }
    }

    /// The name of a key or a channel.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.config.prefix)
    }

    /// For how many milliseconds a finished prediction is kept, the limits of all finished ones, and the milliseconds in which
    /// a prediction has just ended, as arguments of a script.
    pub(super) fn retention(&self) -> Arguments {
        let kept_for = self.config.kept_for().as_millis().to_string();
        let (count, bytes) = (self.config.remember, self.config.remember_bytes);
        arguments([
            kept_for.as_bytes(),
            count.to_string().as_bytes(),
            bytes.to_string().as_bytes(),
            self.lease().as_bytes(),
        ])
    }

    /// The milliseconds after which a lease that is not renewed is over.
    pub(super) fn lease(&self) -> String {
        self.config.lease.as_millis().to_string()
    }

    /// The milliseconds for which an awaited prediction lives without its front end.
    pub(super) fn life(&self) -> String {
        self.config.life().as_millis().to_string()
    }
}
