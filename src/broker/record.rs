//! A prediction as the broker keeps it: the fields of its hash, and its events.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tracing::warn;

use super::error::BrokerError;
use super::link::Arguments;
use super::value::StreamEntry;
use super::version::check_format;
use crate::service::codec::{self, DecodeError, Decoded, StoredEvent};
use crate::service::{
    Accepted, Completion, Dispatch, Event, Job, Outcome, Prediction, Priority, Receiver,
    RestartPolicy,
};

/// The fields of a prediction's hash.
#[derive(Debug)]
pub(super) struct JobRecord {
    pub(super) accepted: Accepted,
    pub(super) fence: u64,
    /// How often it was begun.
    pub(super) attempts: u32,
    /// The number of its newest event.
    pub(super) events: u64,
    /// Whether its cancellation was requested.
    pub(super) is_cancelled: bool,
    /// Whether it has ended.
    has_ended: bool,
}

/// The hash as it was read, before its job is understood.
#[derive(Debug)]
pub(super) struct Fields(pub(super) HashMap<String, Vec<u8>>);

impl Fields {
    fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.0.get(name)?).ok()
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// Whether the prediction has ended.
    pub(super) fn has_ended(&self) -> bool {
        matches!(
            self.text("status"),
            Some("succeeded" | "failed" | "canceled")
        )
    }

    /// Understands the fields. What a newer version has written is read as far as this version understands it.
    ///
    /// # Errors
    /// If only a newer version understands them, or somebody has changed them.
    pub(super) fn record(&self) -> Result<JobRecord, BrokerError> {
        let read = self.read();
        match self.number("format") {
            Some(format) if read.is_err() => check_format(format).and(read),
            _ => read,
        }
    }

    fn read(&self) -> Result<JobRecord, BrokerError> {
        let damaged = |what: &str| BrokerError::Damaged(format!("the {what} of a prediction"));
        let job: Job = serde_json::from_slice(self.0.get("job").ok_or_else(|| damaged("job"))?)
            .map_err(|error| BrokerError::Damaged(format!("the job of a prediction: {error}")))?;
        if self.text("created") != Some(created(&job).as_str()) {
            return Err(damaged("time"));
        }
        let filled = |name| self.text(name).filter(|text| !text.is_empty());
        let accepted = Accepted {
            restart_policy: match self.text("lifeline") {
                Some("1") => RestartPolicy::Cancel,
                _ => RestartPolicy::DrawAgain,
            },
            receiver: filled("receiver").map(|text| Receiver::new(text.to_owned())),
            dispatch: Dispatch {
                priority: self
                    .text("priority")
                    .and_then(Priority::named)
                    .ok_or_else(|| damaged("priority"))?,
                caller: filled("caller").map(str::to_owned),
                trace: filled("trace").map(str::to_owned),
            },
            job,
        };
        Ok(JobRecord {
            accepted,
            fence: self.number("fence").ok_or_else(|| damaged("fence"))?,
            attempts: self.number("attempts").ok_or_else(|| damaged("attempts"))?,
            events: self.number("events").ok_or_else(|| damaged("events"))?,
            is_cancelled: self.text("cancel") == Some("1"),
            has_ended: self.has_ended(),
        })
    }
}

impl JobRecord {
    /// The handle with its events; at most `replay` are replayed to late subscribers. If events are damaged or missing, it
    /// has failed: nobody can ever read them.
    ///
    /// # Errors
    /// If only a newer version understands an event.
    pub(super) fn readable(
        &self,
        entries: Vec<StreamEntry>,
        replay: usize,
    ) -> Result<Arc<Prediction>, BrokerError> {
        let prediction = Prediction::accepted(&self.accepted, replay);
        let read = apply(&prediction, entries)
            .and_then(|()| check_complete(&prediction, self.events, self.has_ended));
        match read {
            Ok(()) => {}
            Err(error @ BrokerError::Newer(_)) => return Err(error),
            Err(error) => {
                warn!(%error, id = prediction.id(), "the events of a prediction are damaged");
                end_damaged(&prediction, &error.to_string());
            }
        }
        Ok(Arc::new(prediction))
    }

    /// The handle with its events, of which the files are left out.
    ///
    /// # Errors
    /// If an event is damaged.
    pub(super) fn without_files(
        &self,
        entries: Vec<StreamEntry>,
    ) -> Result<Prediction, BrokerError> {
        let prediction = Prediction::accepted(&self.accepted, 0);
        apply_without_files(&prediction, entries)?;
        if self.has_ended && !prediction.status().is_terminal() {
            end_damaged(&prediction, "its end is missing");
        }
        Ok(prediction)
    }
}

