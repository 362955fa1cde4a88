//! The catalogue's lines.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::pack::Style;

/// Where a set of pictures comes from, and what may be done with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PictureSource {
    /// The set.
    pub set: String,
    /// Its own name.
    pub title: String,
    /// Who made it, as the package says.
    pub author: String,
    /// The package that it was taken from.
    pub package: String,
    /// The version of the package.
    pub version: String,
    /// The licence, by its SPDX name where it has one.
    pub licence: String,
    /// Pictures in the package.
    pub seen: usize,
    /// Pictures in the pack.
    pub kept: usize,
    /// Whether the shipped model learns from it; else it is kept for tests.
    pub learned: bool,
}

/// Whether a licence allows to ship what is learned from a picture: no copyleft, no ban on commerce,
/// nothing unclear.
pub fn may_be_learned(licence: &str) -> bool {
    const FREE: [&str; 6] = [
        "MIT",
        "Apache-2.0",
        "CC-BY-4.0",
        "CC-BY-3.0",
        "CC0-1.0",
        PUBLIC_DOMAIN,
    ];
    FREE.contains(&licence)
}

/// What is said of pictures that their authors have given away.
pub const PUBLIC_DOMAIN: &str = "public domain";

/// Where the picture of an entry is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Artwork {
    /// An icon of this name in the file of its set.
    Icon(String),
    /// A file, SVG or pixels, below the folder of packages.
    File(PathBuf),
}

/// What may be made of the picture of a thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uses {
    /// Whether it is named in one or two plain words, so that styles can be asked of it.
    pub simple: bool,
    /// Whether it may stand in front of any backdrop.
    pub movable: bool,
    /// Whether the name of a color may be put before it.
    pub colorable: bool,
}

/// A picture that is learned from or tested with, before it is rendered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CatalogueEntry {
    /// The set that it comes from.
    pub set: String,
    /// Its name in that set.
    pub name: String,
    /// What it looks like.
    pub style: Style,
    /// How often it is shown, beside others; 0 keeps it for tests.
    pub weight: f32,
    /// What it shows, without an article.
    pub phrase: String,
    /// What it shows, with an article; the same for all pictures of the same thing.
    pub concept: String,
    /// Everyday words for the same thing, without an article.
    pub everyday: Vec<String>,
    /// Words that go with it.
    pub keywords: Vec<String>,
    /// Captions in which `{}` stands for what it shows, true of its style.
    pub looks: Vec<String>,
    /// What may be asked of it.
    pub uses: Uses,
    /// Whether its colors are those of the thing: not if the set has one color for everything.
    pub true_colors: bool,
    /// Where the picture is.
    pub artwork: Artwork,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copyleft_and_unclear_licences_are_not_learned_from() {
        for licence in [
            "CC-BY-SA-4.0",
            "GPL-2.0-only",
            "CC-BY-NC-4.0",
            "",
            "unclear",
        ] {
            assert!(!may_be_learned(licence), "{licence}");
        }
        assert!(may_be_learned("MIT") && may_be_learned(PUBLIC_DOMAIN));
    }
}
