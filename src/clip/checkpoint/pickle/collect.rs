//! Finds the tensors in the value of a pickle.

use std::collections::BTreeMap;

use super::machine::Machine;
use super::value::{Index, MAX_VALUES, PickleError, StoredTensor, Value};

/// The maximum depth of a name, which no module reaches; a loop in the file ends here.
const MAX_DEPTH: usize = 40;

impl Machine<'_> {
    /// All tensors in a value, with their dotted names. The elements of lists are numbered.
    pub(super) fn collect(
        &self,
        root: Index,
    ) -> Result<BTreeMap<String, StoredTensor>, PickleError> {
        let mut found = BTreeMap::new();
        let mut open = vec![(String::new(), root, 0)];
        let mut seen = 0;
        while let Some((name, value, depth)) = open.pop() {
            seen += 1;
            if seen + open.len() > MAX_VALUES {
                return Err(PickleError::TooManyValues);
            }
            match &self.values[value] {
                Value::Tensor(tensor) => drop(found.insert(name, tensor.clone())),
                Value::Fields(fields) if depth < MAX_DEPTH => {
                    let named = fields
                        .iter()
                        .filter(|(_, value)| self.may_hold_tensors(*value));
                    open.extend(
                        named.map(|&(key, value)| {
                            (join(&name, &self.text_of(key)), value, depth + 1)
                        }),
                    );
                }
                Value::Sequence(parts) if depth < MAX_DEPTH => {
                    let numbered = (0..).zip(parts);
                    let holding = numbered.filter(|(_, value)| self.may_hold_tensors(**value));
                    open.extend(holding.map(|(number, &value): (usize, _)| {
                        (join(&name, &number.to_string()), value, depth + 1)
                    }));
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
            self.values[value],
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
