//! What a caller asks for: raw values, checked against one table, become the plan of a drawing.

pub mod field;
pub mod quote;
pub mod violation;
pub mod error;
mod unknown;
pub mod prompt;
pub mod input;

pub use error::{InputError, InputErrors, Problem};
pub use field::{FIELDS, Field, Kind};
pub use input::Input;
pub use quote::Quote;
pub use violation::Violation;
