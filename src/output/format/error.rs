//! Errors of writing a drawing in a file format.

use resvg::usvg;

/// The maximum side of a PNG in pixels: 16,384 x 16,384 pixels take 1 GiB while they are painted.
pub const MAX_PNG_SIDE: u32 = 16_384;

/// Why a drawing cannot be written in a format.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The text is not an SVG document that resvg reads.
    #[error("the SVG cannot be read")]
    UnreadableSvg(#[source] usvg::Error),
    /// The picture would have no pixels or too many.
    #[error(
        "a PNG of {width} x {height} pixels is not possible: each side must be 1 to {MAX_PNG_SIDE}"
    )]
    PngSize {
        /// The requested number of columns.
        width: f32,
        /// The requested number of rows.
        height: f32,
    },
    /// A frame of an animation could not be compressed.
    #[error("a frame of the animation cannot be encoded: {0}")]
    AnimationEncoder(String),
    /// An animation could not be written.
    #[error("the animation cannot be written")]
    AnimationFile(#[source] std::io::Error),
    /// The PNG encoder failed.
    #[error("the PNG cannot be encoded: {0}")]
    PngEncoder(String),
}
