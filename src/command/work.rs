//! `clipdraw work`: draws for front ends on other machines, which share a broker with it.

use std::process::ExitCode;

use clap::Args;

use super::serve::{self, ServeArguments};

/// `clipdraw work`: the arguments of `clipdraw serve` that matter without requests.
#[derive(Debug, Args)]
#[command(
    mut_arg("host", |argument| argument.help("Address on which /health-check, /ready and /metrics are answered")),
    mut_arg("port", |argument| argument.help("Port of /health-check, /ready and /metrics; 0 selects a free one, which is logged")),
    mut_arg("slots", |argument| argument.help("Number of drawings made at the same time; their steps share one batch for CLIP")),
    mut_arg("broker", |argument| argument.help(serve::SHARED_BROKER_HELP)),
    mut_arg("auth_token", hide),
    mut_arg("cors_origin", hide),
    mut_arg("allow_host", hide),
    mut_arg("max_body_bytes", hide),
    mut_arg("header_timeout", hide),
    mut_arg("idle_timeout", hide),
    mut_arg("max_connections", hide),
    mut_arg("max_streams", hide),
    mut_arg("stream_subscribers", hide),
    mut_arg("completed_with_output", hide),
    mut_arg("queue", hide),
    mut_arg("full_status", hide),
    mut_arg("history", hide),
    mut_arg("remember", hide),
    mut_arg("remember_bytes", hide),
    mut_arg("max_output_bytes", hide),
    mut_arg("model_name", hide),
    mut_arg("public_url", hide),
    mut_arg("v1_files", hide),
    mut_arg("v1_queue", hide),
    mut_arg("input_files_bytes", hide),
    mut_arg("input_files_seconds", hide),
    mut_arg("store", hide),
    mut_arg("keep_on_shutdown", hide),
    mut_arg("capacity", hide),
    mut_arg("upload_url", hide),
    mut_arg("webhook_interval", hide),
    mut_arg("webhook_output", hide),
    mut_arg("webhook_auth_token", hide),
    mut_arg("webhook_secret", hide),
    mut_arg("await_explicit_shutdown", hide),
    mut_arg("shutdown_grace", |argument| argument.default_value("0").help(
        "Seconds that drawings may take to finish at shutdown before they are given back to the queue. By default, they are given back at once"
    )),
)]
pub(super) struct WorkArguments {
    #[command(flatten)]
    serve: ServeArguments,
}

/// Draws until a signal. The exit status is 0, or 130 after Ctrl-C.
///
/// # Errors
/// If an argument cannot be used on this machine, no broker is named, or the port is in use.
pub(super) fn run(arguments: &WorkArguments) -> anyhow::Result<ExitCode> {
    serve::work(&arguments.serve)
}

fn hide(argument: clap::Arg) -> clap::Arg {
    argument.hide(true)
}
