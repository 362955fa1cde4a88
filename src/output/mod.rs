//! What a drawing is written as: SVG text, PNG pixels as resvg paints that SVG, and the lines that
//! tell how it goes.

pub mod format;
pub mod png;
pub mod svg;
pub mod document;
pub mod log_lines;

pub use document::{Document, Provenance};
pub use format::OutputFormat;
pub use log_lines::{loss_line, opening_line, step_line};
pub use png::{PngError, png_size, svg_to_png};
pub use svg::{Metadata, write_svg};
