//! The life cycle of predictions: they are accepted, queued, drawn on the one thread that owns the
//! model, published, and ended exactly once.
//!
//! ```text
//! Submission -> Service -> Queue -> worker (Engine) -> WorkerMessage -> publisher -> Store
//!                  |                                                       |          |
//!                  +--> Store: a Prediction, which clients watch   FileSink (files)   +-> events
//! ```
//!
//! The backends that another deployment would replace are traits: [`Queue`], [`Store`], [`FileSink`],
//! [`FileSource`] and [`Engine`]. Nothing here depends on HTTP, uploads or webhooks; those watch a [`Prediction`]
//! or implement [`FileSink`] and [`FileSource`].

mod measure;
mod limits;
mod outcome;
mod event;
mod origin;
mod snapshot;
mod job;
mod accepted;
mod prediction;
mod file_sink;
mod file_source;
mod fault;
mod gpu;
mod engine;
mod queue;
mod store;
mod input_files;
mod readiness;
mod shutdown;
mod message;
mod lifecycle;
mod recovery;
mod fetching;
mod recording;
mod publisher;
mod session;
mod stepping;
pub mod worker;

pub use accepted::{Accepted, Dispatch, Priority, Receiver, RestartPolicy};
pub use engine::{ClipEngine, Engine};
pub use event::{Event, Truncated};
pub use fault::{EngineError, WorkerFault};
pub use file_sink::{FileError, FileSink, OutputFile};
pub use file_source::{FileSource, NoFileSource};
pub(crate) use input_files::MAX_INPUT_FILES;
pub use input_files::{
    InputFile, InputFileError, InputFileLimits, InputFileStore, KeptFileSource, LocalInputFiles,
    NewInputFile, input_file_id,
};
pub use job::{CancelPolicy, Destination, Job};
pub use lifecycle::{Backends, Service, Submission, SubmitError};
pub use limits::Limits;
pub use origin::{NamedModel, Origin, OutputShape};
pub use outcome::{Completion, Outcome};
pub(crate) use prediction::Cancellation;
pub use prediction::{Prediction, Subscriber};
pub use queue::{Depth, InMemoryQueue, Lease, PushError, Queue};
pub use readiness::{Health, Readiness};
pub(crate) use recovery::MAX_ATTEMPTS;
pub use snapshot::Snapshot;
pub(crate) use store::codec;
pub use store::{
    Cursor, CursorError, InMemoryStore, InsertError, Leftover, Leftovers, ListQuery, OpenError,
    Page, SqliteStore, Store, StoreError, Undelivered,
};
