//! A value from outside, quoted in an error message: short enough to read, however large it is.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use serde::ser::{Serialize, Serializer};
use serde_json::Value;

/// The maximum length of a quote, in characters.
const MAX_LENGTH: usize = 300;

/// The maximum length of a short quote, in characters.
const MAX_SHORT_LENGTH: usize = 60;

/// Enough bytes for [`MAX_LENGTH`] characters and one more, which shows that something is cut off.
const KEPT_BYTES: usize = 4 * (MAX_LENGTH + 1);

/// The beginning of a value as JSON, compact and with sorted keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quote {
    beginning: String,
}

impl Quote {
    /// Quotes a value. A large one is never written out as a whole.
    pub fn of(value: &Value) -> Self {
        let mut beginning = Beginning(Vec::new());
        // The only error is the one with which `Beginning` stops a large value.
        let _ = serde_json::to_writer(&mut beginning, &Sorted(value));
        Self {
            beginning: String::from_utf8_lossy(&beginning.0).into_owned(),
        }
    }

    /// At most 60 characters, with an ellipsis if something is cut off.
    pub fn short(&self) -> String {
        self.cut(MAX_SHORT_LENGTH, "…")
    }

    fn cut(&self, max_length: usize, mark: &str) -> String {
        match self.beginning.char_indices().nth(max_length) {
            Some((end, _)) => format!("{}{mark}", &self.beginning[..end]),
            None => self.beginning.clone(),
        }
    }
}

/// At most 300 characters, and a remark if something is cut off.
impl fmt::Display for Quote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = format!("… (cut after {MAX_LENGTH} characters)");
        formatter.write_str(&self.cut(MAX_LENGTH, &mark))
    }
}

/// Keeps the first [`KEPT_BYTES`] and then returns an error.
struct Beginning(Vec<u8>);

impl io::Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = KEPT_BYTES - self.0.len();
        if room == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        let taken = bytes.len().min(room);
        self.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A value whose objects are written with sorted keys.
struct Sorted<'a>(&'a Value);

impl Serialize for Sorted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => serializer.collect_seq(items.iter().map(Sorted)),
            Value::Object(members) => {
                let sorted: BTreeMap<_, _> = members.iter().collect();
                serializer.collect_map(sorted.into_iter().map(|(key, value)| (key, Sorted(value))))
            }
            scalar => scalar.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn small_values_are_quoted_whole_and_with_sorted_keys() {
        let value = json!({"b": 1, "a": [2, null, {"d": "é\"", "c": 1e300}]});
        let expected = r#"{"a":[2,null,{"c":1e+300,"d":"é\""}],"b":1}"#;
        assert_eq!(Quote::of(&value).to_string(), expected);
        assert_eq!(Quote::of(&value).short(), expected);
    }

    #[test]
    fn large_values_are_cut_between_characters_and_say_so() {
        for text in ["a", "é", "😀", "\u{1}"] {
            let quote = Quote::of(&json!([text.repeat(1_000_000)]));
            let (long, short) = (quote.to_string(), quote.short());
            assert!(long.ends_with("… (cut after 300 characters)"), "{long}");
            assert!(
                long.chars().count() < 340 && !long.contains('\u{fffd}'),
                "{long}"
            );
            assert!(
                short.ends_with('…') && short.chars().count() == 61,
                "{short}"
            );
        }
        let exactly = Quote::of(&json!("x".repeat(298)));
        assert!(!exactly.to_string().contains("cut"));
    }
}
