//! Reads predictions from the tables.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};
use tracing::{error, warn};

use super::open::is_damaged;
use crate::cog::Status;
use crate::errors::chain;
use crate::service::accepted::{Accepted, Dispatch, Receiver, RestartPolicy};
use crate::service::job::Job;
use crate::service::prediction::{Prediction, ShownJob};
use crate::service::store::codec::{DecodeError, Decoded, decode};
use crate::service::store::{Leftover, Undelivered};

const COLUMNS: &str = "key, id, created_at, status, completed_at, shown, draw_again, attempts, cancel, receiver, last_message";

/// Why a prediction cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("the store cannot be read")]
    Database(#[from] rusqlite::Error),
    #[error("the prediction {id} in the store is damaged")]
    Job {
        id: String,
        #[source]
        cause: serde_json::Error,
    },
    #[error("an event of the prediction {id} in the store is damaged")]
    Event {
        id: String,
        #[source]
        cause: DecodeError,
    },
}

/// Which events to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    All,
    WithoutOutput,
}

/// A row of the table of predictions.
#[derive(Debug)]
pub(super) struct Stored {
    key: i64,
    pub(super) id: String,
    pub(super) created_at: i64,
    status: String,
    completed_at: Option<i64>,
    /// What callers see of the job; `None` in a row of an earlier version.
    shown: Option<String>,
    draw_again: bool,
    attempts: u32,
    cancel: bool,
    receiver: Option<String>,
    last_message: Option<String>,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: row.get(0)?,
            id: row.get(1)?,
            created_at: row.get(2)?,
            status: row.get(3)?,
            completed_at: row.get(4)?,
            shown: row.get(5)?,
            draw_again: row.get(6)?,
            attempts: row.get(7)?,
            cancel: row.get(8)?,
            receiver: row.get(9)?,
            last_message: row.get(10)?,
        })
    }

    /// The job, which may be large because of files among its inputs.
    fn job(&self, from: &Connection) -> Result<Job, ReadError> {
        let text: String = from
            .prepare_cached(
                "SELECT coalesce(job.data, prediction.job) FROM prediction
                 LEFT JOIN job ON job.prediction = prediction.key WHERE prediction.key = ?1",
            )?
            .query_row([self.key], |row| row.get(0))?;
        serde_json::from_str(&text).map_err(|cause| self.damaged(cause))
    }

    fn shown_job(&self, from: &Connection) -> Result<ShownJob, ReadError> {
        let Some(shown) = &self.shown else {
            let job = self.job(from)?;
            return Ok(ShownJob {
                input: job.input.shown_values(),
                origin: job.origin,
            });
        };
        serde_json::from_str(shown).map_err(|cause| self.damaged(cause))
    }

    fn damaged(&self, cause: serde_json::Error) -> ReadError {
        let id = self.id.clone();
        ReadError::Job { id, cause }
    }

    fn accepted(&self, from: &Connection) -> Result<Accepted, ReadError> {
        Ok(Accepted {
            job: self.job(from)?,
            restart_policy: if self.draw_again {
                RestartPolicy::DrawAgain
            } else {
                RestartPolicy::Cancel
            },
            receiver: self.receiver.clone().map(Receiver::new),
            dispatch: Dispatch::default(),
        })
    }

    /// The handle of a finished prediction with its events; at most `replay` are replayed.
    pub(super) fn finished(
        &self,
        from: &Connection,
        replay: usize,
        extent: Extent,
    ) -> Result<Arc<Prediction>, ReadError> {
        let created_at = self.time().unwrap_or(Timestamp::UNIX_EPOCH);
        let prediction = Prediction::shown(&self.id, created_at, self.shown_job(from)?, replay);
        self.apply_events(&prediction, from, extent)?;
        Ok(Arc::new(prediction))
    }

    fn apply_events(
        &self,
        prediction: &Prediction,
        from: &Connection,
        extent: Extent,
    ) -> Result<(), ReadError> {
        let mut select = from.prepare_cached(
            "SELECT kind, data FROM event WHERE prediction = ?1 AND (?2 OR kind != 'output') ORDER BY number",
        )?;
        let mut rows = select.query(params![self.key, extent == Extent::All])?;
        while let Some(row) = rows.next()? {
            let kind: String = row.get(0)?;
            let decoded = decode(&kind, row.get(1)?).map_err(|cause| ReadError::Event {
                id: self.id.clone(),
                cause,
            })?;
            match decoded {
                Decoded::Event(event) => prediction.apply(vec![event]),
                Decoded::Note(line) => prediction.add_note(&line),
            }
        }
        Ok(())
    }
}