/// What a kept event means.
fn decode(entry: StreamEntry) -> Result<Decoded, BrokerError> {
    codec::decode(&entry.kind, entry.data).map_err(|error| match error {
        DecodeError::NewerFile => BrokerError::Newer("a file of the prediction".to_owned()),
        error => BrokerError::Damaged(error.to_string()),
    })
}

/// Checks that a handle has all events that the broker has counted.
///
/// # Errors
/// If some are missing.
pub(super) fn check_complete(
    prediction: &Prediction,
    newest: u64,
    has_ended: bool,
) -> Result<(), BrokerError> {
    let is_behind = prediction.next_event() <= newest;
    if prediction.status().is_terminal() || !(is_behind || has_ended) {
        return Ok(());
    }
    let number = prediction.next_event();
    Err(BrokerError::Damaged(format!(
        "event {number} of prediction {} is missing",
        prediction.id()
    )))
}

/// Ends a handle of this process, because nobody can read the rest of the prediction.
pub(super) fn end_damaged(prediction: &Prediction, why: &str) {
    let outcome = Outcome::Failed(format!("Prediction failed: {why}"));
    prediction.apply(Event::last(prediction.completion(outcome)));
}

/// What distinguishes a prediction from others that have the same id at other times.
pub(super) fn created(job: &Job) -> String {
    job.created_at.as_nanosecond().to_string()
}

/// The same of a handle.
pub(super) fn created_of(prediction: &Prediction) -> String {
    prediction.created_at().as_nanosecond().to_string()
}

/// Events as the last arguments of a script.
pub(super) fn event_arguments(events: impl IntoIterator<Item = StoredEvent>) -> Arguments {
    let events = events.into_iter();
    events
        .flat_map(|stored| [stored.kind.as_bytes().to_vec(), stored.data])
        .collect()
}

/// The end of a prediction as the last arguments of a script.
pub(super) fn end_arguments(end: &Completion) -> Arguments {
    event_arguments(Event::last(end.clone()).iter().map(codec::encode))
}

/// Understands what was read on a blocking thread, because that may mean to decode pictures and other files.
pub(super) async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BrokerError> + Send + 'static,
) -> Result<T, BrokerError> {
    let done = spawn_blocking(work).await;
    done.map_err(|error| BrokerError::Damaged(error.to_string()))?
}

/// Applies events to a handle, on a blocking thread if they are large. Returns `guard`, which is held until they are
/// applied, even if nobody waits for that any more.
///
/// # Errors
/// If an event is damaged or missing.
pub(super) async fn apply_all<G: Send + 'static>(
    prediction: &Arc<Prediction>,
    entries: Vec<StreamEntry>,
    guard: G,
) -> Result<G, BrokerError> {
    let bytes: usize = entries.iter().map(|entry| entry.data.len()).sum();
    if bytes <= codec::MAX_INLINE_BYTES {
        return apply(prediction, entries).map(|()| guard);
    }
    let prediction = Arc::clone(prediction);
    elsewhere(move || apply(&prediction, entries).map(|()| guard)).await
}

/// Applies events to a handle, in order; those that it has already are passed over.
///
/// # Errors
/// If an event is damaged or missing.
fn apply(prediction: &Prediction, entries: Vec<StreamEntry>) -> Result<(), BrokerError> {
    let mut next = prediction.next_event();
    let mut batch = Vec::new();
    let mut has_ended = prediction.status().is_terminal();
    for entry in entries {
        if entry.number < next && !has_ended {
            continue;
        }
        if entry.number > next && !has_ended {
            let missing = format!("event {next} of prediction {} is missing", prediction.id());
            return Err(BrokerError::Damaged(missing));
        }
        next += 1;
        match decode(entry)? {
            Decoded::Event(event) => {
                has_ended |= matches!(event, Event::Completed(_));
                batch.push(event);
            }
            Decoded::Note(line) => {
                prediction.apply(std::mem::take(&mut batch));
                prediction.add_note(&line);
            }
        }
    }
    prediction.apply(batch);
    Ok(())
}

