//! Inputs that are one of a few words: each word stands for a variant of an enum.

use crate::draw::Preset;
use crate::output::{AnimationFormat, AnimationStyle, OutputFormat};

/// An enum with a word for each variant.
pub trait Choice: Sized {
    /// The words, in the order in which they are shown. The first is the default.
    const WORDS: &'static [&'static str];

    /// The variant that a word stands for.
    fn from_word(word: &str) -> Option<Self>;
}

/// Implements [`Choice`] from one list. A variant that is not in the list does not compile.
macro_rules! choice {
    ($type:ident { $($variant:ident = $word:literal,)+ }) => {
        impl $type {
            fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl Choice for $type {
            const WORDS: &'static [&'static str] = &[$($word),+];

            fn from_word(word: &str) -> Option<Self> {
                [$(Self::$variant),+]
                    .into_iter()
                    .find(|variant| variant.word() == word)
            }
        }
    };
}

/// Which preset of the optimization is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecipeChoice {
    /// The one that suits the model.
    Auto,
    /// CLIPDraw's own.
    Original,
    /// The one for the embedded model.
    Compact,
}

impl RecipeChoice {
    /// The preset; `None` leaves the choice to the model.
    pub(super) fn preset(self) -> Option<Preset> {
        match self {
            Self::Auto => None,
            Self::Original => Some(Preset::ORIGINAL),
            Self::Compact => Some(Preset::COMPACT),
        }
    }
}

choice!(RecipeChoice {
    Auto = "auto",
    Original = "original",
    Compact = "compact",
});

/// The file format of the animation, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnimationChoice {
    /// No animation.
    None,
    /// SVG.
    Svg,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
}

impl AnimationChoice {
    /// The format; `None` for no animation.
    pub(super) fn format(self) -> Option<AnimationFormat> {
        match self {
            Self::None => None,
            Self::Svg => Some(AnimationFormat::Svg),
            Self::Gif => Some(AnimationFormat::Gif),
            Self::Webp => Some(AnimationFormat::Webp),
        }
    }
}

choice!(AnimationChoice {
    None = "none",
    Svg = "svg",
    Gif = "gif",
    Webp = "webp",
});

choice!(AnimationStyle {
    Timelapse = "timelapse",
    Strokes = "strokes",
});

impl Choice for OutputFormat {
    const WORDS: &'static [&'static str] = Self::EXTENSIONS;

    fn from_word(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|format| format.extension() == word)
    }
}
