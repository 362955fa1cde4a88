//! The icon sets of `@iconify/json` that are used, and what their pictures look like.

use crate::pack::Style;

/// Names of files and folders of the packages, below the folder that `scripts/train fetch` fills.
pub mod folder {
    /// `@iconify/json`.
    pub const ICONIFY: &str = "iconify-json";
    /// `@lobehub/fluent-emoji-3d`.
    pub const FLUENT_3D: &str = "fluent-emoji-3d";
    /// `emojibase-data`.
    pub const EMOJIBASE: &str = "emojibase-data";
    /// `emojilib`.
    pub const EMOJILIB: &str = "emojilib";
    /// `@carbon/pictograms`.
    pub const CARBON: &str = "carbon-pictograms";
    /// The Debian package `openclipart-svg`.
    pub const OPENCLIPART: &str = "openclipart-svg";
    /// The Debian package `wordnet-base`, where its files are.
    pub const WORDNET: &str = "wordnet-base/usr/share/wordnet";
    /// The Debian package `tuxpaint-stamps-default`.
    pub const TUXPAINT: &str = "tuxpaint-stamps-default";
    /// The Debian package `pysiogame`.
    pub const PYSIOGAME: &str = "pysiogame";
}

/// How the names of a set are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// The names that Unicode gives to emoji.
    Emoji,
    /// Words of the set's own, to be filtered.
    Words,
    /// The same, often words put side by side: `car wrench`.
    Compounds,
}

/// A set of icons.
#[derive(Debug, Clone, Copy)]
pub struct IconSet {
    /// Its prefix in Iconify.
    pub name: &'static str,
    /// How its names are read.
    pub naming: Naming,
    /// What its pictures look like.
    pub style: Style,
    /// Captions that are true of its style.
    pub looks: &'static [&'static str],
    /// Which of its icons are taken.
    pub choice: VariantChoice,
    /// Whether its things have the colors that they have in the world. A set in black or blue has not:
    /// nothing but its looks may be said of its pictures.
    pub true_colors: bool,
}

/// Which variants of its icons are taken from a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariantChoice {
    /// All.
    All,
    /// Those whose name ends like this.
    Ending(&'static str),
    /// Those whose name contains none of these.
    Without(&'static [&'static str]),
}

impl VariantChoice {
    /// Whether an icon of this name is taken.
    pub fn takes(self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Ending(end) => name.ends_with(end),
            Self::Without(parts) => !parts.iter().any(|part| name.contains(part)),
        }
    }
}

/// Captions of emoji.
pub const EMOJI: &[&str] = &["an emoji of {}", "a cartoon of {}"];
/// Captions of filled shapes.
pub const SILHOUETTE: &[&str] = &[
    "a black silhouette of {}",
    "a black icon of {}",
    "a silhouette of {}",
];
/// Captions of drawings in lines.
pub const LINES: &[&str] = &["a black line drawing of {}", "a black outline of {}"];
const ICON: &[&str] = &["an icon of {}", "a flat illustration of {}"];
const BLUE: &[&str] = &["a blue icon of {}", "a blue drawing of {}"];
const BLUE_LINES: &[&str] = &["a blue line drawing of {}", "a blue outline of {}"];
const BLACK_AND_BLUE: &[&str] = &["a black and blue icon of {}"];
const PEN: &[&str] = &["a black pen drawing of {}", "a hand-drawn sketch of {}"];
const DISC: &[&str] = &["a round icon of {}", "an icon of {} on a colored circle"];
const STICKER: &[&str] = &["a colorful sticker of {}"];
/// Captions of clip art.
pub const CLIP_ART: &[&str] = &["clip art of {}", "an illustration of {}"];
/// Captions of three-dimensional renderings.
pub const RENDER: &[&str] = &["a 3d render of {}", "a 3d cartoon of {}"];
/// Captions of every style, of which none is true any more once a picture is painted again.
pub const LOOKS: &[&[&str]] = &[
    EMOJI,
    SILHOUETTE,
    LINES,
    ICON,
    BLUE,
    BLUE_LINES,
    BLACK_AND_BLUE,
    PEN,
    DISC,
    STICKER,
    CLIP_ART,
    RENDER,
];

