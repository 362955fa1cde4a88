//! `clipdraw schema`: the OpenAPI document, for the label of an image and for tools.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use crate::cog::openapi;

/// `clipdraw schema`.
#[derive(Debug, Args)]
pub struct SchemaArguments {
    /// Print it on one line, as the label of an image needs it.
    #[arg(long)]
    compact: bool,
    /// Describe all that the server does, and not only what Cog's document has a place for.
    #[arg(long)]
    complete: bool,
}

impl SchemaArguments {
    /// Prints the document.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub fn run(&self) -> anyhow::Result<ExitCode> {
        let document = if self.complete {
            openapi::complete_document()
        } else {
            openapi::document()
        };
        let text = if self.compact {
            document.to_string()
        } else {
            format!("{document:#}")
        };
        writeln!(io::stdout(), "{text}")?;
        Ok(ExitCode::SUCCESS)
    }
}
