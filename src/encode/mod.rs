//! A scene to bytes: SVG text, and PNG pixels as resvg paints that SVG.

pub mod svg;
pub mod png;
pub mod output_format;

pub use output_format::OutputFormat;
pub use png::{PngError, png_size, svg_to_png};
pub use svg::{Metadata, write_svg};
