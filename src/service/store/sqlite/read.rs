//! Reads predictions from the tables.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use tracing::{error, warn};

use crate::errors::chain;
use crate::service::accepted::{Accepted, Dispatch, Receiver, RestartPolicy};
use crate::service::job::Job;
use crate::service::prediction::Prediction;
use crate::service::store::Leftover;
use crate::service::store::codec::{DecodeError, Decoded, decode};

const COLUMNS: &str =
    "key, job, draw_again, attempts, cancel, receiver, completed_at, id, created_at";

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
    pub(super) key: i64,
    job: String,
    draw_again: bool,
    attempts: u32,
    cancel: bool,
    receiver: Option<String>,
    completed_at: Option<i64>,
    pub(super) id: String,
    pub(super) created_at: i64,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            key: row.get(0)?,
            job: row.get(1)?,
            draw_again: row.get(2)?,
            attempts: row.get(3)?,
            cancel: row.get(4)?,
            receiver: row.get(5)?,
            completed_at: row.get(6)?,
            id: row.get(7)?,
            created_at: row.get(8)?,
        })
    }

    fn accepted(&self) -> Result<Accepted, ReadError> {
        let job: Job = serde_json::from_str(&self.job).map_err(|cause| ReadError::Job {
            id: self.id.clone(),
            cause,
        })?;
        Ok(Accepted {
            job,
            restart_policy: if self.draw_again {
                RestartPolicy::DrawAgain
            } else {
                RestartPolicy::Cancel
            },
            receiver: self.receiver.clone().map(Receiver::new),
            dispatch: Dispatch::default(),
        })
    }

    /// The handle with its events; at most `replay` are replayed.
    pub(super) fn prediction(
        &self,
        from: &Connection,
        replay: usize,
        extent: Extent,
    ) -> Result<Arc<Prediction>, ReadError> {
        let prediction = Prediction::accepted(&self.accepted()?, replay);
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
    let statement = format!(
        "SELECT {COLUMNS} FROM prediction WHERE replaced = 0 AND (created_at, id) < (?1, ?2)
         ORDER BY created_at DESC, id DESC LIMIT ?3"
    );
    let (created_at, id) = after.map_or((i64::MAX, ""), |(time, id)| (*time, id.as_str()));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut select = from.prepare_cached(&statement)?;
    let rows = select.query_map(params![created_at, id, limit], Stored::read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The predictions without an end, the oldest first. One that cannot be read is logged and stays in the file.
pub(super) fn unfinished(from: &Connection, replay: usize) -> Result<Vec<Leftover>, ReadError> {
    let condition = "completed_at IS NULL ORDER BY created_at, key";
    let mut all = Vec::new();
    for stored in select(from, condition)? {
        match leftover(&stored, from, replay) {
            Ok(leftover) => all.push(leftover),
            Err(cause) => error!(
                id = stored.id,
                cause = chain(&cause),
                "an unfinished prediction is lost"
            ),
        }
    }
    Ok(all)
}

fn leftover(stored: &Stored, from: &Connection, replay: usize) -> Result<Leftover, ReadError> {
    let accepted = stored.accepted()?;
    let mut prediction = Prediction::accepted(&accepted, replay);
    match stored.apply_events(&prediction, from, Extent::All) {
        Err(cause @ ReadError::Event { .. }) => {
            // The drawing has the same events again, which take the place of these.
            warn!(
                id = stored.id,
                cause = chain(&cause),
                "an unfinished prediction is drawn from its start"
            );
            prediction = Prediction::accepted(&accepted, replay);
        }
        applied => applied?,
    }
    if stored.cancel {
        prediction.cancel();
    }
    Ok(Leftover {
        prediction: Arc::new(prediction),
        job: accepted.job,
        receiver: accepted.receiver,
        attempts: stored.attempts,
    })
}

/// Finished predictions whose receiver waits for the last webhook.
pub(super) fn undelivered(
    from: &Connection,
    replay: usize,
) -> Result<Vec<(Arc<Prediction>, Receiver)>, ReadError> {
    let condition = "undelivered = 1 AND completed_at IS NOT NULL ORDER BY created_at, key";
    let mut all = Vec::new();
    for stored in select(from, condition)? {
        let Some(receiver) = stored.receiver.clone().map(Receiver::new) else {
            continue;
        };
        match stored.prediction(from, replay, Extent::All) {
            Ok(prediction) => all.push((prediction, receiver)),
            Err(cause) => error!(id = stored.id, cause = chain(&cause), "a webhook is lost"),
        }
    }
    Ok(all)
}

fn select(from: &Connection, condition: &str) -> Result<Vec<Stored>, ReadError> {
    let statement = format!("SELECT {COLUMNS} FROM prediction WHERE {condition}");
    let mut select = from.prepare(&statement)?;
    let rows = select.query_map([], Stored::read)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

impl Stored {
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
