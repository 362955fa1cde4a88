//! All values that a pickle builds, in one list.

use super::value::{Budget, Index, MAX_VALUES, PickleError, Value};

/// The values, which refer to each other by index, and the memory that is left for them.
#[derive(Debug, Default)]
pub(super) struct Values {
    list: Vec<Value>,
    /// The value for everything that is not part of any tensor.
    other: Option<Index>,
    pub(super) budget: Budget,
}

impl Values {
    pub(super) fn get(&self, index: Index) -> &Value {
        &self.list[index]
    }

    pub(super) fn get_mut(&mut self, index: Index) -> &mut Value {
        &mut self.list[index]
    }

    /// Adds a value.
    ///
    /// # Errors
    /// If there are too many, or there is too little memory.
    pub(super) fn add(&mut self, value: Value) -> Result<Index, PickleError> {
        let is_other = matches!(value, Value::Other);
        if let Some(other) = self.other.filter(|_| is_other) {
            // A list of floats may be long, and all of them are one value.
            return Ok(other);
        }
        if self.list.len() >= MAX_VALUES {
            return Err(PickleError::TooManyValues);
        }
        self.budget.take(value.bytes())?;
        self.list.push(value);
        let index = self.list.len() - 1;
        if is_other {
            self.other = Some(index);
        }
        Ok(index)
    }

    /// Whether a value is a dictionary with this key.
    pub(super) fn has_key(&self, index: Index, key: &str) -> bool {
        match &self.list[index] {
            Value::Fields(fields) => fields.iter().any(|&(name, _)| self.text_of(name) == key),
            _ => false,
        }
    }

    pub(super) fn text_of(&self, index: Index) -> String {
        match &self.list[index] {
            Value::Text(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            _ => String::new(),
        }
    }

    pub(super) fn is_text(&self, index: Index, expected: &str) -> bool {
        matches!(&self.list[index], Value::Text(text) if text == expected)
    }

    pub(super) fn parts(&self, index: Index) -> &[Index] {
        match &self.list[index] {
            Value::Sequence(parts) => parts,
            _ => &[],
        }
    }

    pub(super) fn integers(&self, index: Index) -> Option<Vec<i64>> {
        let integer = |&part: &Index| match self.list[part] {
            Value::Integer(value) => Some(value),
            _ => None,
        };
        self.parts(index).iter().map(integer).collect()
    }
}
