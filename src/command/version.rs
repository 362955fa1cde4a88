//! `clipdraw --version`.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::compute::{Precision, TowerKind, cuda, device_names, library, present_devices};

/// Prints the version of the program, that of libtorch, what was found of CUDA, and every device with the
/// precision that `auto` selects on it.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn run() -> anyhow::Result<ExitCode> {
    let devices: Vec<String> = present_devices()
        .into_iter()
        .map(|device| {
            let auto = |tower| Precision::Auto.resolved(device, tower);
            let transformer = auto(TowerKind::Transformer);
            let others = auto(TowerKind::Convolutional);
            let precision = if transformer == others {
                transformer.to_string()
            } else {
                format!("{transformer} for transformers, {others} for convolutions")
            };
            format!("{} ({precision})", device_names(&[device]))
        })
        .collect();
    writeln!(
        io::stdout(),
        "clipdraw {}\n{}\n{}\ndevices: {}",
        env!("CARGO_PKG_VERSION"),
        library::describe(),
        cuda::describe(),
        devices.join(", ")
    )?;
    Ok(ExitCode::SUCCESS)
}
