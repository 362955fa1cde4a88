//! What a caller asks for: raw values, checked against one table, become the plan of a drawing.
//!
//! To add an input, write its row in `table.rs`; the compiler then asks for its use in the same file.

pub mod quote;
pub mod violation;
pub mod field;
pub mod error;
pub mod prompt;
mod choice;
mod declaration;
mod table;
mod unknown;
mod input;

pub use choice::Choice;
pub use error::{InputError, InputErrors, Problem};
pub use field::{Field, Kind};
pub use input::Input;
pub use quote::Quote;
pub use table::{FIELDS, find};
pub use violation::Violation;
