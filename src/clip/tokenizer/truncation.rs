//! Cuts a text that has more tokens than a model reads.

/// The longest beginning of `text` that fits and ends with a whole word. If not even the first word fits, it ends with a
/// whole character; if not even the first character fits, it is empty.
pub(super) fn truncate(text: &str, fits: impl Fn(&str) -> bool) -> &str {
    let fits = |end: usize| fits(&text[..end]);
    if fits(text.len()) {
        return text;
    }
    let end = last_end(&word_ends(text), fits);
    if end > 0 {
        return &text[..end];
    }
    let characters = text.char_indices();
    let ends: Vec<usize> = characters.map(|(start, _)| start).skip(1).collect();
    &text[..last_end(&ends, fits)]
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
    fn a_text_is_cut_after_the_last_word_or_character_that_fits() {
        for (text, limit, expected) in [
            ("a red fox", 7, "a red fox"),
            ("a red fox", 6, "a red"),
            ("  a   red \n fox ", 6, "  a   red"),
            ("a red fox", 3, "a"),
            ("a red fox", 0, ""),
            ("日本日本日本", 4, "日本日本"),
        ] {
            let letters = |text: &str| text.chars().filter(|letter| letter.is_alphabetic()).count();
            assert_eq!(truncate(text, |text| letters(text) <= limit), expected);
        }
    }
}
