//! The device, precision and weights options that every drawing subcommand shares.

use clap::Args;

use super::weights::WeightsChoice;
use crate::compute::{DeviceChoice, Precision};

/// Options for the device, the precision, the weights and the threads.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Computation")]
pub struct ComputeArguments {
    /// Device: auto, cpu, cuda, cuda:N or mps.
    #[arg(long, default_value = "auto")]
    pub device: DeviceChoice,
    /// Precision of CLIP: auto, fp32, bf16 or fp16.
    #[arg(long, default_value = "auto")]
    pub precision: Precision,
    /// The CLIP weights.
    #[command(flatten)]
    pub weights: WeightsChoice,
    /// Number of threads. Default: one per core. It changes the speed, not the drawing.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}
