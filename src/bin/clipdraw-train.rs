//! The steps of `scripts/train` that are written in Rust.

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about, version)]
struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().step {}
}
