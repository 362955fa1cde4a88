//! The names that are searched for a model: those of all tensors of a file, or of those with a prefix.

use std::collections::BTreeMap;

/// Parts of names that are added when a module is wrapped, and are ignored: by `DataParallel` and its
/// successors, by `torch.compile`, by activation checkpointing, and in the dictionaries of a pickled module.
const WRAPPERS: [&str; 8] = [
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
    "_modules",
    "_parameters",
    "_buffers",
];

/// The names of tensors, without wrappers and behind a prefix.
#[derive(Debug)]
pub(super) struct Selection<'file> {
    /// The prefix without wrappers, which is empty or ends with a dot.
    pub(super) prefix: String,
    /// Whether the caller has chosen the prefix.
    pub(super) is_chosen: bool,
    /// From names behind the prefix to names in the file.
    pub(super) names: BTreeMap<String, Vec<&'file str>>,
}

impl<'file> Selection<'file> {
    /// Selects the names behind a prefix, which may have wrappers; without a prefix, all names. The prefix `.` means
    /// no prefix. There is no name if none has the prefix.
    pub(super) fn of<N: Iterator<Item = &'file str> + Clone>(
        names: N,
        prefix: Option<&str>,
    ) -> Self {
        let written = with_dot(prefix.unwrap_or_default().trim_end_matches('.'));
        let clean = with_dot(&without_wrappers(written.trim_end_matches('.')));
        let mut selection = Self {
            prefix: clean.clone(),
            is_chosen: prefix.is_some(),
            names: BTreeMap::new(),
        };
        for name in names.clone() {
            if let Some(inside) = name.strip_prefix(&written) {
                selection.add(&without_wrappers(inside), name);
            }
        }
        if selection.names.is_empty() && !clean.is_empty() {
            for name in names {
                if let Some(inside) = without_wrappers(name).strip_prefix(&clean) {
                    selection.add(inside, name);
                }
            }
        }
        selection
    }

    /// Of several names in the file that differ by wrappers, a chosen prefix means the shortest.
    fn add(&mut self, inside: &str, name: &'file str) {
        let originals = self.names.entry(inside.to_owned()).or_default();
        match originals.first_mut() {
            Some(known) if self.is_chosen && name.len() < known.len() => *known = name,
            Some(_) if self.is_chosen => {}
            _ => originals.push(name),
        }
    }
}

/// The prefix before a name, with its dot.
fn with_dot(prefix: &str) -> String {
    match prefix {
        "" => String::new(),
        _ => format!("{prefix}."),
    }
}

fn without_wrappers(name: &str) -> String {
    let parts = name.split('.').filter(|part| !WRAPPERS.contains(part));
    parts.collect::<Vec<_>>().join(".")
}

/// The prefixes of two names that end alike.
pub(super) fn prefixes<'a>(first: &'a str, second: &'a str) -> [&'a str; 2] {
    let mut common = 0;
    for (one, other) in first.rsplit('.').zip(second.rsplit('.')) {
        if one != other {
            break;
        }
        common += one.len() + 1;
    }
    // The last common part has a dot before it, unless it is the first part of a name.
    [first, second].map(|name| &name[..(name.len() + 1).saturating_sub(common)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(names: &[&'static str], prefix: Option<&str>) -> Vec<(String, Vec<&'static str>)> {
        let selection = Selection::of(names.iter().copied(), prefix);
        selection.names.into_iter().collect()
    }

    #[test]
    fn a_prefix_may_be_written_with_its_wrappers_and_its_dot_or_without() {
        let names = ["module.a.module.x", "module.b.x"];
        for prefix in ["a", "a.", "module.a", "module.a.module", "a.module."] {
            let expected = vec![("x".to_owned(), vec![names[0]])];
            assert_eq!(selected(&names, Some(prefix)), expected, "{prefix}");
        }
        for prefix in ["c", "x", "mod", "_orig_mod"] {
            assert_eq!(selected(&names, Some(prefix)), [], "{prefix}");
        }
    }

    #[test]
    fn a_chosen_prefix_means_the_name_with_the_fewest_wrappers() {
        let names = ["module.x", "x"];
        let of = |prefix| selected(&names, prefix)[0].1.clone();
        assert_eq!(of(None), names);
        assert_eq!(of(Some(".")), ["x"]);
        assert_eq!(of(Some("module")), ["module.x"]);
    }

    #[test]
    fn the_prefixes_of_two_names_are_what_is_before_their_common_end() {
        assert_eq!(prefixes("module.a.x", "a.x"), ["module.", ""]);
        assert_eq!(prefixes("m.module.a.x", "m.a.x"), ["m.module.", "m."]);
        assert_eq!(prefixes("b.x", "a.x"), ["b.", "a."]);
        assert_eq!(prefixes("x", "x"), ["", ""]);
    }
}
