//! What a caller asks for: raw values, checked against one table, become the plan of a drawing.

pub mod field;
pub mod prompt;
pub mod input;
pub mod document;
pub mod lines;

pub use document::{Maker, encode_frame, svg_document};
pub use field::{FIELDS, Field, Kind};
pub use input::{Input, InputError, InputErrors};
pub use lines::{loss_line, opening_line, step_line};
