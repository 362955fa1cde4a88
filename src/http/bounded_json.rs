//! JSON values with a bounded size in memory. A parsed value takes many times the bytes of its text:
//! a body of 100 MB could become 4 GB.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The maximum number of values, nested ones included. A real request has fewer than a hundred.
const MAX_VALUES: usize = 100_000;

/// A JSON value with a bounded number of values in it.
#[derive(Debug, Default)]
pub(super) struct BoundedValue(pub(super) Value);

impl<'de> Deserialize<'de> for BoundedValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut left = MAX_VALUES;
        BoundedSeed(&mut left).deserialize(deserializer).map(Self)
    }
}

/// Reads a value and everything in it, and subtracts the number of values from what is left.
struct BoundedSeed<'a>(&'a mut usize);

impl<'de> DeserializeSeed<'de> for BoundedSeed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        *self.0 = self
            .0
            .checked_sub(1)
            .ok_or_else(|| D::Error::custom(format_args!("more than {MAX_VALUES} values")))?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for BoundedSeed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any valid JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(BoundedSeed(self.0))? {
            read.push(item);
        }
        Ok(read.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(name) = members.next_key()? {
            read.insert(name, members.next_value_seed(BoundedSeed(self.0))?);
        }
        Ok(read.into())
    }
}

/// An object whose values are strings. It is checked and not kept.
#[derive(Debug, Default)]
pub(super) struct IgnoredStrings;

/// A string that is checked and not kept.
struct IgnoredString;

impl<'de> Deserialize<'de> for IgnoredStrings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for IgnoredStrings {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        while members
            .next_entry::<IgnoredString, IgnoredString>()?
            .is_some()
        {}
        Ok(Self)
    }
}

impl<'de> Deserialize<'de> for IgnoredString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Self)
    }
}

impl Visitor<'_> for IgnoredString {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string")
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, String> {
        serde_json::from_str::<BoundedValue>(text)
            .map(|BoundedValue(value)| value)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_value_is_read_as_without_a_bound() {
        let texts = [
            r#"{"b": [null, true, -1, 18446744073709551615, 0.1, 1e300, "é\n"], "a": {"c": {}}}"#,
            r#"{"a": 1, "a": 2}"#,
            "123456789012345678901234567890",
            r#""text""#,
            "[[[]]]",
        ];
        for text in texts {
            assert_eq!(
                read(text),
                Ok(serde_json::from_str(text).unwrap()),
                "{text}"
            );
        }
        for wrong in ["", "[1", r#"{"a": }"#, "[1,]", &"[".repeat(200)] {
            let expected = serde_json::from_str::<Value>(wrong).unwrap_err();
            assert_eq!(read(wrong), Err(expected.to_string()), "{wrong}");
        }
    }

    #[test]
    fn json_with_too_many_values_is_rejected() {
        let list = |length: usize| format!("[{}0]", "0,".repeat(length - 1));
        assert!(read(&list(MAX_VALUES - 1)).is_ok());
        for text in [
            list(MAX_VALUES),
            format!("[{}]", vec![list(MAX_VALUES / 2); 2].join(",")),
            format!("{{{}\"x\":0}}", "\"x\":0,".repeat(MAX_VALUES)),
        ] {
            let error = read(&text).unwrap_err();
            assert!(
                error.starts_with("more than 100000 values at line 1"),
                "{error}"
            );
        }
    }
}
