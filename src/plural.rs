//! Numbers of things in messages.

use std::fmt::Display;

/// A number of things with the word for one or for several: `1 stroke`, `2 strokes`.
pub(crate) fn counted<N: Copy + Display + PartialEq + From<u8>>(
    count: N,
    one: &str,
    several: &str,
) -> String {
    let word = if count == N::from(1) { one } else { several };
    format!("{count} {word}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_thing_is_singular() {
        assert_eq!(counted(0_usize, "stroke", "strokes"), "0 strokes");
        assert_eq!(counted(1_u64, "stroke", "strokes"), "1 stroke");
        assert_eq!(counted(21_i64, "stroke", "strokes"), "21 strokes");
    }
}
