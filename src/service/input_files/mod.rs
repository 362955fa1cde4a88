//! Files that clients have sent to this server, to name them as inputs later.

mod interface;
mod room;
mod folder;
mod local;
mod source;

pub(crate) use interface::MAX_INPUT_FILES;
pub use interface::{
    InputFile, InputFileError, InputFileLimits, InputFileStore, NewInputFile, input_file_id,
};
pub use local::LocalInputFiles;
pub use source::KeptFileSource;