/// The prediction with an id.
pub(super) fn find(from: &Connection, id: &str) -> Result<Option<Stored>, ReadError> {
    let statement = format!("SELECT {COLUMNS} FROM prediction WHERE id = ?1 AND replaced = 0");
    Ok(from
        .prepare_cached(&statement)?
        .query_row([id], Stored::read)
        .optional()?)
}

/// Predictions, the newest first; only those after a place, given by the time in nanoseconds and the id.
pub(super) fn newest(
    from: &Connection,
    after: Option<&(i64, String)>,
    limit: usize,
) -> Result<Vec<Stored>, ReadError> {
    let condition = "replaced = 0 AND (created_at, id) < (?1, ?2)
         ORDER BY created_at DESC, id DESC LIMIT ?3";
    let (created_at, id) = after.map_or((i64::MAX, ""), |(time, id)| (*time, id.as_str()));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(select(from, condition, params![created_at, id, limit])?)
}

/// The predictions without an end, the oldest first, also if the clock has gone back meanwhile. One that cannot be read is logged and stays in the file.
pub(super) fn unfinished(from: &Connection, replay: usize) -> rusqlite::Result<Vec<Leftover>> {
    let condition = "completed_at IS NULL ORDER BY key";
    let mut all = Vec::new();
    for stored in select(from, condition, params![])? {
        match leftover(&stored, from, replay) {
            Ok(leftover) => all.push(leftover),
            Err(ReadError::Database(cause)) if is_damaged(&cause) => return Err(cause),
            Err(cause) => error!(
                id = stored.id,
                cause = chain(&cause),
                "an unfinished prediction cannot be read; it stays in the file"
            ),
        }
    }
    Ok(all)
}

fn leftover(stored: &Stored, from: &Connection, replay: usize) -> Result<Leftover, ReadError> {
    let accepted = stored.accepted(from)?;
    let mut prediction = Prediction::accepted(&accepted, replay);
    match stored.apply_events(&prediction, from, Extent::All) {
        Err(ReadError::Database(cause)) if is_damaged(&cause) => return Err(cause.into()),
        Err(cause) => {
            // The drawing has the same events again, which take the place of these.
            warn!(
                id = stored.id,
                cause = chain(&cause),
                "an unfinished prediction is drawn from its start"
            );
            prediction = Prediction::accepted(&accepted, replay);
        }
        Ok(()) => {}
    }
    if stored.cancel {
        prediction.cancel();
    }
    Ok(Leftover {
        prediction: Arc::new(prediction),
        job: accepted.job,
        receiver: accepted.receiver,
        last_message: stored.last_message.clone(),
        attempts: stored.attempts,
    })
}

/// Finished predictions whose receiver waits for the last webhook.
pub(super) fn undelivered(from: &Connection, replay: usize) -> rusqlite::Result<Vec<Undelivered>> {
    let condition = "undelivered = 1 AND completed_at IS NOT NULL ORDER BY created_at, key";
    let mut all = Vec::new();
    for stored in select(from, condition, params![])? {
        let Some(receiver) = stored.receiver.clone().map(Receiver::new) else {
            continue;
        };
        match stored.finished(from, replay, Extent::All) {
            Ok(prediction) => all.push(Undelivered {
                prediction,
                receiver,
                last_message: stored.last_message,
            }),
            Err(ReadError::Database(cause)) if is_damaged(&cause) => return Err(cause),
            Err(cause) => error!(id = stored.id, cause = chain(&cause), "a webhook is lost"),
        }
    }
    Ok(all)
}

/// The rows that meet a condition. One that cannot be read is logged and left out.
fn select(
    from: &Connection,
    condition: &str,
    parameters: impl Params,
) -> rusqlite::Result<Vec<Stored>> {
    let statement = format!("SELECT {COLUMNS} FROM prediction WHERE {condition}");
    let mut select = from.prepare_cached(&statement)?;
    let mut rows = select.query(parameters)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        match Stored::read(row) {
            Ok(stored) => all.push(stored),
            Err(cause) => error!(%cause, "a prediction in the store cannot be read"),
        }
    }
    Ok(all)
}

impl Stored {
    /// The status that it had last, if it has ended.
    pub(super) fn has_status(&self, statuses: &[Status]) -> bool {
        statuses.iter().any(|status| status.as_str() == self.status)
    }

    /// Whether it has ended.
    pub(super) fn is_finished(&self) -> bool {
        self.completed_at.is_some()
    }

    /// Whether it ended longer ago than predictions are kept.
    pub(super) fn ended_before(&self, time: i64) -> bool {
        self.completed_at.is_some_and(|ended| ended <= time)
    }

    /// When it was accepted.
    pub(super) fn time(&self) -> Option<Timestamp> {
        Timestamp::from_nanosecond(self.created_at.into()).ok()
    }
}
