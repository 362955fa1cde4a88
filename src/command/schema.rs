//! `clipdraw schema`: prints the OpenAPI document, for a Docker image's label and for tools.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;

use super::standard_output::standard_output;
use crate::cog::openapi;

/// `clipdraw schema`.
#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// Print the document on one line, as required for the label of a Docker image.
    #[arg(long)]
    compact: bool,
    /// Describe every route and field of the server, not only those in Cog's document.
    #[arg(long)]
    complete: bool,
}

/// Prints the document.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn run(arguments: &SchemaArguments) -> anyhow::Result<ExitCode> {
    let document = if arguments.complete {
        openapi::complete_document()
    } else {
        openapi::document()
    };
    let text = if arguments.compact {
        document.to_string()
    } else {
        format!("{document:#}")
    };
    writeln!(standard_output(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}
