//! Lists of predictions, which need neither the files of outputs nor those among the inputs.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;
use tracing::warn;

use super::operation::{nanoseconds, oldest_kept};
use super::read::{self, Extent, ReadError, Stored};
use crate::cog::Status;
use crate::errors::chain;
use crate::service::limits::Limits;
use crate::service::prediction::Prediction;
use crate::service::snapshot::Snapshot;
use crate::service::store::{ListQuery, Page};

/// Rows that are read at once for a list.
const LIST_ROWS: usize = 200;

/// Predictions, the newest first. Those in `unfinished` have the state of their handle.
pub(super) fn list(
    from: &Connection,
    query: &ListQuery,
    limits: &Limits,
    unfinished: &HashMap<String, Arc<Prediction>>,
) -> Result<Page, ReadError> {
    let wanted = query.limit.saturating_add(1);
    let mut after = query
        .after
        .as_ref()
        .map(|cursor| (nanoseconds(cursor.created_at), cursor.id.clone()));
    let oldest = oldest_kept(limits.remember_for);
    let mut states = Vec::new();
    loop {
        let rows = read::newest(from, after.as_ref(), LIST_ROWS)?;
        for stored in &rows {
            if stored.ended_before(oldest) {
                continue;
            }
            match state(from, stored, &query.statuses, unfinished) {
                Ok(Some(state)) => states.push(state),
                Ok(None) => {}
                Err(error @ ReadError::Database(rusqlite::Error::SqliteFailure(..))) => {
                    return Err(error);
                }
                Err(error) => warn!(
                    error = chain(&error),
                    "a list lacks a prediction that cannot be read"
                ),
            }
            if states.len() == wanted {
                return Ok(Page::of(states, query.limit));
            }
        }
        match rows.last() {
            Some(last) if rows.len() == LIST_ROWS => {
                after = Some((last.created_at, last.id.clone()));
            }
            _ => return Ok(Page::of(states, query.limit)),
        }
    }
}

/// The state of a prediction without its output, if it has one of these statuses: that of its handle while it is unfinished.
fn state(
    from: &Connection,
    stored: &Stored,
    statuses: &[Status],
    unfinished: &HashMap<String, Arc<Prediction>>,
) -> Result<Option<Snapshot>, ReadError> {
    let handle = unfinished.get(&stored.id);
    if let Some(handle) = handle.filter(|handle| Some(handle.created_at()) == stored.time()) {
        let state = handle.state_without_output();
        return Ok(Some(state).filter(|state| statuses.contains(&state.status)));
    }
    // Without an end and without a handle, it cannot be read.
    if !stored.is_finished() || !stored.has_status(statuses) {
        return Ok(None);
    }
    let prediction = stored.finished(from, 0, Extent::WithoutOutput)?;
    Ok(Some(prediction.snapshot()))
}
