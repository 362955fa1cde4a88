//! Files that callers give: pictures as pixels, and strokes.
//!
//! Such a file may be made to do harm, so everything that it can cost is limited: bytes, also after decompression, pixels,
//! elements, and nesting. Nothing here opens a file or a connection.

mod bounded;
mod encoding;
mod svg_error;
mod numbers;
mod applied;
mod outlines;
mod expansion;
mod document;
mod unreadable;
mod style;
mod vector_effect;
mod changes;
mod clip;
mod curves;
mod paint;
mod shapes;
mod gamma;
mod jpeg;
mod painting_cost;
mod picture;
mod own;
mod starting_paths;
mod strokes;

pub(crate) use document::{build as build_svg, parse as parse_svg};
pub(crate) use own::FIXED_GROUP;
pub use picture::{DecodedPicture, MAX_PICTURE_PIXELS, PictureError, decode_picture};
pub use starting_paths::StartingPathsError;
pub use strokes::{ImportedStrokes, MAX_STROKES, StrokesError, read_strokes};
pub(crate) use style::{resolved as resolve_style, unread_colors};
pub use svg_error::{MAX_SVG_BYTES, SvgError};
