//! `clipdraw --version`.

use crate::compute::{Precision, device_names, library, present_devices};

/// The program's version, libtorch's, and every device with the precision that `auto` means there.
pub fn describe() -> String {
    let devices: Vec<String> = present_devices()
        .into_iter()
        .map(|device| {
            let precision = Precision::Auto.resolved(device);
            format!("{} ({precision})", device_names(&[device]))
        })
        .collect();
    format!(
        "clipdraw {}\n{}\ndevices: {}",
        env!("CARGO_PKG_VERSION"),
        library::describe(),
        devices.join(", ")
    )
}
