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

/// What the broker has said about its replicas.
#[derive(Debug, Clone, Copy)]
struct Known {
    asked_at: Instant,
    has_replicas: bool,
}

impl Known {
    /// Whether there are replicas; `None` if the broker has to be asked again.
    fn at(self, now: Instant) -> Option<bool> {
        (now.duration_since(self.asked_at) < KNOWN_FOR).then_some(self.has_replicas)
    }
}

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
        // Without the task, nobody answers.
        let _ = self.0.send(sender);
        match confirmed.await {
            Ok(true) => Ok(()),
            _ => Err(BrokerError::Unconfirmed),
        }
    }
}

async fn run(config: Arc<BrokerConfig>, link: Link, mut inbox: UnboundedReceiver<Waiter>) {
    let mut known = None;
    while let Some(first) = inbox.recv().await {
        let mut waiters = vec![first];
        while let Ok(waiter) = inbox.try_recv() {
            waiters.push(waiter);
        }
        let confirmed = confirm(&config, &link, &mut known).await;
        for waiter in waiters {
            let _ = waiter.send(confirmed.is_ok());
        }
    }
}

/// Waits until a replica has what was written before, if there are replicas.
async fn confirm(
    config: &BrokerConfig,
    link: &Link,
    known: &mut Option<Known>,
) -> Result<(), BrokerError> {
    let believed = known.and_then(|known| known.at(Instant::now()));
    let has_replicas = if let Some(has_replicas) = believed {
        has_replicas
    } else {
        let has_replicas = match has_replicas(link).await {
            // The connection was lost some time ago.
            Err(BrokerError::Away(_)) => has_replicas(link).await?,
            answer => answer?,
        };
        *known = Some(Known {
            asked_at: Instant::now(),
            has_replicas,
        });
        has_replicas
    };
    if has_replicas {
        wait(config, link).await
    } else {
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_about_replicas_is_believed_for_a_while_however_often_it_is_used() {
        let asked_at = Instant::now();
        let known = Known {
            asked_at,
            has_replicas: false,
        };
        for part in 0..10 {
            assert_eq!(known.at(asked_at + KNOWN_FOR * part / 10), Some(false));
        }
        assert_eq!(known.at(asked_at + KNOWN_FOR), None);
    }
}
