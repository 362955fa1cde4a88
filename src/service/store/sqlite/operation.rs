//! What the writer does to the tables.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::cog::Status;
use crate::service::limits::Limits;
use crate::service::prediction::Prediction;
use crate::service::store::codec::StoredEvent;

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

/// A change of one prediction.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) identity: Identity,
    pub(super) change: Change,
}

/// What changes.
#[derive(Debug)]
pub(super) enum Change {
    /// It is accepted.
    Insert(NewRow),
    /// It is begun. The result is the provenance of the attempt before.
    Begin { provenance: String },
    /// Its cancellation is requested.
    Cancel,
    /// It is drawn again after a restart.
    DrawAgain,
    /// The attempt to draw it does not count.
    TakeBack,
    /// A message to its receiver is about to be sent.
    Message { name: String },
    /// A line about its delivery; without a number after its end.
    Note {
        number: Option<u64>,
        event: StoredEvent,
    },
    /// Consecutive events.
    Events {
        first: u64,
        events: Vec<StoredEvent>,
    },
    /// Its last events.
    End {
        first: u64,
        events: Vec<StoredEvent>,
        end: End,
    },
    /// Its receiver has got the last webhook, or never will.
    Delivered,
}

/// An accepted prediction.
#[derive(Debug)]
pub(super) struct NewRow {
    pub(super) job: String,
    /// What callers see of the job.
    pub(super) shown: String,
    pub(super) draw_again: bool,
    pub(super) receiver: Option<String>,
}

/// How a prediction ends.
#[derive(Debug)]
pub(super) struct End {
    pub(super) status: Status,
    pub(super) completed_at: i64,
    pub(super) output_bytes: usize,
}

impl Operation {
    /// A change of a prediction.
    pub(super) fn on(prediction: &Prediction, change: Change) -> Self {
        Self {
            identity: Identity::of(prediction),
            change,
        }
    }

    /// Whether it waits, in order, until the disk has room, instead of failing. It takes effect in any case.
    pub(super) fn is_patient(&self) -> bool {
        matches!(
            self.change,
            Change::Cancel
                | Change::TakeBack
                | Change::Message { .. }
                | Change::Events { .. }
                | Change::End { .. }
                | Change::Delivered
        )
    }

    /// Whether it accepts a prediction.
    pub(super) fn accepts(&self) -> bool {
        matches!(self.change, Change::Insert(_))
    }

    /// Whether predictions may be too many after it.
    pub(super) fn adds_finished(&self) -> bool {
        matches!(self.change, Change::End { .. } | Change::Delivered)
    }

    /// Changes the tables, within a transaction.
    pub(super) fn apply(&self, to: &Connection) -> rusqlite::Result<Option<String>> {
        let identity = &self.identity;
        match &self.change {
            Change::Insert(row) => insert(to, identity, row)?,
            Change::Begin { provenance } => return begin(to, identity, provenance),
            Change::Cancel => update(to, "cancel = 1", identity)?,
            Change::DrawAgain => update(to, "draw_again = 1", identity)?,
            Change::TakeBack => update(to, "attempts = attempts - 1", identity)?,
            Change::Delivered => {
                update(to, "undelivered = 0", identity)?;
                let delete = "DELETE FROM prediction WHERE replaced = 1 AND undelivered = 0";
                to.prepare_cached(delete)?.execute([])?;
            }
            Change::Message { name } => record_message(to, identity, name)?,
            Change::Note { number, event } => note(to, identity, *number, event)?,
            Change::Events { first, events } => insert_events(to, identity, *first, events)?,
            Change::End { first, events, end } => {
                insert_events(to, identity, *first, events)?;
                record_end(to, identity, end)?;
            }
        }
        Ok(None)
    }
}

fn insert(to: &Connection, identity: &Identity, row: &NewRow) -> rusqlite::Result<()> {
    // A receiver may still wait for the end of the prediction that had this id.
    let delete = "DELETE FROM prediction WHERE id = ?1 AND undelivered = 0";
    to.prepare_cached(delete)?.execute([&identity.id])?;
    let replace = "UPDATE prediction SET replaced = 1 WHERE id = ?1";
    to.prepare_cached(replace)?.execute([&identity.id])?;
    to.prepare_cached(
        "INSERT INTO prediction(id, created_at, status, job, shown, draw_again, receiver, undelivered)
         VALUES (?1, ?2, ?3, '', ?4, ?5, ?6, ?6 IS NOT NULL)",
    )?
    .execute(params![
        identity.id,
        identity.created_at,
        Status::Starting.as_str(),
        row.shown,
        row.draw_again,
        row.receiver
    ])?;
    let key = to.last_insert_rowid();
    to.prepare_cached("INSERT INTO job(prediction, data) VALUES (?1, ?2)")?
        .execute(params![key, row.job])?;
    Ok(())
}

fn update(to: &Connection, change: &str, identity: &Identity) -> rusqlite::Result<()> {
    let statement = format!("UPDATE prediction SET {change} WHERE id = ?1 AND created_at = ?2");
    let mut statement = to.prepare_cached(&statement)?;
    statement.execute(params![identity.id, identity.created_at])?;
    Ok(())
}

fn record_end(to: &Connection, identity: &Identity, end: &End) -> rusqlite::Result<()> {
    to.prepare_cached(
        "UPDATE prediction SET status = ?3, completed_at = ?4, output_bytes = ?5
         WHERE id = ?1 AND created_at = ?2",
    )?
    .execute(params![
        identity.id,
        identity.created_at,
        end.status.as_str(),
        end.completed_at,
        end.output_bytes as i64
    ])?;
    Ok(())
}

fn record_message(to: &Connection, identity: &Identity, name: &str) -> rusqlite::Result<()> {
    to.prepare_cached("UPDATE prediction SET last_message = ?3 WHERE id = ?1 AND created_at = ?2")?
        .execute(params![identity.id, identity.created_at, name])?;
    Ok(())
}

fn begin(
    to: &Connection,
    identity: &Identity,
    provenance: &str,
) -> rusqlite::Result<Option<String>> {
    let before = to
        .prepare_cached("SELECT provenance FROM prediction WHERE id = ?1 AND created_at = ?2")?
        .query_row(params![identity.id, identity.created_at], |row| row.get(0))
        .optional()?
        .flatten();
    to.prepare_cached(
        "UPDATE prediction SET attempts = attempts + 1, status = ?3, provenance = ?4
         WHERE id = ?1 AND created_at = ?2",
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
    to.prepare_cached(
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
    let mut insert = to.prepare_cached(
        // A number can be taken by an event of an earlier attempt that is damaged.
        "INSERT OR REPLACE INTO event(prediction, number, kind, data)
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
    let (mut count, mut bytes): (i64, i64) = from
        .prepare_cached(
            "SELECT count(*), coalesce(sum(output_bytes), 0) FROM prediction
         WHERE completed_at IS NOT NULL AND undelivered = 0",
        )?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let max_count = i64::try_from(limits.remember).unwrap_or(i64::MAX);
    let max_bytes = i64::try_from(limits.remember_bytes).unwrap_or(i64::MAX);
    let oldest_kept = oldest_kept(limits.remember_for);
    let mut oldest = from.prepare_cached(
        "SELECT key, completed_at, output_bytes FROM prediction
         WHERE completed_at IS NOT NULL AND undelivered = 0 ORDER BY completed_at, key LIMIT 1",
    )?;
    let mut delete = from.prepare_cached("DELETE FROM prediction WHERE key = ?1")?;
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
