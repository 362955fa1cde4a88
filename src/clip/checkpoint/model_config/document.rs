//! A JSON file next to the weights. Errors about its values contain their keys.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::settings::{ModelConfig, Size, StatedSize};
use crate::clip::error::ClipError;

/// A configuration file.
#[derive(Debug)]
pub(super) struct Document {
    weights: PathBuf,
    name: &'static str,
    root: Map<String, Value>,
}

impl Document {
    /// Reads the file with this name next to the weights; `None` if there is none.
    pub(super) fn read(weights: &Path, name: &'static str) -> Result<Option<Self>, ClipError> {
        let file = weights.with_file_name(name);
        if !file.is_file() {
            return Ok(None);
        }
        let text = std::fs::read(&file).map_err(|cause| ClipError::Unreadable {
            file: file.clone(),
            cause,
        })?;
        let root = serde_json::from_slice(&text).map_err(|cause| ClipError::Broken {
            file,
            cause: Box::new(cause),
        })?;
        Ok(Some(Self {
            weights: weights.to_owned(),
            name,
            root,
        }))
    }

    /// The whole file.
    pub(super) fn root(&self) -> Section<'_> {
        Section {
            document: self,
            path: String::new(),
            object: Some(&self.root),
        }
    }

    /// The object with this name; the whole file if the name is empty.
    pub(super) fn section(&self, name: &str) -> Option<Section<'_>> {
        if name.is_empty() {
            return Some(self.root());
        }
        self.root().section(name)
    }

    /// Whether the file has this key.
    pub(super) fn has(&self, key: &str) -> bool {
        self.root.contains_key(key)
    }
}

/// An object in a configuration file.
#[derive(Debug, Clone)]
pub(super) struct Section<'a> {
    document: &'a Document,
    path: String,
    /// The object, if the file has it.
    object: Option<&'a Map<String, Value>>,
}

impl<'a> Section<'a> {
    /// The object with this name in this one.
    pub(super) fn section(&self, name: &str) -> Option<Self> {
        let object = self.value(name)?.as_object()?;
        Some(Self {
            document: self.document,
            path: self.full(name),
            object: Some(object),
        })
    }

    /// An object without values.
    pub(super) fn empty(&self, name: &str) -> Self {
        Self {
            document: self.document,
            path: self.full(name),
            object: None,
        }
    }

    /// The value of a key, unless it is null.
    pub(super) fn value(&self, key: &str) -> Option<&'a Value> {
        self.object?.get(key).filter(|value| !value.is_null())
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        let object = self.object.into_iter();
        object.flat_map(|object| object.keys().map(String::as_str))
    }

    /// The error that the value of a key is not supported.
    pub(super) fn unsupported(&self, key: &str, expected: impl Into<String>) -> ClipError {
        ClipError::Unsupported {
            file: self.document.weights.clone(),
            config: self.document.name.to_owned(),
            key: self.full(key),
            found: self.value(key).unwrap_or(&Value::Null).to_string(),
            expected: expected.into(),
        }
    }

    /// A positive whole number, or a list of equal ones, as for the two sides of a square.
    pub(super) fn integer(&self, key: &str) -> Result<Option<i64>, ClipError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let sides = match value {
            Value::Array(sides) => sides.as_slice(),
            single => std::slice::from_ref(single),
        };
        let first = sides
            .first()
            .and_then(Value::as_i64)
            .filter(|number| *number > 0);
        match first {
            Some(number) if sides.iter().all(|side| side.as_i64() == first) => Ok(Some(number)),
            _ => Err(self.unsupported(key, "it must be a positive whole number")),
        }
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, ClipError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let number = value.as_f64();
        let number = number.ok_or_else(|| self.unsupported(key, "it must be a number"))?;
        Ok(Some(number))
    }

    pub(super) fn boolean(&self, key: &str) -> Result<Option<bool>, ClipError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let value = value.as_bool();
        let value = value.ok_or_else(|| self.unsupported(key, "it must be true or false"))?;
        Ok(Some(value))
    }

    /// Three numbers, one for each channel.
    pub(super) fn channels(&self, key: &str) -> Result<Option<[f32; 3]>, ClipError> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let numbers = value.as_array().map(|numbers| {
            let numbers = numbers.iter().filter_map(Value::as_f64);
            let numbers = numbers.map(|number| number as f32);
            numbers
                .filter(|number| number.is_finite())
                .collect::<Vec<_>>()
        });
        let three = numbers.and_then(|numbers| <[f32; 3]>::try_from(numbers).ok());
        let three = three.ok_or_else(|| {
            self.unsupported(
                key,
                "it must be three numbers in the range of 32-bit floats",
            )
        })?;
        Ok(Some(three))
    }

    /// Rejects any value of a key except this one and null.
    pub(super) fn require(&self, key: &str, only: impl Into<Value>) -> Result<(), ClipError> {
        let only = only.into();
        match self.value(key) {
            Some(value) if *value != only => {
                Err(self.unsupported(key, format!("only {only} is supported")))
            }
            _ => Ok(()),
        }
    }

    /// Records a size that the tensors must have.
    pub(super) fn state(
        &self,
        config: &mut ModelConfig,
        key: &str,
        size: Size,
    ) -> Result<(), ClipError> {
        if let Some(value) = self.integer(key)? {
            config.sizes.push(StatedSize {
                size,
                value,
                config: self.document.name,
                key: self.full(key),
            });
        }
        Ok(())
    }

    fn full(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}