/// Applies events of which the files are left out.
///
/// # Errors
/// If an event is damaged.
fn apply_without_files(
    prediction: &Prediction,
    entries: Vec<StreamEntry>,
) -> Result<(), BrokerError> {
    for entry in entries {
        match decode(entry)? {
            Decoded::Event(event) => prediction.apply(vec![event]),
            Decoded::Note(line) => prediction.add_note(&line),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::broker::version::FORMAT;

    fn fields() -> Fields {
        let job = Job {
            created_at: Timestamp::from_nanosecond(1_700_000_000_123_456_789).unwrap(),
            ..Job::sample("a")
        };
        let texts = [
            ("job", serde_json::to_string(&job).unwrap()),
            ("created", created(&job)),
            ("priority", "low".to_owned()),
            ("lifeline", "1".to_owned()),
            ("caller", "me".to_owned()),
            ("receiver", String::new()),
            ("fence", "3".to_owned()),
            ("attempts", "2".to_owned()),
            ("events", "0".to_owned()),
        ];
        let texts = texts.map(|(name, text)| (name.to_owned(), text.into_bytes()));
        Fields(texts.into())
    }

    fn log(number: u64, line: &str) -> StreamEntry {
        StreamEntry {
            number,
            kind: "log".to_owned(),
            data: line.as_bytes().to_vec(),
        }
    }

    #[test]
    fn the_fields_of_a_prediction_are_understood() {
        let record = fields().record().unwrap();
        assert_eq!(record.accepted.job.id, "a");
        assert_eq!(record.accepted.restart_policy, RestartPolicy::Cancel);
        assert_eq!(record.accepted.dispatch.priority, Priority::Low);
        assert_eq!(record.accepted.dispatch.caller.as_deref(), Some("me"));
        assert!(record.accepted.receiver.is_none() && !record.is_cancelled);
        assert_eq!((record.fence, record.attempts), (3, 2));
    }

    #[test]
    fn damaged_fields_are_errors() {
        for name in ["job", "created", "priority", "fence", "attempts", "events"] {
            for wrong in [None, Some("{wrong"), Some("")] {
                let mut fields = fields();
                fields.0.remove(name);
                if let Some(wrong) = wrong {
                    fields.0.insert(name.to_owned(), wrong.as_bytes().to_vec());
                }
                let error = fields.record().unwrap_err();
                assert!(matches!(error, BrokerError::Damaged(_)), "{name} {error}");
            }
        }
    }

    #[test]
    fn events_are_applied_once_and_in_order() {
        let record = fields().record().unwrap();
        let prediction = record.readable(vec![log(1, "a"), log(2, "b")], 10).unwrap();
        apply(&prediction, vec![log(2, "b"), log(3, "c")]).unwrap();
        assert_eq!(prediction.snapshot().logs.as_ref(), "abc");
        let error = apply(&prediction, vec![log(5, "e")]).unwrap_err();
        assert!(error.to_string().contains("event 4"), "{error}");
        let note = StreamEntry {
            kind: "note".to_owned(),
            ..log(4, "note")
        };
        apply(&prediction, vec![note, log(5, "e")]).unwrap();
        assert_eq!(prediction.snapshot().logs.as_ref(), "abcnote\ne");
        assert_eq!(prediction.drawn_events(), 4);
        let end = StreamEntry {
            kind: "completed".to_owned(),
            ..log(6, "odd")
        };
        apply(&prediction, vec![end]).unwrap_err();
    }

    #[test]
    fn what_only_a_newer_version_understands_is_told_from_damage() {
        let unknown_input = |fields: &mut Fields| {
            let mut job: Value = serde_json::from_slice(&fields.0["job"]).unwrap();
            job["input"]["new"] = json!(1);
            fields.0.insert("job".to_owned(), job.to_string().into());
        };
        let mut fields = fields();
        fields.0.insert("new".to_owned(), b"field".to_vec());
        let newer = (FORMAT + 1).to_string().into_bytes();
        fields.0.insert("format".to_owned(), newer);
        fields.record().unwrap();
        unknown_input(&mut fields);
        let error = fields.record().unwrap_err();
        assert!(matches!(error, BrokerError::Newer(_)), "{error}");
        for format in ["", "what", "0", &FORMAT.to_string()] {
            let format = format.as_bytes().to_vec();
            fields.0.insert("format".to_owned(), format);
            let error = fields.record().unwrap_err();
            assert!(matches!(error, BrokerError::Damaged(_)), "{error}");
        }
    }

    #[test]
    fn an_event_of_an_unknown_kind_has_its_number_and_a_file_of_an_unknown_form_is_left_to_newer_versions()
     {
        let record = fields().record().unwrap();
        let odd = |number, kind: &str, data: &[u8]| StreamEntry {
            number,
            kind: kind.to_owned(),
            data: data.to_vec(),
        };
        let events = vec![log(1, "a"), odd(2, "preview", b"what"), log(3, "c")];
        let prediction = record.readable(events, 10).unwrap();
        assert_eq!(prediction.snapshot().logs.as_ref(), "ac");
        assert_eq!(prediction.next_event(), 4);
        let file = odd(1, "output", &[0, 0, 0, 0, 0x80, 1]);
        let error = record.readable(vec![file], 10).unwrap_err();
        assert!(matches!(error, BrokerError::Newer(_)), "{error}");
    }
}
