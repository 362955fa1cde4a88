//! Where and how tensors are computed: the device, the number kind, and facts about libtorch.
//!
//! This is the one folder that speaks to libtorch outside of tch.

pub mod library;
pub mod device;
pub mod precision;

pub use device::{DeviceChoice, DeviceError};
pub use precision::{Precision, PrecisionError};
