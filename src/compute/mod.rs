//! The device and the precision of tensors, and what this build of libtorch supports.
//!
//! Only this module calls libtorch directly instead of through tch.

pub mod accelerator;
pub mod graph;
pub mod cuda;
pub mod library;
pub mod processor;
mod device;
mod precision;
mod host;

pub use device::{DeviceChoice, DeviceError, device_names, present_devices};
pub use host::{duplicate, to_host};
pub use precision::{Precision, PrecisionError, TowerKind};
