//! The signals that stop the program: SIGINT (Ctrl-C) and SIGTERM.

use std::thread;

use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::exit;
use tokio::sync::oneshot;
use tracing::{info, warn};

/// A shell reports a program that was ended by a signal with this status plus the signal's number.
const SIGNAL_STATUS: u8 = 128;

/// A signal that asks the program to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopSignal {
    /// SIGINT, Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// How SIGTERM is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SigtermPolicy {
    /// It stops the program.
    Stop,
    /// It is ignored, as with Cog's `--await-explicit-shutdown`.
    Ignore,
}

impl StopSignal {
    /// The exit status of a program that the signal ended: 130 for SIGINT, 143 for SIGTERM.
    pub(super) fn exit_status(self) -> u8 {
        let number = match self {
            Self::Interrupt => SIGINT,
            Self::Terminate => SIGTERM,
        };
        SIGNAL_STATUS + number as u8
    }
}

/// Watches for signals from now on, on a separate thread. The receiver gets the first signal; the second one
/// ends the program at once, as does the first one after the receiver was dropped.
///
/// # Errors
/// If the system does not allow signal handlers or another thread.
pub(super) fn watch(sigterm: SigtermPolicy) -> anyhow::Result<oneshot::Receiver<StopSignal>> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM]).context("cannot watch for SIGINT and SIGTERM")?;
    let (sender, receiver) = oneshot::channel();
    let watch = move || {
        let mut stops = signals
            .forever()
            .filter_map(|number| stop_signal(number, sigterm));
        let Some(first) = stops.next() else { return };
        // Without a receiver the program is stopping already, and this is the second request to stop.
        let last = match sender.send(first) {
            Ok(()) => stops.next(),
            Err(first) => Some(first),
        };
        if let Some(last) = last {
            exit_now(last);
        }
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(watch)
        .context("cannot start the thread that watches for signals")?;
    Ok(receiver)
}

fn stop_signal(number: i32, sigterm: SigtermPolicy) -> Option<StopSignal> {
    match (number, sigterm) {
        (SIGINT, _) => Some(StopSignal::Interrupt),
        (_, SigtermPolicy::Stop) => Some(StopSignal::Terminate),
        (_, SigtermPolicy::Ignore) => {
            info!("SIGTERM is ignored: only POST /shutdown or SIGINT shuts down this server");
            None
        }
    }
}

fn exit_now(signal: StopSignal) -> ! {
    warn!("exiting at once");
    // This skips libtorch's destructors, because another thread may still be using it.
    exit(signal.exit_status().into())
}
