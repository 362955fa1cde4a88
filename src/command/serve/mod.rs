//! `clipdraw serve`: serves drawings over HTTP until a signal or `POST /shutdown`.

mod arguments;
mod open_files;
mod settings;
mod broker;
mod store;
mod background;
mod server;

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use signal_hook::low_level::exit;

pub(super) use self::arguments::{BrokerArguments, SHARED_BROKER_HELP, ServeArguments};
use self::broker::Task;
pub(super) use self::broker::connect as broker;
use self::server::{Server, WorkerThread};

/// Serves until a signal or `POST /shutdown`. The exit status is 0, or 130 after Ctrl-C.
///
/// # Errors
/// If an argument cannot be used on this machine, or the port is in use.
pub(super) fn run(arguments: &ServeArguments) -> anyhow::Result<ExitCode> {
    run_and_report(arguments, |_| {})
}

/// Draws for front ends on other machines until a signal. The exit status is 0, or 130 after Ctrl-C.
///
/// # Errors
/// As [`run`], and if no broker is named.
pub(super) fn work(arguments: &ServeArguments) -> anyhow::Result<ExitCode> {
    run_task(arguments, Task::Work, |_| {})
}

/// As [`run`]; `on_listening` gets the address once the server accepts connections.
///
/// # Errors
/// As [`run`].
pub(super) fn run_and_report(
    arguments: &ServeArguments,
    on_listening: impl FnOnce(SocketAddr),
) -> anyhow::Result<ExitCode> {
    run_task(arguments, Task::Serve, on_listening)
}

fn run_task(
    arguments: &ServeArguments,
    task: Task,
    on_listening: impl FnOnce(SocketAddr),
) -> anyhow::Result<ExitCode> {
    let _logs = settings::log_settings(&arguments.log).install()?;
    arguments.compute.set_threads()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the server's runtime")?;
    let result = runtime.block_on(Server::run(arguments, task, on_listening));
    // Tasks that are still running have been abandoned.
    runtime.shutdown_background();
    let (status, worker) = result?;
    if worker == WorkerThread::Running {
        // A normal exit would run libtorch's destructors while the thread still uses it.
        exit(status.into());
    }
    Ok(ExitCode::from(status))
}