const fn emoji(name: &'static str) -> IconSet {
    IconSet {
        name,
        naming: Naming::Emoji,
        style: Style::Emoji,
        looks: EMOJI,
        choice: VariantChoice::All,
        true_colors: true,
    }
}

const fn icons(name: &'static str) -> IconSet {
    IconSet {
        name,
        naming: Naming::Words,
        style: Style::Icon,
        looks: ICON,
        choice: VariantChoice::All,
        true_colors: true,
    }
}

const fn in_one_color(name: &'static str, looks: &'static [&'static str]) -> IconSet {
    IconSet {
        naming: Naming::Compounds,
        looks,
        true_colors: false,
        ..icons(name)
    }
}

const fn silhouettes(
    name: &'static str,
    looks: &'static [&'static str],
    choice: VariantChoice,
) -> IconSet {
    IconSet {
        name,
        naming: Naming::Words,
        style: Style::Silhouette,
        looks,
        choice,
        true_colors: false,
    }
}

const fn compounds(set: IconSet) -> IconSet {
    IconSet {
        naming: Naming::Compounds,
        ..set
    }
}

/// Every set that is used. The licence says whether it is learned from or kept for tests.
pub const SETS: [IconSet; 34] = [
    emoji("twemoji"),
    emoji("noto"),
    emoji("noto-v1"),
    emoji("fluent-emoji"),
    emoji("fluent-emoji-flat"),
    emoji("emojione"),
    emoji("fxemoji"),
    emoji("streamline-emojis"),
    emoji("openmoji"),
    IconSet {
        style: Style::Silhouette,
        looks: SILHOUETTE,
        true_colors: false,
        ..emoji("fluent-emoji-high-contrast")
    },
    in_one_color("streamline-color", BLUE),
    in_one_color("streamline-plump-color", BLUE),
    in_one_color("streamline-flex-color", BLUE),
    in_one_color("streamline-sharp-color", BLUE),
    in_one_color("streamline-cyber-color", BLUE_LINES),
    in_one_color("streamline-kameleon-color", DISC),
    in_one_color("streamline-stickies-color", STICKER),
    compounds(icons("streamline-ultimate-color")),
    in_one_color("streamline-freehand-color", PEN),
    in_one_color("icon-park", BLACK_AND_BLUE),
    compounds(icons("meteocons")),
    in_one_color("marketeq", BLUE_LINES),
    compounds(icons("glyphs-poly")),
    compounds(icons("flat-color-icons")),
    in_one_color("fluent-color", ICON),
    in_one_color("flat-ui", DISC),
    silhouettes("game-icons", SILHOUETTE, VariantChoice::All),
    silhouettes("pinhead", SILHOUETTE, VariantChoice::All),
    silhouettes("temaki", SILHOUETTE, VariantChoice::All),
    compounds(silhouettes("mdi", SILHOUETTE, VariantChoice::All)),
    compounds(silhouettes("tabler", LINES, VariantChoice::All)),
    silhouettes("ph", SILHOUETTE, VariantChoice::Ending("-fill")),
    compounds(silhouettes(
        "healthicons",
        SILHOUETTE,
        VariantChoice::Without(&["-negative", "-24px", "-outline"]),
    )),
    compounds(silhouettes("streamline-freehand", PEN, VariantChoice::All)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_an_icon_are_chosen_by_name() {
        assert!(VariantChoice::Ending("-fill").takes("cat-fill"));
        assert!(!VariantChoice::Ending("-fill").takes("cat"));
        assert!(!VariantChoice::Without(&["-24px"]).takes("cat-24px"));
        assert!(VariantChoice::All.takes("cat"));
    }
}
