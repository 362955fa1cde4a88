//! "Did you mean …?": the known name that was most likely meant by a mistyped one.

/// A suggestion below this similarity confuses more than it helps.
const MIN_SIMILARITY: f64 = 0.6;

/// The known name most similar to `name`, ignoring case, if any is similar enough; the first of equally
/// similar ones.
///
/// The measure is the normalized Damerau-Levenshtein similarity: the share of characters that need
/// not be inserted, deleted, replaced or swapped with a neighbor. It suits whole names better than
/// Jaro-Winkler, which overrates names with the same beginning.
pub fn suggest(name: &str, known: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let name = name.to_lowercase();
    known
        .into_iter()
        .map(|known| {
            let similarity = strsim::normalized_damerau_levenshtein(&known.to_lowercase(), &name);
            (similarity, known)
        })
        .filter(|(similarity, _)| *similarity > MIN_SIMILARITY)
        .reduce(|best, other| if other.0 > best.0 { other } else { best })
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_name_is_suggested_and_nothing_for_nonsense() {
        let inputs = ["prompt", "num_paths", "num_iterations", "min_stroke_width"];
        let weights = [
            "compact-v4",
            "ViT-B/32",
            "ViT-B/16",
            "RN50",
            "RN50x4",
            "RN50x16",
        ];
        for (name, known, expected) in [
            ("num_path", &inputs[..], Some("num_paths")),
            ("Prompt", &inputs, Some("prompt")),
            ("promt", &inputs, Some("prompt")),
            ("numiteration", &inputs, Some("num_iterations")),
            ("zzz", &inputs, None),
            ("strokes", &inputs, None),
            ("vitb32", &weights, Some("ViT-B/32")),
            ("ViT-B", &weights, Some("ViT-B/32")),
            ("RN50x5", &weights, Some("RN50x4")),
            ("compact", &weights, Some("compact-v4")),
            ("mona lisa", &weights, None),
        ] {
            assert_eq!(suggest(name, known.iter().copied()), expected, "{name}");
        }
    }
}
