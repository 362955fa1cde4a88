//! Many prompts from a file, one a line.

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use super::inputs::read_lines;
use crate::inputs::Input;

/// A line that begins with this is not a prompt.
const COMMENT: char = '#';

/// The name of the input with the prompts.
const PROMPT: &str = "prompt";

/// The maximum number of words of a prompt in the names of its files.
const MAX_WORDS: usize = 6;

/// The maximum length of these words, in characters.
const MAX_LENGTH: usize = 40;

/// The minimum number of digits of a prompt's number in the names of its files, so that they sort.
const MIN_DIGITS: usize = 2;

/// What is drawn together: the inputs of one prompt.
pub(super) struct Request {
    /// The inputs.
    pub(super) input: Input,
    /// The number and the words of the prompt, for the names of files, such as `-01-a-red-fox`; empty for a single prompt.
    pub(super) suffix: String,
}

/// The inputs of every prompt in a file, or of the only one.
///
/// # Errors
/// If the file cannot be read, has no prompts, or an input is not allowed.
pub(super) fn requests(
    file: Option<&str>,
    values: &Map<String, Value>,
) -> anyhow::Result<Vec<Request>> {
    let Some(file) = file else {
        let input = Input::from_values_of_any_length(values)?;
        let suffix = String::new();
        return Ok(vec![Request { input, suffix }]);
    };
    if values.contains_key(PROMPT) {
        bail!("the prompts are those of --prompts; leave out the input prompt");
    }
    let text = read_lines(file)?;
    let lines = text.lines().map(str::trim).enumerate();
    let prompts: Vec<_> = lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(COMMENT))
        .collect();
    if prompts.is_empty() {
        bail!("--prompts {file}: there are no prompts in it");
    }
    let digits = prompts.len().to_string().len().max(MIN_DIGITS);
    let requests = prompts.iter().enumerate().map(|(index, (line, prompt))| {
        let mut values = values.clone();
        values.insert(PROMPT.to_owned(), (*prompt).into());
        let input = Input::from_values_of_any_length(&values)
            .with_context(|| format!("--prompts {file}, line {}", line + 1))?;
        let suffix = format!("-{:0digits$}{}", index + 1, words(prompt));
        Ok(Request { input, suffix })
    });
    requests.collect()
}

/// The first words of a prompt, each after a hyphen.
fn words(prompt: &str) -> String {
    let mut words = String::new();
    let separate = |character: char| !character.is_alphanumeric();
    let all = prompt.split(separate).filter(|word| !word.is_empty());
    for word in all.take(MAX_WORDS) {
        if words.chars().count() + word.chars().count() >= MAX_LENGTH {
            break;
        }
        words.push('-');
        words.push_str(&word.to_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str, values: &Value) -> anyhow::Result<Vec<(String, String)>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("prompts.txt");
        std::fs::write(&path, text).unwrap();
        let found = requests(path.to_str(), values.as_object().unwrap())?;
        let found = found.into_iter();
        Ok(found
            .map(|request| (request.input.prompt().to_owned(), request.suffix))
            .collect())
    }

    #[test]
    fn every_line_is_a_prompt_except_comments_and_empty_lines() {
        let text = "\u{feff}# animals\r\na red fox | text:-0.3\r\n\n  日本の狐: 9:16  \n";
        let found = read(text, &json!({})).unwrap();
        let expected = [
            ("a red fox | text:-0.3", "-01-a-red-fox-text-0-3"),
            ("日本の狐: 9:16", "-02-日本の狐-9-16"),
        ];
        let expected = expected.map(|(prompt, suffix)| (prompt.to_owned(), suffix.to_owned()));
        assert_eq!(found, expected);
        let many = "a fox\n".repeat(100);
        assert_eq!(read(&many, &json!({})).unwrap()[99].1, "-100-a-fox");
        assert_eq!(words(&"very ".repeat(20)), "-very-very-very-very-very-very");
        assert_eq!(words(&"x".repeat(50)), "");
    }

    #[test]
    fn the_error_names_the_line_that_is_wrong() {
        for (text, values, expected) in [
            (
                "a fox\n\n:2\n",
                json!({}),
                "line 3: prompt: \":2\" is not allowed",
            ),
            ("# nothing\n", json!({}), "there are no prompts in it"),
            (
                "a fox",
                json!({"prompt": "a"}),
                "leave out the input prompt",
            ),
        ] {
            let error = format!("{:#}", read(text, &values).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
