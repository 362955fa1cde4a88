//! What the writer does to the tables.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::codec::StoredEvent;
use crate::cog::Status;
use crate::service::limits::Limits;
use crate::service::prediction::Prediction;

/// The condition that finds the row of [`Identity`].
macro_rules! by_identity {
    ($statement:literal) => {
        concat!($statement, " WHERE id = ?1 AND created_at = ?2")
    };
}

/// What distinguishes a prediction from all others, whatever their ids are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) id: String,
    /// Nanoseconds since 1970.
    pub(super) created_at: i64,
}

impl Identity {
    pub(super) fn of(prediction: &Prediction) -> Self {
        Self::new(prediction.id(), prediction.created_at())
    }

    pub(super) fn new(id: &str, created_at: Timestamp) -> Self {
        Self {
            id: id.to_owned(),
            created_at: nanoseconds(created_at),
        }
    }
}

/// A time as the tables have it. They end in the year 2262.
pub(super) fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}

/// A change of the tables.
#[derive(Debug)]
pub(super) enum Operation {
    /// A prediction is accepted.
    Insert {
        identity: Identity,
        job: String,
        draw_again: bool,
        receiver: Option<String>,
    },
    /// It is begun. The result is the provenance of the attempt before.
    Begin {
        identity: Identity,
        provenance: String,
    },
    /// Its cancellation is requested.
    Cancel(Identity),
    /// It is drawn again after a restart.
    DrawAgain(Identity),
    /// The attempt to draw it does not count.
    TakeBack(Identity),
    /// A line about its delivery; without a number after its end.
    Note {
        identity: Identity,
        number: Option<u64>,
        event: StoredEvent,
    },
    /// Consecutive events.
    Events {
        identity: Identity,
        first: u64,
        events: Vec<StoredEvent>,
    },
    /// Its last events.
    End {
        identity: Identity,
        first: u64,
        events: Vec<StoredEvent>,
        status: Status,
        completed_at: i64,
        output_bytes: usize,
    },
    /// Its receiver has got the last webhook, or never will.
    Delivered(Identity),
}

impl Operation {
    /// Whether it waits, in order, until the disk has room, instead of failing.
    pub(super) fn is_patient(&self) -> bool {
        matches!(
            self,
            Self::Events { .. } | Self::End { .. } | Self::Delivered(_)
        )
    }

    /// Whether predictions may be too many after it.
    pub(super) fn adds_finished(&self) -> bool {
        matches!(self, Self::End { .. } | Self::Delivered(_))
    }

    /// Changes the tables, within a transaction.
    pub(super) fn apply(&self, to: &Connection) -> rusqlite::Result<Option<String>> {
        match self {
            Self::Insert {
                identity,
                job,
                draw_again,
                receiver,
            } => {
                // A receiver may still wait for the end of the prediction that had this id.
                cached(
                    to,
                    "DELETE FROM prediction WHERE id = ?1 AND undelivered = 0",
                )?
                .execute([&identity.id])?;
                cached(to, "UPDATE prediction SET replaced = 1 WHERE id = ?1")?
                    .execute([&identity.id])?;
                cached(
                    to,
                    "INSERT INTO prediction(id, created_at, status, job, draw_again, receiver, undelivered)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6 IS NOT NULL)",
                )?
                .execute(params![
                    identity.id,
                    identity.created_at,
                    Status::Starting.as_str(),
                    job,
                    draw_again,
                    receiver
                ])?;
            }
            Self::Begin {
                identity,
                provenance,
            } => return begin(to, identity, provenance),
            Self::Cancel(identity) => {
                update(
                    to,
                    by_identity!("UPDATE prediction SET cancel = 1"),
                    identity,
                )?;
            }
            Self::DrawAgain(identity) => {
                update(
                    to,
                    by_identity!("UPDATE prediction SET draw_again = 1"),
                    identity,
                )?;
            }
            Self::TakeBack(identity) => {
                let statement = by_identity!("UPDATE prediction SET attempts = attempts - 1");
                update(to, statement, identity)?;
            }
            Self::Delivered(identity) => {
                update(
                    to,
                    by_identity!("UPDATE prediction SET undelivered = 0"),
                    identity,
                )?;
                cached(
                    to,
                    "DELETE FROM prediction WHERE replaced = 1 AND undelivered = 0",
                )?
                .execute([])?;
            }
            Self::Note {
                identity,
                number,
                event,
            } => note(to, identity, *number, event)?,
            Self::Events {
                identity,
                first,
                events,
            } => insert_events(to, identity, *first, events)?,
            Self::End {
                identity,
                first,
                events,
                status,
                completed_at,
                output_bytes,
            } => {
                insert_events(to, identity, *first, events)?;
                cached(
                    to,
                    by_identity!(
                        "UPDATE prediction SET status = ?3, completed_at = ?4, output_bytes = ?5"
                    ),
                )?
                .execute(params![
                    identity.id,
                    identity.created_at,
                    status.as_str(),
                    completed_at,
                    *output_bytes as i64
                ])?;
            }
        }
        Ok(None)
    }
}

