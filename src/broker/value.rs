//! Reads the answers of scripts.

use std::collections::HashMap;

use redis::Value;

use super::error::BrokerError;

fn unexpected(what: &str) -> BrokerError {
    BrokerError::Damaged(format!("{what} was expected in an answer"))
}

/// An integer.
pub(super) fn integer(value: &Value) -> Result<i64, BrokerError> {
    match value {
        Value::Int(number) => Ok(*number),
        Value::BulkString(bytes) => std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| unexpected("a number")),
        _ => Err(unexpected("a number")),
    }
}

/// Bytes; nothing counts as none.
pub(super) fn bytes(value: Value) -> Result<Vec<u8>, BrokerError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        Value::SimpleString(text) => Ok(text.into_bytes()),
        Value::Int(number) => Ok(number.to_string().into_bytes()),
        Value::Nil => Ok(Vec::new()),
        _ => Err(unexpected("a text")),
    }
}

/// A text.
pub(super) fn text(value: Value) -> Result<String, BrokerError> {
    String::from_utf8(bytes(value)?).map_err(|_| unexpected("a text in UTF-8"))
}

/// A list; nothing counts as an empty one.
pub(super) fn list(value: Value) -> Result<Vec<Value>, BrokerError> {
    match value {
        Value::Array(values) => Ok(values),
        Value::Nil => Ok(Vec::new()),
        _ => Err(unexpected("a list")),
    }
}

/// The next value of a list.
pub(super) fn next(values: &mut impl Iterator<Item = Value>) -> Result<Value, BrokerError> {
    values.next().ok_or_else(|| unexpected("a longer list"))
}

/// The fields of a hash. What has a name that is no text is not of this program.
pub(super) fn fields(value: Value) -> Result<HashMap<String, Vec<u8>>, BrokerError> {
    let mut fields = HashMap::new();
    let mut insert = |name, value| {
        if let Ok(name) = text(name) {
            fields.insert(name, bytes(value)?);
        }
        Ok::<_, BrokerError>(())
    };
    match value {
        Value::Map(pairs) => {
            for (name, value) in pairs {
                insert(name, value)?;
            }
        }
        other => {
            let mut values = list(other)?.into_iter();
            while let Some(name) = values.next() {
                insert(name, next(&mut values)?)?;
            }
        }
    }
    Ok(fields)
}

/// An event in a stream.
#[derive(Debug)]
pub(super) struct StreamEntry {
    /// Its number.
    pub(super) number: u64,
    pub(super) kind: String,
    pub(super) data: Vec<u8>,
}

/// The entries of a stream of events.
pub(super) fn entries(value: Value) -> Result<Vec<StreamEntry>, BrokerError> {
    list(value)?.into_iter().map(entry).collect()
}

fn entry(value: Value) -> Result<StreamEntry, BrokerError> {
    let mut parts = list(value)?.into_iter();
    let id = text(next(&mut parts)?)?;
    let number = id
        .split_once('-')
        .and_then(|(number, _)| number.parse().ok());
    let mut fields = fields(next(&mut parts)?)?;
    let kind = fields
        .remove("k")
        .and_then(|kind| String::from_utf8(kind).ok());
    let data = fields.remove("d");
    match (number, kind, data) {
        (Some(number), Some(kind), Some(data)) => Ok(StreamEntry { number, kind, data }),
        _ => Err(unexpected("an event")),
    }
}
