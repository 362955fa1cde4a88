//! What is written about a drawing: its file in one of several formats, and lines that report its
//! progress.

pub mod format;
pub mod document;
pub mod log_lines;
mod finished;

pub use document::{Document, Provenance};
pub use finished::{FinishedDrawing, draw};
pub use format::{EncodeError, Metadata, OutputFormat, png_size, svg_to_png, write_svg};
pub use log_lines::{loss_line, opening_line, step_line};
