//! What a process does from time to time: measure the queues, make the streams, and pass on what workers say about the model.

use std::sync::Arc;
use std::time::Duration;

use redis::cmd;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::error::BrokerError;
use super::measure::{self, Occupancy};
use super::script::{DEPTH, SETUP};
use super::shared::Broker;
use super::value::{bytes, integer, list, next};
use crate::output::Provenance;
use crate::service::Service;

/// How often the queues are measured.
const INTERVAL: Duration = Duration::from_secs(1);

/// The same for workers, of which there may be many.
const WORKER_INTERVAL: Duration = Duration::from_secs(10);

/// The same while the broker is away.
const AWAY_INTERVAL: Duration = Duration::from_millis(300);

/// How often it is checked whether the streams are there.
const SETUP_INTERVAL: Duration = Duration::from_secs(10);

/// What workers say about their model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Model {
    token_limit: usize,
    /// What draws. Workers of earlier versions do not say it.
    #[serde(default)]
    provenance: Option<Provenance>,
}

impl Model {
    /// The model of this process; `None` while it is not loaded.
    fn of(service: &Service) -> Option<Self> {
        let token_limit = service.token_limit();
        (token_limit != usize::MAX).then(|| Self {
            token_limit,
            provenance: service.readiness().model().map(|model| (*model).clone()),
        })
    }
}

/// Whether this process has a model of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It draws, and says what its model reads.
    Worker,
    /// It believes what workers say.
    FrontEnd,
}

/// Measures the queues and makes the streams; it never returns.
pub async fn upkeep(broker: Arc<Broker>, service: Arc<Service>, role: Role) {
    let mut made: Option<Instant> = None;
    let mut said = None;
    loop {
        let is_time = made.is_none_or(|made| made.elapsed() >= SETUP_INTERVAL);
        if is_time && let Ok(layout) = broker.call(&SETUP, &Vec::new()).await {
            made = Some(Instant::now());
            let layout = integer(&layout)
                .ok()
                .and_then(|layout| layout.try_into().ok());
            broker.link.refuse_newer(layout.unwrap_or_default()).await;
        }
        match measure(&broker).await {
            Ok(model) if role == Role::FrontEnd => {
                if let Some(model) = model {
                    service.set_token_limit(model.token_limit);
                    if let Some(provenance) = &model.provenance {
                        service.set_model(provenance);
                    }
                }
            }
            Ok(known) => {
                let own = Model::of(&service);
                if own.is_some() && (own != known || said.is_none()) {
                    said = say(&broker, own).await.ok();
                }
            }
            Err(error) => debug!(%error, "the queues cannot be measured"),
        }
        let is_starting = role == Role::Worker && said.is_none();
        sleep(match role {
            _ if broker.fault().is_some() => AWAY_INTERVAL,
            Role::Worker if !is_starting => WORKER_INTERVAL,
            _ => INTERVAL,
        })
        .await;
    }
}

async fn measure(broker: &Broker) -> Result<Option<Model>, BrokerError> {
    let mut parts = list(broker.call(&DEPTH, &Vec::new()).await?)?.into_iter();
    let mut number = || {
        let number = integer(&next(&mut parts)?)?;
        Ok::<_, BrokerError>(usize::try_from(number).unwrap_or_default())
    };
    let (total, running, oldest, dead) = (number()?, number()?, number()?, number()?);
    let backlog = Occupancy {
        running,
        waiting: total.saturating_sub(running),
        oldest: Duration::from_millis(oldest as u64),
        dead,
    };
    *broker.backlog.lock() = backlog;
    measure::backlog(backlog);
    let model = bytes(next(&mut parts)?)?;
    Ok(serde_json::from_slice(&model).ok())
}

async fn say(broker: &Broker, model: Option<Model>) -> Result<(), BrokerError> {
    let text =
        serde_json::to_vec(&model).map_err(|error| BrokerError::Damaged(error.to_string()))?;
    let mut set = cmd("SET");
    set.arg(broker.key("model")).arg(text);
    broker.link.request(&set).await?;
    Ok(())
}
