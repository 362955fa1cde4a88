//! The inputs of a caller: raw values are checked against one table and become the plan of a
//! drawing.
//!
//! To add an input, write its row in `table.rs`; the compiler then asks for its use in the same file.

mod quote;
mod violation;
mod file;
mod field;
mod error;
pub mod prompt;
mod choice;
mod declaration;
mod mask;
mod table;
mod inherit;
mod unknown;
mod input;

pub use choice::Choice;
pub use error::{InputError, InputErrors, Problem};
pub(crate) use field::shortest_number;
pub use field::{COLOR_PATTERN, COLORS_PATTERN, Field, Group, Kind, MAX_SEED, PAPER_PATTERN};
pub use file::{File, FileContent, FileError, MAX_FILE_BYTES};
pub use input::Input;
pub use quote::Quote;
pub use table::{FIELDS, find};
pub use violation::Violation;
