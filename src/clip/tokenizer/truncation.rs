//! Cuts a text that has more tokens than a model reads.

use super::Tokenizer;

impl Tokenizer {
    /// The longest beginning of `text` with at most `limit` tokens, including the start and end tokens, that ends with a
    /// whole word. If even the first word has more tokens, it ends with a whole character; if even the first character
    /// has more, it is empty.
    pub fn truncate<'text>(&self, text: &'text str, limit: usize) -> &'text str {
        let fits = |end: usize| self.encode(&text[..end]).len() <= limit;
        if fits(text.len()) {
            return text;
        }
        let end = last_end(&word_ends(text), fits);
        let end = if end == 0 {
            let characters = text.char_indices();
            let ends: Vec<usize> = characters.map(|(start, _)| start).skip(1).collect();
            last_end(&ends, fits)
        } else {
            end
        };
        &text[..end]
    }
}

/// Where the words of a text end, in bytes.
fn word_ends(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut in_word = false;
    for (start, character) in text.char_indices() {
        if in_word && character.is_whitespace() {
            ends.push(start);
        }
        in_word = !character.is_whitespace();
    }
    ends
}

/// The last end at which a text fits, 0 if there is none. Cleaning may make a longer text shorter, so the result of the
/// bisection is checked.
fn last_end(ends: &[usize], fits: impl Fn(usize) -> bool) -> usize {
    let count = ends.partition_point(|&end| fits(end));
    let found = ends[..count].iter().rev().find(|&&end| fits(end));
    found.copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_after_the_last_word_that_fits() {
        let tokenizer = Tokenizer::shared();
        for (text, limit, expected) in [
            ("a red fox", 77, "a red fox"),
            ("a red fox", 5, "a red fox"),
            ("a red fox", 4, "a red"),
            ("  a   red \n fox ", 4, "  a   red"),
            ("a red fox", 3, "a"),
            ("a red fox", 2, ""),
            ("日本日本日本日本日本日本", 5, "日本日"),
        ] {
            let cut = tokenizer.truncate(text, limit);
            assert!(tokenizer.encode(cut).len() <= limit, "{text}: {cut}");
            if text.is_ascii() {
                assert_eq!(cut, expected, "{text} at {limit}");
            } else {
                assert!(!cut.is_empty() && text.starts_with(cut), "{cut}");
            }
        }
    }

    #[test]
    fn the_next_word_would_not_fit() {
        let tokenizer = Tokenizer::shared();
        let text =
            "seven very small &amp; very blue birds in an old apple-tree, painted by a child "
                .repeat(9);
        for limit in 3..120 {
            let cut = tokenizer.truncate(&text, limit);
            let more = text[cut.len()..].split_whitespace().next().unwrap();
            let longer = format!("{cut} {more}");
            assert!(tokenizer.encode(cut).len() <= limit);
            assert!(tokenizer.encode(&longer).len() > limit, "{limit}: {longer}");
        }
    }
}
