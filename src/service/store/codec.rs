//! Events as a store outside of memory keeps them. Files are compressed where that makes them smaller.

use std::io::{self, Read, Write};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::spawn_blocking;

use crate::cog::Status;
use crate::service::event::Event;
use crate::service::outcome::{Completion, Outcome};

/// Events with more bytes than this are encoded or decoded on a blocking thread.
pub(crate) const MAX_INLINE_BYTES: usize = 1 << 18;

/// Separates the header of a data URL from its data.
const BASE64: &str = ";base64,";

/// The bit of a file's first byte that says that it is compressed.
const COMPRESSED: u8 = 1;

/// The bit of a file's first byte that says that it was a data URL, whose data is stored without base64.
const DATA_URL: u8 = 2;

/// An event as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredEvent {
    pub(crate) kind: &'static str,
    pub(crate) data: Vec<u8>,
}

/// What a kept event means.
#[derive(Debug, PartialEq)]
pub(crate) enum Decoded {
    /// An event of the drawing, or the end.
    Event(Event),
    /// A line about the delivery.
    Note(String),
}

/// Why a kept event cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecodeError {
    #[error(
        "a newer version of clipdraw has kept a file in a form that this version does not know"
    )]
    NewerFile,
    #[error("an event is damaged")]
    Json(#[from] serde_json::Error),
    #[error("a file is damaged")]
    File(#[from] io::Error),
    #[error("an event is too short")]
    Short,
    #[error("a text is not UTF-8")]
    Text(#[from] std::string::FromUtf8Error),
    #[error("a time is damaged")]
    Time(#[from] jiff::Error),
}

#[derive(Serialize, Deserialize)]
struct Metric {
    name: String,
    value: Value,
}

#[derive(Serialize, Deserialize)]
struct End {
    status: Status,
    error: Option<String>,
    completed_at: String,
    predict_time: f64,
}

/// A line about the delivery of a prediction as it is kept.
pub(crate) fn note(line: &str) -> StoredEvent {
    StoredEvent {
        kind: "note",
        data: line.as_bytes().to_vec(),
    }
}

/// An event as it is kept.
pub(crate) fn encode(event: &Event) -> StoredEvent {
    let (kind, data) = match event {
        Event::Start { started_at } => ("start", started_at.to_string().into_bytes()),
        Event::Log { data } => ("log", data.as_bytes().to_vec()),
        Event::Metric { name, value } => {
            let metric = Metric {
                name: name.clone().into_owned(),
                value: value.clone(),
            };
            ("metric", json(&metric))
        }
        Event::Output { index, file } => {
            let mut data = (*index as u32).to_le_bytes().to_vec();
            data.extend(encode_file(file));
            ("output", data)
        }
        Event::Completed(completion) => ("completed", json(&end(completion))),
    };
    StoredEvent { kind, data }
}

/// Events as they are kept, and the events themselves.
pub(crate) async fn encode_all(events: Vec<Event>) -> (Vec<Event>, Vec<StoredEvent>) {
    let bytes: usize = events.iter().map(size).sum();
    let encode_here = move || {
        let stored = events.iter().map(encode).collect();
        (events, stored)
    };
    if bytes <= MAX_INLINE_BYTES {
        return encode_here();
    }
    match spawn_blocking(encode_here).await {
        Ok(encoded) => encoded,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Only a runtime that is shutting down drops this work, and then it also drops this task.
            Err(_) => std::future::pending().await,
        },
    }
}

/// The bytes of files, of which large events consist.
fn size(event: &Event) -> usize {
    match event {
        Event::Output { file, .. } => file.len(),
        _ => 0,
    }
}

/// Reads a kept event. One of a kind that only a newer version knows is an empty piece of the log, so that the numbers of
/// events have no gap.
///
/// # Errors
/// If it is damaged.
pub(crate) fn decode(kind: &str, data: Vec<u8>) -> Result<Decoded, DecodeError> {
    let event = match kind {
        "start" => Event::Start {
            started_at: String::from_utf8(data)?.parse()?,
        },
        "log" => Event::Log {
            data: String::from_utf8(data)?.into(),
        },
        "note" => return Ok(Decoded::Note(String::from_utf8(data)?)),
        "metric" => {
            let Metric { name, value } = serde_json::from_slice(&data)?;
            Event::Metric {
                name: name.into(),
                value,
            }
        }
        "output" => {
            let (index, file) = data.split_first_chunk().ok_or(DecodeError::Short)?;
            Event::Output {
                index: u32::from_le_bytes(*index) as usize,
                file: decode_file(file)?,
            }
        }
        "completed" => Event::Completed(completion(serde_json::from_slice(&data)?)?),
        _ => Event::Log { data: "".into() },
    };
    Ok(Decoded::Event(event))
}

fn json<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("the value has text keys and is written to memory")
}

fn end(completion: &Completion) -> End {
    let error = match &completion.outcome {
        Outcome::Failed(message) => Some(message.clone()),
        Outcome::Succeeded | Outcome::Canceled => None,
    };
    End {
        status: completion.outcome.status(),
        error,
        completed_at: completion.completed_at.to_string(),
        predict_time: completion.predict_time,
    }
}

fn completion(end: End) -> Result<Completion, DecodeError> {
    let outcome = match end.status {
        Status::Succeeded => Outcome::Succeeded,
        Status::Canceled => Outcome::Canceled,
        _ => Outcome::Failed(end.error.unwrap_or_default()),
    };
    Ok(Completion {
        outcome,
        completed_at: end.completed_at.parse::<Timestamp>()?,
        predict_time: end.predict_time,
    })
}

/// A byte of flags; for a data URL its header, with the length before it; and the content.
fn encode_file(url: &str) -> Vec<u8> {
    let data_url = url.split_once(BASE64).and_then(|(header, data)| {
        let length = u8::try_from(header.len()).ok()?;
        let content = STANDARD.decode(data).ok()?;
        // There are texts that are read as the same bytes but written in another way.
        (STANDARD.encode(&content) == data).then_some((length, header, content))
    });
    let (mut flags, head, content) = match data_url {
        Some((length, header, content)) => {
            (DATA_URL, [&[length], header.as_bytes()].concat(), content)
        }
        None => (0, Vec::new(), url.as_bytes().to_vec()),
    };
    let compressed = compress(&content);
    let is_smaller = compressed.len() < content.len();
    flags |= if is_smaller { COMPRESSED } else { 0 };
    let content = if is_smaller { compressed } else { content };
    [&[flags], &head[..], &content].concat()
}

fn decode_file(stored: &[u8]) -> Result<Arc<str>, DecodeError> {
    let (flags, stored) = stored.split_first().ok_or(DecodeError::Short)?;
    if flags & !(COMPRESSED | DATA_URL) != 0 {
        return Err(DecodeError::NewerFile);
    }
    let (header, content) = if flags & DATA_URL == 0 {
        (None, stored)
    } else {
        let (length, rest) = stored.split_first().ok_or(DecodeError::Short)?;
        let split = rest.split_at_checked(usize::from(*length));
        let (header, content) = split.ok_or(DecodeError::Short)?;
        (Some(String::from_utf8(header.to_vec())?), content)
    };
    let mut read = Vec::new();
    if flags & COMPRESSED == 0 {
        read.extend_from_slice(content);
    } else {
        ZlibDecoder::new(content).read_to_end(&mut read)?;
    }
    let file = match header {
        Some(header) => {
            let mut url = header + BASE64;
            STANDARD.encode_string(read, &mut url);
            url
        }
        None => String::from_utf8(read)?,
    };
    Ok(file.into())
}

fn compress(content: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(content).and_then(|()| encoder.finish());
    written.expect("memory can be written to")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(event: &Event) {
        let stored = encode(event);
        let read = decode(stored.kind, stored.data).unwrap();
        assert_eq!(read, Decoded::Event(event.clone()));
    }

    #[test]
    fn every_event_is_read_as_it_was_written() {
        round_trip(&Event::Start {
            started_at: Timestamp::from_nanosecond(1_700_000_000_123_456_789).unwrap(),
        });
        round_trip(&Event::log("a line"));
        round_trip(&Event::Metric {
            name: "losses".into(),
            value: serde_json::json!({"clip": -0.1, "centre": 1e-9}),
        });
        for outcome in [
            Outcome::Succeeded,
            Outcome::Canceled,
            Outcome::Failed("why".to_owned()),
        ] {
            round_trip(&Event::Completed(Completion {
                outcome,
                completed_at: Timestamp::UNIX_EPOCH,
                predict_time: 0.1 + 0.2,
            }));
        }
    }

    #[test]
    fn every_url_of_a_file_is_read_as_it_was_written() {
        let svg = STANDARD.encode("<svg>".repeat(1000));
        let noise: Vec<u8> = (0..999_u32).map(|n| ((n * n * 31) >> 3) as u8).collect();
        for file in [
            String::new(),
            "https://example.com/a.svg".to_owned(),
            format!("data:image/svg+xml;base64,{svg}"),
            format!("data:image/png;base64,{}", STANDARD.encode(noise)),
            "data:image/png;base64,".to_owned(),
            "data:,plain".to_owned(),
            "data:image/png;base64,AB==".to_owned(),
            format!("data:{};base64,AAAA", "x".repeat(300)),
        ] {
            round_trip(&Event::Output {
                index: 7,
                file: file.into(),
            });
        }
    }

    #[test]
    fn a_drawing_needs_less_room_than_its_data_url() {
        let url = format!(
            "data:image/svg+xml;base64,{}",
            STANDARD.encode("<path d='M 1 2'/>".repeat(1000))
        );
        assert!(encode_file(&url).len() < url.len() / 20);
    }

    #[test]
    fn damaged_events_are_errors() {
        let output = encode(&Event::Output {
            index: 0,
            file: format!("data:a;base64,{}", STANDARD.encode("a".repeat(99))).into(),
        });
        for length in 0..output.data.len() {
            let cut = output.data[..length].to_vec();
            assert!(decode("output", cut).is_err(), "{length}");
        }
        assert!(decode("start", b"today".to_vec()).is_err());
        assert!(decode("completed", b"{}".to_vec()).is_err());
    }

    #[test]
    fn what_only_a_newer_version_knows_is_passed_over_or_refused_but_never_misread() {
        let unknown = decode("preview", b"anything".to_vec()).unwrap();
        assert_eq!(unknown, Decoded::Event(Event::Log { data: "".into() }));
        let mut output = encode(&Event::Output {
            index: 0,
            file: "https://example.com/a.svg".into(),
        });
        output.data[4] |= 1 << 2;
        let error = decode(output.kind, output.data).unwrap_err();
        assert!(matches!(error, DecodeError::NewerFile), "{error}");
        let end = br#"{"status":"succeeded","error":null,"completed_at":"1970-01-01T00:00:00Z","predict_time":1.0,"new":[1]}"#;
        let Decoded::Event(Event::Completed(end)) = decode("completed", end.to_vec()).unwrap()
        else {
            panic!("it is an end");
        };
        assert_eq!(end.outcome, Outcome::Succeeded);
    }
}
