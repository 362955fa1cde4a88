//! Waits until a replica has a change, where there are replicas: a broker that is lost takes what no replica has with it.

use std::sync::Arc;
use std::time::Duration;

use redis::{Value, cmd};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::config::BrokerConfig;
use super::error::BrokerError;
use super::link::Link;
use super::value::{integer, text};

/// How long one request to wait may take.
const WAIT: Duration = Duration::from_millis(500);

/// How long a change may take to be confirmed.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How long the number of replicas is believed.
const KNOWN_FOR: Duration = Duration::from_secs(2);

/// Gets whether a replica has confirmed what was written before.
type Waiter = oneshot::Sender<bool>;

/// Waits for replicas, for all changes of this process together.
#[derive(Debug)]
pub(super) struct Replicas(UnboundedSender<Waiter>);

impl Replicas {
    /// A task of the current runtime waits, on a connection of its own, because the request blocks it.
    pub(super) fn start(config: Arc<BrokerConfig>, link: Link) -> Self {
        let (sender, inbox) = mpsc::unbounded_channel();
        tokio::spawn(run(config, link, inbox));
        Self(sender)
    }

    /// Returns once a replica has what was written before, or at once if there is no replica.
    ///
    /// # Errors
    /// If none confirms it in time.
    pub(super) async fn confirmed(&self) -> Result<(), BrokerError> {
        let (sender, confirmed) = oneshot::channel();
        let sent = self.0.send(sender).is_ok();
        match confirmed.await {
            Ok(true) if sent => Ok(()),
            _ => Err(BrokerError::Unconfirmed),
        }
    }
}

async fn run(config: Arc<BrokerConfig>, link: Link, mut inbox: UnboundedReceiver<Waiter>) {
    let mut known: Option<(Instant, bool)> = None;
    while let Some(first) = inbox.recv().await {
        let mut waiters = vec![first];
        while let Ok(waiter) = inbox.try_recv() {
            waiters.push(waiter);
        }
        let fresh = known.filter(|(at, _)| at.elapsed() < KNOWN_FOR);
        let has_replicas = match fresh {
            Some((_, has_replicas)) => Ok(has_replicas),
            None => match has_replicas(&link).await {
                // The connection was lost some time ago.
                Err(BrokerError::Away(_)) => has_replicas(&link).await,
                answer => answer,
            },
        };
        let confirmed = match has_replicas {
            Ok(has_replicas) => {
                known = Some((Instant::now(), has_replicas));
                if has_replicas {
                    wait(&config, &link).await
                } else {
                    Ok(())
                }
            }
            Err(error) => Err(error),
        };
        for waiter in waiters {
            let _ = waiter.send(confirmed.is_ok());
        }
    }
}

async fn has_replicas(link: &Link) -> Result<bool, BrokerError> {
    let info = match link.request(cmd("INFO").arg("replication")).await {
        Ok(info) => text(info)?,
        // A user who may not ask has to be served as well.
        Err(BrokerError::Refused(_)) => return Ok(false),
        Err(error) => return Err(error),
    };
    let count = info
        .lines()
        .find_map(|line| line.strip_prefix("connected_slaves:"))
        .and_then(|count| count.trim().parse::<u32>().ok());
    Ok(count.is_some_and(|count| count > 0))
}

/// `WAIT` counts replicas that have everything that this connection has written, and so all that was written before.
async fn wait(config: &BrokerConfig, link: &Link) -> Result<(), BrokerError> {
    let began = Instant::now();
    let mut mark = cmd("SET");
    mark.arg(format!("{}synced", config.prefix)).arg(1);
    link.request(&mark).await?;
    while began.elapsed() < TIMEOUT {
        let answer: Value = link
            .request(cmd("WAIT").arg(1).arg(WAIT.as_millis() as u64))
            .await?;
        if integer(&answer)? >= 1 {
            return Ok(());
        }
    }
    Err(BrokerError::Unconfirmed)
}
