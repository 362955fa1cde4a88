//! What tch does not reach of libtorch: its build settings, and determinism, streams and memory of accelerators.
#![allow(
    unsafe_code,
    reason = "calls the functions in `bindings.cpp`, which catch all exceptions"
)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr;

use thiserror::Error;

unsafe extern "C" {
    fn clipdraw_last_error() -> *const c_char;
    fn clipdraw_build_settings() -> *const c_char;
    fn clipdraw_make_deterministic() -> c_int;
    fn clipdraw_current_stream(device: c_int, stream: *mut *mut c_void) -> c_int;
    fn clipdraw_memory(device: c_int, bytes: *mut i64) -> c_int;
    fn clipdraw_reset_peak(device: c_int) -> c_int;
    fn clipdraw_empty_cache() -> c_int;
}

/// An error of libtorch.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("libtorch: {0}")]
pub struct AcceleratorError(String);

/// Memory of a device, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceMemory {
    /// What no program uses.
    pub free: u64,
    /// All of it.
    pub total: u64,
    /// What libtorch holds, for its tensors and for later.
    pub reserved: u64,
    /// What libtorch's tensors use.
    pub allocated: u64,
    /// The most that they have used since [`reset_peak`].
    pub peak: u64,
}

impl DeviceMemory {
    /// What new tensors can use: what is free, and what libtorch holds for later.
    pub fn available(&self) -> u64 {
        self.free + self.reserved.saturating_sub(self.allocated)
    }
}

/// What the libtorch that is running was built with, as libtorch describes it.
pub(super) fn build_settings() -> String {
    let text = unsafe { CStr::from_ptr(clipdraw_build_settings()) };
    text.to_string_lossy().into_owned()
}

/// Makes libtorch choose algorithms that give the same bits every time, and sum in full precision.
///
/// # Errors
/// If libtorch refuses.
pub fn make_deterministic() -> Result<(), AcceleratorError> {
    checked(unsafe { clipdraw_make_deterministic() })
}

/// The stream on which libtorch puts its work in this thread, a `CUstream`; null is the default stream.
///
/// # Errors
/// If there is no such device.
pub fn current_stream(device: usize) -> Result<*mut c_void, AcceleratorError> {
    let mut stream = ptr::null_mut();
    checked(unsafe { clipdraw_current_stream(device as c_int, &raw mut stream) })?;
    Ok(stream)
}

/// The memory of a device.
///
/// # Errors
/// If there is no such device.
pub fn memory(device: usize) -> Result<DeviceMemory, AcceleratorError> {
    let mut bytes = [0_i64; 5];
    checked(unsafe { clipdraw_memory(device as c_int, bytes.as_mut_ptr()) })?;
    let [free, total, reserved, allocated, peak] =
        bytes.map(|number| number.max(0).cast_unsigned());
    Ok(DeviceMemory {
        free,
        total,
        reserved,
        allocated,
        peak,
    })
}

/// Forgets [`DeviceMemory::peak`].
///
/// # Errors
/// If there is no such device.
pub fn reset_peak(device: usize) -> Result<(), AcceleratorError> {
    checked(unsafe { clipdraw_reset_peak(device as c_int) })
}

/// Returns to the device what libtorch keeps for later, for example after an allocation has failed.
///
/// # Errors
/// If libtorch has no accelerator.
pub fn empty_cache() -> Result<(), AcceleratorError> {
    checked(unsafe { clipdraw_empty_cache() })
}

/// The result of a function of `bindings.cpp`.
pub(super) fn checked(code: c_int) -> Result<(), AcceleratorError> {
    if code == 0 {
        return Ok(());
    }
    Err(last_error())
}

/// The last error of a function of `bindings.cpp` in this thread.
pub(super) fn last_error() -> AcceleratorError {
    let message = unsafe { CStr::from_ptr(clipdraw_last_error()) }.to_string_lossy();
    // What follows is libtorch's stack.
    let line = message.lines().next().unwrap_or_default();
    AcceleratorError(line.to_owned())
}
