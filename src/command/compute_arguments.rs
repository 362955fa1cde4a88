//! The device, precision and weights options that every drawing subcommand shares.

use clap::{Args, ValueEnum};

use super::weights::WeightsChoice;
use crate::clip::Activation;
use crate::compute::{DeviceChoice, Precision};
use crate::environment;

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
    /// Activation of CLIP weights from a file. Default: what the file or a configuration beside it says, else
    /// quick-gelu. It matters for files alone: laion2B, DataComp and CommonPool have gelu, OpenAI, MetaCLIP
    /// and most DFN models quick-gelu.
    #[arg(long, value_name = "NAME", env = environment::ACTIVATION)]
    pub activation: Option<ActivationChoice>,
    /// Number of threads. Default: one per core. It changes the speed, not the drawing.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
}

/// The activations that a model may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ActivationChoice {
    /// That of OpenAI's models.
    QuickGelu,
    /// The exact one.
    Gelu,
}

impl From<ActivationChoice> for Activation {
    fn from(choice: ActivationChoice) -> Self {
        match choice {
            ActivationChoice::QuickGelu => Self::QuickGelu,
            ActivationChoice::Gelu => Self::Gelu,
        }
    }
}
