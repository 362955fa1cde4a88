//! The signals that shut down the server.

use anyhow::Context;
use signal_hook::low_level::exit;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing::{info, warn};

/// A shell reports a program that a signal ended with this plus the signal's number.
const SIGNAL_STATUS: i32 = 128;

/// A signal that asks the server to shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShutdownSignal {
    /// SIGINT, Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// How SIGTERM is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Termination {
    /// It shuts down the server.
    Obeyed,
    /// It is ignored, as with Cog's `--await-explicit-shutdown`.
    Ignored,
}

impl ShutdownSignal {
    /// The exit status after a graceful shutdown: 0 after SIGTERM, as orchestrators expect, and 130
    /// after Ctrl-C, as in shells.
    pub(super) fn graceful_status(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 0,
        }
    }

    /// The exit status after an immediate exit.
    fn immediate_status(self) -> i32 {
        let kind = match self {
            Self::Interrupt => SignalKind::interrupt(),
            Self::Terminate => SignalKind::terminate(),
        };
        SIGNAL_STATUS + kind.as_raw_value()
    }
}

/// Watches for signals from now on; call it within a tokio runtime. The receiver gets the first
/// signal, and the second one exits at once.
///
/// # Errors
/// If the system does not allow signal handlers.
pub(super) fn watch(termination: Termination) -> anyhow::Result<oneshot::Receiver<ShutdownSignal>> {
    let mut signals = Signals {
        interrupt: signal(SignalKind::interrupt()).context("cannot watch SIGINT")?,
        terminate: signal(SignalKind::terminate()).context("cannot watch SIGTERM")?,
        termination,
    };
    let (sender, receiver) = oneshot::channel();
    tokio::spawn(async move {
        let mut last = signals.next().await;
        // Without a receiver the server is already shutting down, and this is the second signal.
        if sender.send(last).is_ok() {
            last = signals.next().await;
        }
        exit_now(last);
    });
    Ok(receiver)
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    termination: Termination,
}

impl Signals {
    async fn next(&mut self) -> ShutdownSignal {
        loop {
            let received = tokio::select! {
                _ = self.interrupt.recv() => ShutdownSignal::Interrupt,
                _ = self.terminate.recv() => ShutdownSignal::Terminate,
            };
            let ignored =
                received == ShutdownSignal::Terminate && self.termination == Termination::Ignored;
            if !ignored {
                return received;
            }
            info!("SIGTERM is ignored: only POST /shutdown or SIGINT shuts down this server");
        }
    }
}

fn exit_now(signal: ShutdownSignal) -> ! {
    warn!("exiting at once");
    // This skips libtorch's destructors, because the drawing thread may still be using it.
    exit(signal.immediate_status())
}
