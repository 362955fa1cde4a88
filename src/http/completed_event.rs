//! The `completed` event, which ends an event stream: the state of the prediction, with the files that the
//! stream has not sent as `output` events.
//!
//! All files of a prediction together can be many megabytes. They are written one by one while the
//! client reads, so a stream needs memory for one of them.

use std::sync::Arc;

use axum::body::Bytes;

use crate::service::Snapshot;

/// The chunks of one `completed` event that have not been written yet.
#[derive(Debug)]
pub(super) struct CompletedEvent {
    number: u64,
    state: Snapshot,
    files: Vec<Arc<str>>,
    written: usize,
}

impl CompletedEvent {
    /// The event of that number. `output` has the first `unsent` files of the prediction, and is left out if
    /// there are none.
    pub(super) fn new(number: u64, mut state: Snapshot, unsent: usize) -> Box<Self> {
        let mut files = std::mem::take(&mut state.output);
        files.truncate(unsent);
        Box::new(Self {
            number,
            state,
            files,
            written: 0,
        })
    }

    /// The next chunk, and the event without it if there is more to write.
    pub(super) fn next(mut self: Box<Self>) -> (Bytes, Option<Box<Self>>) {
        let mut chunk = if self.written == 0 {
            self.head()
        } else {
            Vec::new()
        };
        let Some(file) = self.files.get(self.written) else {
            chunk.extend_from_slice(b"}\n\n");
            return (chunk.into(), None);
        };
        let opening: &[u8] = if self.written == 0 {
            b",\"output\":["
        } else {
            b","
        };
        chunk.extend_from_slice(opening);
        write_json(&mut chunk, &**file);
        self.written += 1;
        if self.written < self.files.len() {
            return (chunk.into(), Some(self));
        }
        chunk.extend_from_slice(b"]}\n\n");
        (chunk.into(), None)
    }

    /// Everything before `output`, the JSON object without its closing brace.
    fn head(&self) -> Vec<u8> {
        let mut head = format!("id: {}\nevent: completed\ndata: ", self.number).into_bytes();
        write_json(&mut head, &self.state);
        head.pop();
        head
    }
}

fn write_json<T: serde::Serialize + ?Sized>(bytes: &mut Vec<u8>, data: &T) {
    serde_json::to_writer(bytes, data).expect("the data has text keys and is written to memory");
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Map, Value, json};

    use super::*;

    fn state(files: usize) -> Snapshot {
        let (input, origin) = (Arc::new(Map::new()), Arc::default());
        let accepted = Snapshot::accepted("a".into(), input, Timestamp::UNIX_EPOCH, origin);
        Snapshot {
            output: (0..files)
                .map(|index| format!("{index}\"\n").into())
                .collect(),
            ..accepted
        }
    }

    fn written(event: Box<CompletedEvent>) -> (Value, usize) {
        let mut text = Vec::new();
        let mut chunks = 0;
        let mut rest = Some(event);
        while let Some(event) = rest {
            let (chunk, more) = event.next();
            text.extend_from_slice(&chunk);
            chunks += 1;
            rest = more;
        }
        let text = String::from_utf8(text).unwrap();
        let data = text
            .strip_prefix("id: 7\nevent: completed\ndata: ")
            .unwrap();
        let data = data.strip_suffix("\n\n").unwrap();
        assert!(!data.contains('\n'), "{data}");
        (serde_json::from_str(data).unwrap(), chunks)
    }

    #[test]
    fn the_event_is_the_state_with_the_files_that_were_not_sent() {
        for (files, unsent, chunks) in [(0, 0, 1), (3, 0, 1), (3, 1, 1), (3, 2, 2), (3, 3, 3)] {
            let mut expected = json!(state(files));
            let members = expected.as_object_mut().unwrap();
            match members.get_mut("output").and_then(Value::as_array_mut) {
                Some(output) if unsent > 0 => output.truncate(unsent),
                _ => drop(members.remove("output")),
            }
            let event = CompletedEvent::new(7, state(files), unsent);
            assert_eq!(written(event), (expected, chunks), "{files} {unsent}");
        }
    }
}
