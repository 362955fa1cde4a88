//! Finds the tensors in the value of a pickle.

use std::collections::BTreeMap;

use super::value::{Budget, Index, MAX_VALUES, PickleError, StoredTensor, Value};
use super::values::Values;

/// The maximum depth of a name, which no module reaches; a loop in the file ends here.
const MAX_DEPTH: usize = 40;

impl Values {
    /// All tensors in a value, with their dotted names. The elements of lists are numbered.
    pub(super) fn collect(
        &self,
        root: Index,
    ) -> Result<BTreeMap<String, StoredTensor>, PickleError> {
        let mut found = BTreeMap::new();
        let mut open = vec![(String::new(), root, 0)];
        let mut seen = 0;
        // Values that are reached on many ways have as many names.
        let mut budget = Budget::default();
        while let Some((name, value, depth)) = open.pop() {
            seen += 1;
            if seen + open.len() > MAX_VALUES {
                return Err(PickleError::TooManyValues);
            }
            let value = self.get(value);
            budget.take(value.bytes())?;
            let mut add = |key: &str, value: Index| {
                if self.may_hold_tensors(value) {
                    let name = join(&name, key);
                    budget.take(name.len())?;
                    open.push((name, value, depth + 1));
                }
                Ok(())
            };
            match value {
                Value::Tensor(tensor) => drop(found.insert(name, tensor.clone())),
                Value::Fields(fields) if depth < MAX_DEPTH => {
                    for &(key, value) in fields {
                        add(&self.text_of(key), value)?;
                    }
                }
                Value::Sequence(parts) if depth < MAX_DEPTH => {
                    for (number, &value) in parts.iter().enumerate() {
                        add(&number.to_string(), value)?;
                    }
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// The texts of a list.
    pub(super) fn texts(&self, root: Index) -> Vec<String> {
        let parts = self.parts(root).iter();
        parts.map(|&part| self.text_of(part)).collect()
    }

    fn may_hold_tensors(&self, value: Index) -> bool {
        matches!(
            self.get(value),
            Value::Tensor(_) | Value::Fields(_) | Value::Sequence(_)
        )
    }
}

fn join(name: &str, key: &str) -> String {
    if name.is_empty() {
        key.to_owned()
    } else {
        format!("{name}.{key}")
    }
}
