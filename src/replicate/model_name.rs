//! The names of models.

use std::fmt;
use std::str::FromStr;

use crate::service::OutputShape;

/// What the name of the model with one file as its output ends with.
const FINAL: &str = "-final";

/// The maximum length of an owner or a name in characters.
const MAX_LENGTH: usize = 100;

/// The name of a model with its owner, as in `clipdraw/clipdraw`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelName {
    owner: String,
    name: String,
}

/// A text is not the name of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be an owner and a name of A-Z a-z 0-9 _ . -, as in `clipdraw/clipdraw`")]
pub struct ModelNameError;

impl ModelName {
    /// The owner.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The name without the owner.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The model with the same drawings whose output is only the finished drawing, as in `clipdraw/clipdraw-final`.
    #[must_use]
    pub fn finished_only(&self) -> Self {
        Self {
            owner: self.owner.clone(),
            name: format!("{}{FINAL}", self.name),
        }
    }

    /// The name of the model with that output.
    #[must_use]
    pub fn with_output(&self, output: OutputShape) -> Self {
        match output {
            OutputShape::AllFiles => self.clone(),
            OutputShape::FinishedDrawing => self.finished_only(),
        }
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.owner, self.name)
    }
}

impl FromStr for ModelName {
    type Err = ModelNameError;

    fn from_str(text: &str) -> Result<Self, ModelNameError> {
        let (owner, name) = text.split_once('/').ok_or(ModelNameError)?;
        if !is_part(owner) || !is_part(name) {
            return Err(ModelNameError);
        }
        Ok(Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// Whether a text can be an owner or a name: it is safe in a path, and not only dots.
fn is_part(text: &str) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    (1..=MAX_LENGTH).contains(&text.len())
        && text.chars().all(allowed)
        && text.chars().any(|character| character != '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_an_owner_and_is_safe_in_a_path() {
        let name: ModelName = "somebody/clip.draw_2".parse().unwrap();
        assert_eq!((name.owner(), name.name()), ("somebody", "clip.draw_2"));
        assert_eq!(name.to_string(), "somebody/clip.draw_2");
        assert_eq!(
            name.finished_only().to_string(),
            "somebody/clip.draw_2-final"
        );
        for text in [
            "", "a", "a/", "/a", "a/b/c", "a/..", "a b/c", "a/b:c", "ä/b",
        ] {
            assert_eq!(text.parse::<ModelName>(), Err(ModelNameError), "{text}");
        }
    }
}
