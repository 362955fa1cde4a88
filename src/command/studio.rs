//! `clipdraw studio`: serves drawings on this machine and opens the page in a browser.

use std::io::{Write as _, stdout};
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;

use super::serve::{self, ServeArguments};

/// `clipdraw studio`: the arguments of `clipdraw serve` with other defaults, and those of the browser.
#[derive(Debug, Args)]
#[command(
    mut_arg("host", |argument| argument.default_value("127.0.0.1")),
    mut_arg("port", |argument| argument.default_value("0").help("Port to listen on; 0 selects a free one")),
    mut_arg("queue", |argument| argument.default_value("100")),
    mut_arg("history", |argument| argument.default_value("100000")),
    mut_arg("format", |argument| argument.default_value("console")),
    mut_arg("level", |argument| argument.default_value("warn")),
)]
pub(super) struct StudioArguments {
    /// Only print the address of the page.
    #[arg(long)]
    no_browser: bool,
    #[command(flatten)]
    serve: ServeArguments,
}

/// Serves until a signal or `POST /shutdown`, as [`serve::run`] does.
///
/// # Errors
/// As [`serve::run`].
pub(super) fn run(arguments: &StudioArguments) -> anyhow::Result<ExitCode> {
    serve::run_and_report(&arguments.serve, |address| {
        show(address, arguments.no_browser);
    })
}

/// Prints the address of the page, and opens it in a browser.
fn show(mut address: SocketAddr, no_browser: bool) {
    if address.ip().is_unspecified() {
        // A browser can only connect to the address of a machine, such as this one.
        address.set_ip(match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let page = format!("http://{address}/studio");
    // Nobody may read the output, and the server works all the same.
    let _ = writeln!(stdout(), "The page is at {page} (Ctrl-C stops the server)");
    if !no_browser && let Err(error) = open::that_detached(&page) {
        tracing::info!(%error, "no browser can be opened");
    }
}
