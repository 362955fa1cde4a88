//! The command line: `clipdraw predict`, `clipdraw weights`.

pub mod arguments;
pub mod inputs;
pub mod report;
pub mod output;
pub mod version;
pub mod predict;

pub use arguments::{Arguments, Command};
