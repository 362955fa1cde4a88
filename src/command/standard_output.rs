//! Standard output, whose reader may close it early, as `head` does.

use std::error::Error;
use std::io::{self, ErrorKind, StdoutLock, Write};

/// The exit status that shells show for a program that SIGPIPE has ended: 128 and the number of the signal.
pub const READER_GONE_STATUS: u8 = 128 + 13;

/// The reader of standard output has closed it.
#[derive(Debug, thiserror::Error)]
#[error("the reader of standard output has closed it")]
struct ReaderGone;

/// Standard output. If its reader has closed it, the error is one of [`is_reader_gone`].
#[derive(Debug)]
pub(super) struct StandardOutput(StdoutLock<'static>);

/// Locks standard output.
pub(super) fn standard_output() -> StandardOutput {
    StandardOutput(io::stdout().lock())
}

impl Write for StandardOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).map_err(named)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(named)
    }
}

fn named(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::BrokenPipe => io::Error::new(ErrorKind::BrokenPipe, ReaderGone),
        _ => error,
    }
}

/// Whether a command failed only because the reader of standard output has closed it, which needs no message.
pub fn is_reader_gone(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let cause = cause.downcast_ref::<io::Error>();
        let inner = cause.and_then(io::Error::get_ref);
        inner.is_some_and(<dyn Error + Send + Sync>::is::<ReaderGone>)
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_closed_standard_output_is_told_from_another_broken_pipe() {
        let error = |error: io::Error| Err::<(), _>(error).context("x cannot be written");
        let gone = named(io::Error::from(ErrorKind::BrokenPipe));
        assert!(is_reader_gone(&error(gone).unwrap_err()));
        let other = io::Error::from(ErrorKind::BrokenPipe);
        assert!(!is_reader_gone(&error(other).unwrap_err()));
        let full = named(io::Error::from(ErrorKind::StorageFull));
        assert!(!is_reader_gone(&error(full).unwrap_err()));
    }
}
