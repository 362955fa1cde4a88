//! Files that callers give: pictures as pixels.
//!
//! Such a file may be made to do harm, so everything that it can cost is limited: bytes, also after decompression, pixels,
//! elements, and nesting. Nothing here opens a file or a connection.

mod bounded;
mod document;
mod picture;

pub use document::{MAX_SVG_BYTES, SvgError};
pub use picture::{DecodedPicture, MAX_PICTURE_PIXELS, PictureError, decode_picture};
