//! The dead list: predictions that were given up because a worker was lost each time they were drawn.

use std::sync::Arc;

use jiff::Timestamp;
use redis::cmd;
use serde::{Deserialize, Serialize};

use super::error::BrokerError;
use super::link::arguments;
use super::script::DEAD;
use super::shared::Broker;
use super::store::RedisStore;
use super::value::{bytes, fields, integer};
use super::version::{FORMAT, check_format};
use crate::service::{Accepted, Dispatch, InsertError, Job, Receiver, RestartPolicy, Store};

/// A prediction that was given up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeadJob {
    /// What its worker has to know.
    pub job: Job,
    /// How often it was begun.
    pub attempts: u32,
    /// Why it was given up.
    pub error: String,
    /// When it was given up, in RFC 3339.
    pub failed_at: String,
    #[serde(flatten)]
    dispatch: Dispatch,
    receiver: Option<String>,
    /// The format of the prediction. Earlier versions did not write it.
    #[serde(default)]
    format: u32,
}

impl DeadJob {
    pub(super) fn new(
        accepted: &Accepted,
        attempts: u32,
        error: String,
        failed_at: Timestamp,
    ) -> Self {
        Self {
            job: accepted.job.clone(),
            attempts,
            error,
            failed_at: failed_at.to_string(),
            dispatch: accepted.dispatch.clone(),
            receiver: accepted
                .receiver
                .as_ref()
                .map(|receiver| receiver.as_str().to_owned()),
            format: FORMAT,
        }
    }

    /// The same prediction, accepted now.
    fn again(self) -> Accepted {
        Accepted {
            job: Job {
                created_at: Timestamp::now(),
                ..self.job
            },
            restart_policy: RestartPolicy::DrawAgain,
            receiver: self.receiver.map(Receiver::new),
            dispatch: self.dispatch,
        }
    }
}

/// The dead list of a broker.
#[derive(Debug)]
pub struct DeadList(Arc<Broker>);

impl DeadList {
    /// The dead list of a broker.
    pub fn new(broker: Arc<Broker>) -> Self {
        Self(broker)
    }

    /// All predictions in the list, the oldest first. Damaged records are left out.
    ///
    /// # Errors
    /// If the broker does not answer.
    pub async fn all(&self) -> Result<Vec<DeadJob>, BrokerError> {
        let mut read = cmd("HGETALL");
        read.arg(self.0.key("dead_jobs"));
        let records = fields(self.0.link.request(&read).await?)?;
        let mut jobs: Vec<DeadJob> = records
            .values()
            .filter_map(|record| serde_json::from_slice(record).ok())
            .collect();
        jobs.sort_by(|a, b| a.failed_at.cmp(&b.failed_at));
        Ok(jobs)
    }

    /// The prediction of that id in the list.
    ///
    /// # Errors
    /// If the broker does not answer, or the record is damaged or of a newer version.
    pub async fn find(&self, id: &str) -> Result<Option<DeadJob>, BrokerError> {
        let mut read = cmd("HGET");
        read.arg(self.0.key("dead_jobs")).arg(id);
        let record = bytes(self.0.link.request(&read).await?)?;
        parse(&record)
    }

    /// Removes a prediction from the list; false if it is not there.
    ///
    /// # Errors
    /// If the broker does not answer.
    pub async fn drop_job(&self, id: &str) -> Result<bool, BrokerError> {
        let removed = self.0.call(&DEAD, &arguments([id.as_bytes()])).await?;
        Ok(integer(&removed)? == 1)
    }

    /// Queues a prediction of the list again, under its id, and removes it from the list; false if it is not there.
    ///
    /// # Errors
    /// If the broker does not answer or has no room, or a prediction with this id is unfinished. It stays in the list then.
    pub async fn retry(&self, id: &str) -> Result<bool, InsertError> {
        let unavailable =
            |error: BrokerError| InsertError::Unavailable(crate::service::StoreError::new(error));
        let Some(job) = self.find(id).await.map_err(unavailable)? else {
            return Ok(false);
        };
        let store = RedisStore::new(Arc::clone(&self.0));
        store.insert(&job.again()).await?;
        self.drop_job(id).await.map_err(unavailable)?;
        Ok(true)
    }
}

fn parse(record: &[u8]) -> Result<Option<DeadJob>, BrokerError> {
    #[derive(Deserialize)]
    struct Mark {
        #[serde(default)]
        format: u32,
    }

    if record.is_empty() {
        return Ok(None);
    }
    let damaged = |error| BrokerError::Damaged(format!("a record of the dead list: {error}"));
    let mark: Mark = serde_json::from_slice(record).map_err(damaged)?;
    check_format(mark.format)?;
    serde_json::from_slice(record).map(Some).map_err(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::Priority;

    #[test]
    fn a_record_is_written_as_it_was_read() {
        let job = serde_json::to_string(&Job::sample("a")).unwrap();
        let text = format!(
            r#"{{"job":{job},"attempts":3,"error":"why","failed_at":"1970-01-01T00:00:00Z","priority":"low","caller":"me","trace":null,"receiver":null,"format":1}}"#
        );
        let dead = parse(text.as_bytes()).unwrap().unwrap();
        assert_eq!(dead.dispatch.priority, Priority::Low);
        assert_eq!(dead.dispatch.caller.as_deref(), Some("me"));
        assert_eq!(serde_json::to_string(&dead).unwrap(), text);
        let newer = text.replace(r#""format":1"#, r#""format":999,"new":true"#);
        let error = parse(newer.as_bytes()).unwrap_err();
        assert!(matches!(error, BrokerError::Newer(_)), "{error}");
        let earlier = text.replace(r#","format":1"#, "");
        assert!(parse(earlier.as_bytes()).unwrap().is_some());
    }
}
