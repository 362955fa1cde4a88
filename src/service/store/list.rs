//! Lists of predictions, page by page.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::cog::Status;
use crate::service::snapshot::Snapshot;

/// Which predictions to list.
#[derive(Debug, Clone)]
pub struct ListQuery {
    /// Only predictions with one of these statuses.
    pub statuses: Vec<Status>,
    /// Only predictions after this place.
    pub after: Option<Cursor>,
    /// The maximum number of predictions.
    pub limit: usize,
}

impl Default for ListQuery {
    /// All predictions.
    fn default() -> Self {
        Self {
            statuses: Status::ALL.to_vec(),
            after: None,
            limit: usize::MAX,
        }
    }
}

/// Predictions, the newest first.
#[derive(Debug, Clone)]
pub struct Page {
    /// The states of the predictions, without their output.
    pub predictions: Vec<Snapshot>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<Cursor>,
}

/// A place in the list of all predictions: just after one of them. It stays valid when predictions are added or removed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// When the prediction was accepted.
    pub created_at: Timestamp,
    /// Its identifier.
    pub id: String,
}

/// A text is not a [`Cursor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not the cursor of a page")]
pub struct CursorError;

impl Cursor {
    /// The place after a prediction.
    pub fn after(prediction: &Snapshot) -> Self {
        Self {
            created_at: prediction.created_at,
            id: prediction.id.to_string(),
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.created_at.as_nanosecond(), self.id)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        let (time, id) = text.split_once('-').ok_or(CursorError)?;
        let time: i64 = time.parse().map_err(|_| CursorError)?;
        Ok(Self {
            created_at: Timestamp::from_nanosecond(time.into()).map_err(|_| CursorError)?,
            id: id.to_owned(),
        })
    }
}

impl Page {
    /// The page that begins with these states, of which there is one more than fits if there is a next page.
    pub(crate) fn of(mut predictions: Vec<Snapshot>, limit: usize) -> Self {
        let has_next = predictions.len() > limit;
        predictions.truncate(limit);
        let next = predictions.last().filter(|_| has_next).map(Cursor::after);
        Self { predictions, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let cursor = Cursor {
            created_at: Timestamp::from_nanosecond(1_700_000_000_123_456_789).unwrap(),
            id: "a-b.c:d".to_owned(),
        };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "1", "x-a", "99999999999999999999-a"] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }
}
