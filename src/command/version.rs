//! `clipdraw --version`.

use crate::compute::{Precision, device, library};

/// The program's version, libtorch's, and every device with the precision that `auto` means there.
pub fn describe() -> String {
    let devices: Vec<String> = device::present()
        .into_iter()
        .map(|device| {
            let precision = Precision::Auto.resolved(device);
            format!("{} ({precision})", device::names(&[device]))
        })
        .collect();
    format!(
        "clipdraw {}\n{}\ndevices: {}",
        env!("CARGO_PKG_VERSION"),
        library::describe(),
        devices.join(", ")
    )
}
