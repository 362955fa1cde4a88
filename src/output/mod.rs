//! The output of a drawing: its file in one of several formats, and lines that report its progress.

mod format;
mod document;
mod animation;
mod contact_sheet;
mod log_lines;
mod data_url;
pub(crate) mod finished;

pub use animation::{
    AnimationEncoder, AnimationFormat, AnimationOptions, AnimationSize, AnimationStyle,
};
pub use contact_sheet::ContactSheet;
pub(crate) use data_url::DataUrl;
pub use document::{Document, Provenance};
pub use format::{
    Contents, EncodeError, MAX_PNG_SIDE, Metadata, OutputFormat, OutputFormatError, SizeFactors,
    png_size, svg_to_png, write_svg,
};
pub(crate) use log_lines::on_one_line;
pub use log_lines::{StepReport, loss_line, opening_line, step_line};
