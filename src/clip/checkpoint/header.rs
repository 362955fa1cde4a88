//! Why the header of a safetensors file cannot be read.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use safetensors::SafeTensorError;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use thiserror::Error;

use crate::clip::error::ClipError;

/// Size of the header's length in bytes.
const LENGTH: usize = 8;

/// Why a file in the safetensors format cannot be read.
#[derive(Debug, Error)]
pub(super) enum HeaderError {
    #[error("its header has `{0}` twice")]
    Repeated(String),
    #[error(transparent)]
    Format(SafeTensorError),
}

impl HeaderError {
    /// The reason for an error of the crate. Of two entries with one name it keeps the last, and then reports a gap in
    /// the file.
    pub(super) fn of(bytes: &[u8], cause: SafeTensorError) -> Self {
        let repeated = match cause {
            SafeTensorError::InvalidOffset(_) => repeated_key(bytes),
            _ => None,
        };
        repeated.map_or(Self::Format(cause), Self::Repeated)
    }

    /// The error that `file` is broken.
    pub(super) fn about(self, file: &Path) -> ClipError {
        ClipError::Broken {
            file: file.to_owned(),
            cause: Box::new(self),
        }
    }
}

/// The first key that the header of a file has a second time.
fn repeated_key(bytes: &[u8]) -> Option<String> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let Keys(repeated) = serde_json::from_slice(rest.get(..length)?).ok()?;
    repeated
}

/// The first key of an object that it has a second time.
struct Keys(Option<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Keys, A::Error> {
        let mut known = BTreeSet::new();
        let mut repeated = None;
        while let Some((key, IgnoredAny)) = members.next_entry::<String, IgnoredAny>()? {
            if !known.insert(key.clone()) {
                repeated = repeated.or(Some(key));
            }
        }
        Ok(Keys(repeated))
    }
}
