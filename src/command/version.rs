//! `clipdraw --version`.

use std::io::Write;
use std::process::ExitCode;

use super::measured_arithmetic;
use super::standard_output::standard_output;
use crate::compute::{Precision, cuda, device_names, library, present_devices};

/// Prints the version of the program, that of libtorch, what was found of CUDA, every device with the
/// precision that `auto` selects on it, and the models of which was measured how the processor computes them.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn run() -> anyhow::Result<ExitCode> {
    let devices: Vec<String> = present_devices()
        .into_iter()
        .map(|device| {
            let precision = Precision::describe_auto(device);
            format!("{} ({precision})", device_names(&[device]))
        })
        .collect();
    writeln!(
        standard_output(),
        "clipdraw {}\n{}\n{}\ndevices: {}",
        env!("CARGO_PKG_VERSION"),
        library::describe(),
        cuda::describe(),
        devices.join(", ")
    )?;
    for measurement in measured_arithmetic::describe() {
        writeln!(
            standard_output(),
            "measured on the processor: {measurement}"
        )?;
    }
    Ok(ExitCode::SUCCESS)
}
