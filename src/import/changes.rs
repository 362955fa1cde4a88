//! What of an SVG becomes something else or is left out.

use resvg::usvg::roxmltree::Document;

use super::style;
use super::vector_effect;
use crate::plural::counted;

/// How many of several things became something else or were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Changes {
    pub(super) papers: usize,
    pub(super) outlines: usize,
    pub(super) fills: usize,
    pub(super) gradients: usize,
    pub(super) dashes: usize,
    /// Strokes whose ends or corners are not round.
    pub(super) ends: usize,
    /// Strokes that are wider in one direction than in another.
    pub(super) stretched: usize,
    /// Strokes that were painted without their vector effect.
    pub(super) effects: usize,
    pub(super) layers: usize,
    pub(super) far: usize,
    pub(super) texts: usize,
    pub(super) images: usize,
    pub(super) foreign: usize,
    pub(super) divided: usize,
    /// Different colours that the parser cannot read.
    pub(super) unread_colors: usize,
}

/// What is said about each kind of change: of one thing, and of several. The order is that of [`Changes::counts`].
const NOTES: [[&str; 2]; 15] = [
    [
        "rectangle behind everything was taken for the paper",
        "rectangles behind everything were taken for the paper",
    ],
    [
        "filled shape became an outline",
        "filled shapes became outlines",
    ],
    [
        "shape kept its stroke and lost its fill",
        "shapes kept their stroke and lost their fill",
    ],
    [
        "gradient or pattern became its mean colour",
        "gradients and patterns became their mean colour",
    ],
    ["dashed stroke became solid", "dashed strokes became solid"],
    [
        "stroke got round ends and corners",
        "strokes got round ends and corners",
    ],
    [
        "stroke that is wider in one direction than in another got one width",
        "strokes that are wider in one direction than in another got one width",
    ],
    ["vector-effect was ignored", "vector-effects were ignored"],
    [
        "clip path, mask, filter or blend mode was ignored",
        "clip paths, masks, filters and blend modes were ignored",
    ],
    [
        "stroke far outside of the picture was left out",
        "strokes far outside of the picture were left out",
    ],
    [
        "text was left out; convert it to paths",
        "texts were left out; convert them to paths",
    ],
    ["image was left out", "images were left out"],
    ["foreignObject was left out", "foreignObjects were left out"],
    [
        "path was divided into strokes of at most three segments",
        "paths were divided into strokes of at most three segments",
    ],
    [
        "colour was not understood: fills with it are black, strokes are left out; write it as #rrggbb",
        "colours were not understood: fills with them are black, strokes are left out; write them as #rrggbb",
    ],
];

impl Changes {
    /// What is already left out when the shapes of a document are built.
    pub(super) fn left_out(document: &Document<'_>) -> Self {
        let count = |name: &str| {
            let elements = document.descendants();
            elements
                .filter(|node| node.is_element() && node.tag_name().name() == name)
                .count()
        };
        Self {
            texts: count("text"),
            images: count("image"),
            foreign: count("foreignObject"),
            unread_colors: style::unread_colors(document),
            ..Self::default()
        }
    }

    /// The same, and what is not shown when a document is painted.
    pub(super) fn in_painting(document: &Document<'_>) -> Self {
        Self {
            effects: vector_effect::count(document.input_text()),
            ..Self::left_out(document)
        }
    }

    /// A line for each kind of change.
    pub(super) fn notes(self) -> Vec<String> {
        let all = self.counts().into_iter().zip(NOTES);
        let some = all.filter(|(count, _)| *count > 0);
        some.map(|(count, [one, many])| counted(count, one, many))
            .collect()
    }

    fn counts(self) -> [usize; 15] {
        [
            self.papers,
            self.outlines,
            self.fills,
            self.gradients,
            self.dashes,
            self.ends,
            self.stretched,
            self.effects,
            self.layers,
            self.far,
            self.texts,
            self.images,
            self.foreign,
            self.divided,
            self.unread_colors,
        ]
    }
}
