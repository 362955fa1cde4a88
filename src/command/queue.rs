//! `clipdraw queue`: the predictions that were given up because a worker was lost each time they were drawn.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::serve::{self, BrokerArguments};
use super::standard_output::standard_output;
use crate::broker::DeadList;
use crate::errors::chain;

/// `clipdraw queue`.
#[derive(Debug, Args)]
#[command(
    mut_arg("broker", |argument| argument.global(true).help(serve::SHARED_BROKER_HELP)),
    mut_arg("token_command", global),
    mut_arg("certificates", global),
    mut_arg("prefix", global),
    mut_arg("lease", global),
    mut_arg("capacity", |argument| argument.global(true).help(
        "Maximum number of unfinished predictions of each priority in the broker; 0 means no limit. Beyond it, none is queued again"
    )),
)]
pub(super) struct QueueArguments {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    broker: BrokerArguments,
}

/// Lets an argument follow the name of the action, too.
fn global(argument: clap::Arg) -> clap::Arg {
    argument.global(true)
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the predictions that were given up, the oldest first: id, time of the failure, number of attempts, and reason,
    /// separated by tabs.
    List,
    /// Print everything about a prediction that was given up, as JSON.
    Show {
        /// Id of the prediction.
        id: String,
    },
    /// Queue predictions again, under their ids and with their seeds.
    Retry {
        /// Ids of the predictions.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
    /// Remove predictions from the list.
    Drop {
        /// Ids of the predictions.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

/// Lists, shows, retries or drops. The exit status is 1 if one of the ids is not in the list.
///
/// # Errors
/// If the broker cannot be used.
pub(super) fn run(arguments: &QueueArguments) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(act(arguments))
}

async fn act(arguments: &QueueArguments) -> anyhow::Result<ExitCode> {
    let Some(broker) = serve::broker(&arguments.broker)? else {
        bail!("name the broker with --broker (or CLIPDRAW_BROKER)");
    };
    let list = DeadList::new(broker);
    let is_complete = match &arguments.action {
        Action::List => {
            for dead in list.all().await? {
                say(&format!(
                    "{}\t{}\t{}\t{}",
                    dead.job.id, dead.failed_at, dead.attempts, dead.error
                ))?;
            }
            true
        }
        Action::Show { id } => match list.find(id).await? {
            Some(dead) => {
                say(&serde_json::to_string_pretty(&dead)?)?;
                true
            }
            None => missing(id),
        },
        Action::Retry { ids } => {
            let mut is_complete = true;
            for id in ids {
                let retried = list.retry(id).await;
                is_complete &= match retried {
                    Ok(true) => true,
                    Ok(false) => missing(id),
                    Err(error) => bail!("{id} cannot be queued: {}", chain(&error)),
                };
            }
            is_complete
        }
        Action::Drop { ids } => {
            let mut is_complete = true;
            for id in ids {
                is_complete &= list.drop_job(id).await? || missing(id);
            }
            is_complete
        }
    };
    Ok(if is_complete {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn say(line: &str) -> anyhow::Result<()> {
    writeln!(standard_output(), "{line}").context("cannot write to standard output")
}

/// Says that a prediction is not in the list. Returns false.
#[expect(clippy::print_stderr, reason = "the command has no log")]
fn missing(id: &str) -> bool {
    eprintln!("{id} is not in the list of predictions that were given up");
    false
}
