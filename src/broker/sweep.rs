//! What front ends do from time to time for all: they look for predictions that stand in no queue because somebody has removed
//! something from the broker, and remove what lost workers have left.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::error::BrokerError;
use super::link::arguments;
use super::script::{SWEEP, TIDY};
use super::shared::Broker;
use super::value::{bytes, list, next, text};

/// The pause between two looks at some of the keys.
const INTERVAL: Duration = Duration::from_secs(1);

/// The same while predictions are found that stand in no queue.
const FOUND_INTERVAL: Duration = Duration::from_millis(20);

/// About how many keys are looked at together. The broker does nothing else meanwhile.
const KEYS: &str = "100";

/// How often consumers are removed that lost workers have left.
const TIDY_INTERVAL: Duration = Duration::from_mins(10);

/// Looks after the queues; it never returns.
pub async fn sweep(broker: Arc<Broker>) {
    let mut cursor = "0".to_owned();
    let mut tidied = Instant::now();
    let mut pause = INTERVAL;
    loop {
        sleep(pause).await;
        pause = INTERVAL;
        // After an outage, no worker could renew its leases.
        if !broker.link.may_take_over() {
            continue;
        }
        match sweep_some(&broker, &cursor).await {
            Ok(swept) => {
                if swept.has_found {
                    pause = FOUND_INTERVAL;
                }
                cursor = swept.cursor;
            }
            Err(error) => debug!(%error, "the queues cannot be checked"),
        }
        if tidied.elapsed() >= TIDY_INTERVAL {
            tidied = Instant::now();
            if let Err(error) = broker.call(&TIDY, &Vec::new()).await {
                debug!(%error, "what lost workers have left cannot be removed");
            }
        }
    }
}

/// Where to go on, and whether something was found.
struct Swept {
    cursor: String,
    has_found: bool,
}

async fn sweep_some(broker: &Broker, cursor: &str) -> Result<Swept, BrokerError> {
    let lease = broker.lease();
    let request = arguments([cursor.as_bytes(), KEYS.as_bytes(), lease.as_bytes()]);
    let mut found = list(broker.call(&SWEEP, &request).await?)?.into_iter();
    let cursor = text(next(&mut found)?)?;
    let mut count = 0_usize;
    for id in found {
        let id = bytes(id)?;
        count += 1;
        debug!(id = %String::from_utf8_lossy(&id), "a prediction is queued again");
    }
    if count > 0 {
        warn!(
            count,
            "predictions or their webhooks stood in no queue; they are queued again"
        );
    }
    Ok(Swept {
        cursor,
        has_found: count > 0,
    })
}
