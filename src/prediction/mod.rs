//! What a caller asks for: raw values, checked against one table, become the plan of a drawing.

pub mod field;
pub mod quote;
pub mod violation;
pub mod detail;
pub mod error;
mod unknown;
pub mod prompt;
pub mod input;
pub mod openapi;
pub mod document;
pub mod lines;

pub use detail::Detail;
pub use document::{Maker, encode_frame, svg_document};
pub use error::{InputError, InputErrors, Problem};
pub use field::{FIELDS, Field, Kind};
pub use input::Input;
pub use lines::{loss_line, opening_line, step_line};
pub use quote::Quote;
pub use violation::Violation;
