//! Why an SVG cannot be used, and the limits on what it may contain.

use resvg::usvg::{self, roxmltree};

/// The maximum size of an SVG after decompression, in bytes.
pub const MAX_SVG_BYTES: usize = 10 << 20;

/// The maximum number of XML nodes.
pub(super) const MAX_NODES: u32 = 200_000;

/// The maximum number of attributes of an element. The parser compares each of them with all others.
pub(super) const MAX_ATTRIBUTES: usize = 500;

/// The maximum number of prefixes of namespaces. An element that declares one gets copies of all those around it.
pub(super) const MAX_PREFIXES: usize = 200;

/// The maximum number of elements, counting those that are used several times as often.
pub(super) const MAX_ELEMENTS: u64 = 300_000;

/// The maximum number of elements within each other, counting references.
pub(super) const MAX_DEPTH: usize = 64;

/// The maximum number of bytes in attributes and texts, counting those of elements that are used several times as often.
pub(super) const MAX_DATA_BYTES: u64 = 32 << 20;

/// The maximum number of rules in style sheets. Each of them is compared with each element.
pub(super) const MAX_STYLE_RULES: usize = 10_000;

/// The maximum number of steps in which selectors are compared with elements, and declarations are copied to them.
pub(super) const MAX_STYLE_STEPS: u64 = 100_000_000;

/// The maximum size of the value of a property, in bytes. The parser reads it again for each element that inherits it.
pub(super) const MAX_VALUE_BYTES: usize = 10_000;

/// The largest number in the geometry of a shape.
pub(super) const MAX_NUMBER: f64 = 1e9;

/// The largest width of a stroke, in user units.
pub(super) const MAX_WIDTH: f64 = 1e4;

/// The maximum number of numbers in an array of dashes. The parser reads it again for each shape.
pub(super) const MAX_DASHES: usize = 100;

/// Why an SVG cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SvgError {
    /// The file has too many bytes after decompression.
    #[error("the SVG has more than {MAX_SVG_BYTES} bytes after decompression")]
    TooLarge,
    /// It is compressed and cannot be decompressed.
    #[error("the SVG cannot be decompressed")]
    Compression(#[source] std::io::Error),
    /// It is in an encoding that is not read.
    #[error("the SVG is encoded neither as UTF-8 nor as UTF-16")]
    Encoding,
    /// It is no text.
    #[error("it is not an SVG")]
    NoText,
    /// An element has too many attributes.
    #[error("an element of the SVG has more than {MAX_ATTRIBUTES} attributes")]
    TooManyAttributes,
    /// It has too many prefixes of namespaces.
    #[error("the SVG has more than {MAX_PREFIXES} prefixes of namespaces")]
    TooManyPrefixes,
    /// It is not XML.
    #[error("it is not an SVG")]
    Xml(#[source] roxmltree::Error),
    /// Its entities would become too large.
    #[error("the entities of the SVG could become too large")]
    Entities,
    /// It has too many elements.
    #[error(
        "the SVG has more than {MAX_ELEMENTS} elements, counting those that are used several times as often"
    )]
    TooManyElements,
    /// Its attributes and texts are too large.
    #[error(
        "the SVG has more than {MAX_DATA_BYTES} bytes of attributes and texts, counting those that are used several times as often"
    )]
    LongData,
    /// Its elements are nested too deeply.
    #[error("the SVG has more than {MAX_DEPTH} elements within each other")]
    TooDeep,
    /// It has too many style rules.
    #[error("the SVG has more than {MAX_STYLE_RULES} style rules")]
    TooManyRules,
    /// A number would keep the parser busy for minutes.
    #[error(
        "the SVG has a number above {MAX_NUMBER:e} or a stroke that is wider than {MAX_WIDTH:e}"
    )]
    LargeNumber,
    /// An array of dashes would keep the parser busy for each shape.
    #[error(
        "the SVG has a stroke-dasharray with {count} numbers; at most {MAX_DASHES} are allowed"
    )]
    LongDashes {
        /// How many numbers it has.
        count: usize,
    },
    /// Outlining its strokes would take too long.
    #[error(
        "outlining the strokes of the SVG would take too long: it has {curves} curves with coordinates up to {reach} (at most {allowed} are allowed)"
    )]
    LongOutlines {
        /// How many curves there are with the coordinates whose curves take longest.
        curves: u32,
        /// What these coordinates do not exceed.
        reach: u64,
        /// How many such curves would be allowed without any others.
        allowed: u64,
    },
    /// An element refers to itself, or to one that contains it.
    #[error("the SVG has an element that refers to itself")]
    Cycle,
    /// Applying its style sheets would take too long.
    #[error(
        "applying the style sheets of the SVG to its elements would take too long; use fewer rules, or attributes"
    )]
    LongStyles,
    /// The value of a property is too long.
    #[error("the SVG has a property whose value has more than {MAX_VALUE_BYTES} bytes")]
    LongValue,
    /// It is XML and not a valid SVG.
    #[error("it is not an SVG")]
    NotSvg(#[source] usvg::Error),
    /// The parser failed.
    #[error("the SVG cannot be read: {0}")]
    Parser(String),
}
