//! The choice of a device by name.

use std::fmt;
use std::str::FromStr;
use std::sync::Once;

use tch::{Cuda, Device};
use thiserror::Error;

use super::cuda::{self, CudaUnavailable};
use super::library;

/// A device as a user names it: `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DeviceChoice {
    /// The first CUDA device, else Metal, else the processor.
    #[default]
    Auto,
    /// The processor.
    Cpu,
    /// The CUDA device with this index, counted from 0.
    Cuda(usize),
    /// Apple's Metal device.
    Mps,
}

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The name is unknown.
    #[error("`{0}` is not a device: use auto, cpu, cuda, cuda:0 or mps")]
    Unknown(String),
    /// This machine has no such device, or this libtorch does not support it.
    #[error("device {wanted} is not available: this machine has {present}")]
    Absent {
        /// The requested device.
        wanted: DeviceChoice,
        /// The available devices, separated by commas.
        present: String,
        /// Why CUDA cannot be used, if it cannot and a CUDA device was requested.
        #[source]
        cause: Option<CudaUnavailable>,
    },
}

impl DeviceChoice {
    /// The tch device for this choice. If `Auto` takes no CUDA device although libtorch supports CUDA, a
    /// warning in the log says why.
    ///
    /// # Errors
    /// If the chosen device is absent, or if it is a CUDA device and something that CUDA needs is missing. `Auto` and
    /// `Cpu` always succeed.
    pub fn resolve(self) -> Result<Device, DeviceError> {
        let wanted = match self {
            Self::Auto => return Ok(fastest()),
            Self::Cpu => Device::Cpu,
            Self::Cuda(index) => Device::Cuda(index),
            Self::Mps => Device::Mps,
        };
        let devices = present_devices();
        let unavailable = if wanted.is_cuda() {
            cuda_unavailable()
        } else {
            None
        };
        if unavailable.is_none() && devices.contains(&wanted) {
            return Ok(wanted);
        }
        Err(DeviceError::Absent {
            wanted: self,
            present: device_names(&devices),
            cause: unavailable,
        })
    }
}

/// The fastest device that can be used.
fn fastest() -> Device {
    static WARNING: Once = Once::new();
    // A libtorch for the processor has no CUDA library, and then nothing is missing.
    if cuda::open_libtorch().is_ok()
        && let Some(unavailable) = cuda_unavailable()
    {
        WARNING.call_once(|| tracing::warn!("CUDA is not used: {unavailable}"));
    }
    present_devices()[0]
}

/// What keeps CUDA from being used.
fn cuda_unavailable() -> Option<CudaUnavailable> {
    let unmet = cuda::unmet_requirements();
    (!unmet.is_empty()).then(|| CudaUnavailable(unmet.to_vec()))
}

/// The devices that this program can draw on, fastest kind first and the processor last.
pub fn present_devices() -> Vec<Device> {
    let mut devices = Vec::new();
    if cuda_unavailable().is_none() && library::cuda_is_usable() {
        let count = usize::try_from(Cuda::device_count()).unwrap_or(0);
        devices.extend((0..count).map(Device::Cuda));
    }
    if library::metal_is_usable() {
        devices.push(Device::Mps);
    }
    devices.push(Device::Cpu);
    devices
}

/// The names of `devices` as a user writes them, separated by commas.
pub fn device_names(devices: &[Device]) -> String {
    devices
        .iter()
        .map(|device| name(*device))
        .collect::<Vec<_>>()
        .join(", ")
}

fn name(device: Device) -> String {
    match device {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda(index) => format!("cuda:{index}"),
        Device::Mps => "mps".to_owned(),
        Device::Vulkan => "vulkan".to_owned(),
    }
}

impl FromStr for DeviceChoice {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown(text.to_owned());
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "mps" => Ok(Self::Mps),
            _ => {
                let index = text.strip_prefix("cuda:").ok_or_else(unknown)?;
                if !index.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(unknown());
                }
                index
                    .parse::<u16>()
                    .map(|index| Self::Cuda(index.into()))
                    .map_err(|_| unknown())
            }
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => out.write_str("auto"),
            Self::Cpu => out.write_str("cpu"),
            Self::Cuda(index) => write!(out, "cuda:{index}"),
            Self::Mps => out.write_str("mps"),
        }
    }
}
