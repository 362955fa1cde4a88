//! The file formats of a drawing, one file each. To add one, describe it as a [`Format`](descriptor::Format) in a file
//! of its own and add it to the list in `output_format.rs`.

mod error;
mod descriptor;
mod svg;
mod png;
mod output_format;

pub use descriptor::{Contents, Metadata, SizeFactors};
pub use error::{EncodeError, MAX_PNG_SIDE};
pub use output_format::{OutputFormat, OutputFormatError};
pub(super) use png::{encode_pixels, paint_over, transparent_pixels};
pub use png::{png_size, svg_to_png};
pub use svg::write_svg;
pub(super) use svg::{PathAttributes, write_strokes_only, write_with_strokes};
