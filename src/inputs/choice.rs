//! Inputs that are one of a few words: each word stands for a variant of an enum.

use crate::draw::objective::{Extent, Region};
use crate::draw::{Ink, Preset};
use crate::output::{AnimationFormat, AnimationStyle, OutputFormat};
use crate::scene::Rgb;

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
            /// The word that stands for the variant.
            pub(super) fn word(self) -> &'static str {
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

/// The shape of the region in which strokes have no penalty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RegionShape {
    /// A circle, whose radius is the threshold.
    Circle,
    /// An ellipse.
    Ellipse,
    /// A rectangle.
    Rectangle,
    /// Everything except a rounded rectangle.
    Frame,
}

impl RegionShape {
    /// The region of this shape, with its width and height and its rotation in degrees.
    pub(super) fn region(self, size: [f64; 2], rotation: f64) -> Region {
        let extent = Extent { size, rotation };
        match self {
            Self::Circle => Region::Circle,
            Self::Ellipse => Region::Ellipse(extent),
            Self::Rectangle => Region::Rectangle(extent),
            Self::Frame => Region::Frame(extent),
        }
    }
}

choice!(RegionShape {
    Circle = "circle",
    Ellipse = "ellipse",
    Rectangle = "rectangle",
    Frame = "frame",
});

/// What strokes are drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InkChoice {
    /// Any colour and any opacity.
    Color,
    /// Any colour, opaque.
    Opaque,
    /// One black pen of a fixed width.
    Black,
}

/// The width of the black pen in pixels of a 224-pixel canvas: the default of `CLIPasso`, whose `--width` of 1.5 is diffvg's
/// half width.
const PEN_WIDTH: f32 = 3.0;

impl InkChoice {
    /// The ink, with what the caller fixes besides.
    pub(super) fn ink(self, color: Option<Rgb>, width: Option<f64>) -> Ink {
        let width = width.map(|width| width as f32);
        match self {
            Self::Color => Ink {
                color,
                opacity: None,
                width,
            },
            Self::Opaque => Ink {
                color,
                opacity: Some(1.0),
                width,
            },
            Self::Black => Ink {
                color: Some(color.unwrap_or(Rgb::BLACK)),
                opacity: Some(1.0),
                width: Some(width.unwrap_or(PEN_WIDTH)),
            },
        }
    }
}

choice!(InkChoice {
    Color = "color",
    Opaque = "opaque",
    Black = "black",
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
