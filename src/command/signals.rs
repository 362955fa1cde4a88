//! Signals that end the server.

use anyhow::Context;
use signal_hook::low_level::exit;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{info, warn};

/// What is added to a signal's number to give the exit status of a program that it ended.
const SIGNAL_STATUS: i32 = 128;

/// A signal that asks the server to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// SIGINT, Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// What becomes of SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Termination {
    /// It ends the server.
    Obeyed,
    /// Nothing, as Cog's `--await-explicit-shutdown` wants it.
    Ignored,
}

impl Ending {
    /// The exit status of a program that ends in good order after the signal: 0 after SIGTERM, as
    /// orchestrators expect, and 130 after Ctrl-C, as shells do.
    pub(super) fn orderly_status(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 0,
        }
    }

    /// The exit status of a program that the signal ends at once.
    fn abrupt_status(self) -> i32 {
        let kind = match self {
            Self::Interrupt => SignalKind::interrupt(),
            Self::Terminate => SignalKind::terminate(),
        };
        SIGNAL_STATUS + kind.as_raw_value()
    }
}

/// Watches for signals from now on, within a tokio runtime. The first one is what the answer
/// waits for; the second ends the program at once.
///
/// # Errors
/// When the system does not let signals be watched.
pub(super) fn watch(termination: Termination) -> anyhow::Result<oneshot::Receiver<Ending>> {
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt()).context("SIGINT cannot be watched")?,
        terminate: signal(SignalKind::terminate()).context("SIGTERM cannot be watched")?,
        termination,
    };
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        let mut last = signals.next().await;
        // If nobody waits any more, the server is ending already, and this signal is one too many.
        if sender.send(last).is_ok() {
            last = signals.next().await;
        }
        end_now(last);
    });
    Ok(receiver)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    termination: Termination,
}

impl Signals {
    async fn next(&mut self) -> Ending {
        loop {
            let ending = tokio::select! {
                _ = self.interrupt.recv() => Ending::Interrupt,
                _ = self.terminate.recv() => Ending::Terminate,
            };
            let ignored = ending == Ending::Terminate && self.termination == Termination::Ignored;
            if !ignored {
                return ending;
            }
            info!("SIGTERM is ignored: only POST /shutdown or SIGINT ends this server");
        }
    }
}

fn end_now(ending: Ending) -> ! {
    warn!("ending at once");
    // Without the destructors of libtorch, which the thread that draws may be using.
    exit(ending.abrupt_status())
}
