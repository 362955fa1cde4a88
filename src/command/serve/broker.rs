//! The broker that the arguments name, and the part of this process in what is done with it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use uuid::Uuid;

use super::arguments::{BrokerArguments, ServeArguments};
use super::settings;
use crate::broker::{Broker, BrokerConfig, RedisQueue, RedisStore, TokenCommand};
use crate::environment;
use crate::service::{Queue, Store};

/// What a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) enum Task {
    /// It answers requests, and draws if it has slots.
    Serve,
    /// It only draws, for front ends elsewhere.
    Work,
}

/// The queue and the store in a broker.
pub(super) struct Shared {
    pub(super) broker: Arc<Broker>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) store: Arc<dyn Store>,
}

/// Opens the broker that the arguments name; `None` if they name none.
///
/// # Errors
/// If its address or its certificates cannot be used, or there is none where one is needed.
pub(super) fn open(arguments: &ServeArguments, task: Task) -> anyhow::Result<Option<Shared>> {
    let predictions = &arguments.predictions;
    let (replay, remember_for) = (predictions.history as usize, predictions.remember_seconds);
    let Some(broker) = connect_keeping(&arguments.broker, replay, remember_for)? else {
        if task == Task::Work {
            bail!("a worker needs the address of a broker: set --broker (or CLIPDRAW_BROKER)");
        }
        if arguments.predictions.slots == 0 {
            bail!("--slots 0 needs workers on other machines, and so --broker");
        }
        return Ok(None);
    };
    if task == Task::Work && arguments.predictions.slots == 0 {
        bail!("a worker needs at least one slot");
    }
    let queue = RedisQueue::new(Arc::clone(&broker));
    let store = RedisStore::new(Arc::clone(&broker));
    Ok(Some(Shared {
        broker,
        queue: Arc::new(queue),
        store: Arc::new(store),
    }))
}

/// The broker that the arguments name, for a process that neither serves nor draws; `None` if they name none.
///
/// # Errors
/// If its address or its certificates cannot be used.
pub(in crate::command) fn connect(
    arguments: &BrokerArguments,
) -> anyhow::Result<Option<Arc<Broker>>> {
    connect_keeping(arguments, 0, Duration::from_hours(1))
}

fn connect_keeping(
    arguments: &BrokerArguments,
    replay: usize,
    remember_for: Duration,
) -> anyhow::Result<Option<Arc<Broker>>> {
    let Some(url) = settings::non_empty(arguments.broker.as_ref()) else {
        return Ok(None);
    };
    let broker = Broker::new(BrokerConfig {
        url,
        token_command: arguments.token_command.clone().map(TokenCommand::new),
        certificates: arguments.certificates.clone(),
        prefix: arguments.prefix.clone(),
        name: process_name(),
        lease: arguments.lease,
        capacity: arguments.capacity as usize,
        replay,
        remember_for,
        remember: arguments.broker_remember as usize,
        remember_bytes: arguments.broker_remember_bytes,
    });
    Ok(Some(broker.context("--broker")?))
}

/// How many predictions may be unfinished in a broker.
pub(super) fn capacity(arguments: &BrokerArguments) -> usize {
    match arguments.capacity {
        // No limit.
        0 => usize::MAX >> 1,
        limit => limit as usize,
    }
}

/// The name of this process in the broker, which no other one has: that of its machine or pod, and a random part.
fn process_name() -> String {
    let machine = environment::worker_name().unwrap_or_else(|| "clipdraw".to_owned());
    let random = Uuid::new_v4().simple().to_string();
    format!("{machine}-{}", &random[..8])
}