fn cached<'a>(to: &'a Connection, statement: &str) -> rusqlite::Result<CachedStatement<'a>> {
    to.prepare_cached(statement)
}

fn update(to: &Connection, statement: &str, identity: &Identity) -> rusqlite::Result<()> {
    let mut statement = cached(to, statement)?;
    statement.execute(params![identity.id, identity.created_at])?;
    Ok(())
}

fn begin(
    to: &Connection,
    identity: &Identity,
    provenance: &str,
) -> rusqlite::Result<Option<String>> {
    let before = cached(to, by_identity!("SELECT provenance FROM prediction"))?
        .query_row(params![identity.id, identity.created_at], |row| row.get(0))
        .optional()?
        .flatten();
    cached(
        to,
        by_identity!("UPDATE prediction SET attempts = attempts + 1, status = ?3, provenance = ?4"),
    )?
    .execute(params![
        identity.id,
        identity.created_at,
        Status::Processing.as_str(),
        provenance
    ])?;
    Ok(before)
}

fn note(
    to: &Connection,
    identity: &Identity,
    number: Option<u64>,
    event: &StoredEvent,
) -> rusqlite::Result<()> {
    cached(
        to,
        "INSERT OR IGNORE INTO event(prediction, number, kind, data)
         SELECT key, coalesce(?3, (SELECT max(number) + 1 FROM event WHERE prediction = key), 1), ?4, ?5
         FROM prediction WHERE id = ?1 AND created_at = ?2",
    )?
    .execute(params![
        identity.id,
        identity.created_at,
        number.map(|number| number as i64),
        event.kind,
        event.data
    ])?;
    Ok(())
}

fn insert_events(
    to: &Connection,
    identity: &Identity,
    first: u64,
    events: &[StoredEvent],
) -> rusqlite::Result<()> {
    let mut insert = cached(
        to,
        "INSERT OR IGNORE INTO event(prediction, number, kind, data)
         SELECT key, ?3, ?4, ?5 FROM prediction WHERE id = ?1 AND created_at = ?2",
    )?;
    for (number, event) in (first..).zip(events) {
        insert.execute(params![
            identity.id,
            identity.created_at,
            number as i64,
            event.kind,
            event.data
        ])?;
    }
    Ok(())
}

/// Removes finished predictions that are too many, too old or too large, the oldest first. Those whose receiver waits for
/// its last webhook stay. Returns how many were removed.
pub(super) fn evict(from: &Connection, limits: &Limits) -> rusqlite::Result<usize> {
    let (mut count, mut bytes): (i64, i64) = cached(
        from,
        "SELECT count(*), coalesce(sum(output_bytes), 0) FROM prediction
         WHERE completed_at IS NOT NULL AND undelivered = 0",
    )?
    .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let max_count = i64::try_from(limits.remember).unwrap_or(i64::MAX);
    let max_bytes = i64::try_from(limits.remember_bytes).unwrap_or(i64::MAX);
    let oldest_kept = oldest_kept(limits.remember_for);
    let mut oldest = cached(
        from,
        "SELECT key, completed_at, output_bytes FROM prediction
         WHERE completed_at IS NOT NULL AND undelivered = 0 ORDER BY completed_at, key LIMIT 1",
    )?;
    let mut delete = cached(from, "DELETE FROM prediction WHERE key = ?1")?;
    let mut removed = 0;
    loop {
        let row = oldest
            .query_row([], |row| {
                Ok::<(i64, i64, i64), _>((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        let Some((key, completed_at, size)) = row else {
            break;
        };
        if count <= max_count && bytes <= max_bytes && completed_at > oldest_kept {
            break;
        }
        delete.execute([key])?;
        count -= 1;
        bytes -= size;
        removed += 1;
    }
    Ok(removed)
}

/// Predictions that ended at this time or before are too old.
pub(super) fn oldest_kept(remember_for: Duration) -> i64 {
    let age = i64::try_from(remember_for.as_nanos()).unwrap_or(i64::MAX);
    nanoseconds(Timestamp::now()).saturating_sub(age)
}
