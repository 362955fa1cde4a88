//! The device and the precision of tensors, and what this build of libtorch supports.
//!
//! Only this folder uses libtorch other than through tch.

pub mod library;
pub mod device;
pub mod precision;
pub mod host;

pub use device::{DeviceChoice, DeviceError};
pub use host::to_host;
pub use precision::{Precision, PrecisionError};
