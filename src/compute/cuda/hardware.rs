//! What a CUDA device is, and waiting for it.

use std::sync::Arc;

use cudarc::driver::CudaContext;
use cudarc::driver::sys::CUdevice_attribute;
use serde::Serialize;

use super::compiler::Architecture;
use super::error::{CudaError, failed};
use super::libraries::unmet_requirements;

/// An open CUDA device.
#[derive(Debug, Clone)]
pub struct CudaDevice {
    context: Arc<CudaContext>,
}

/// The properties of a CUDA device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CudaProperties {
    /// The name that its vendor gave it.
    pub name: String,
    /// Major and minor version, such as `7.5`.
    pub compute_capability: String,
    /// All of its memory, in bytes.
    pub memory_bytes: u64,
    /// The memory that nobody uses, in bytes.
    pub free_bytes: u64,
    /// The number of streaming multiprocessors.
    pub multiprocessors: i32,
    /// The highest clock of the multiprocessors, in MHz.
    pub clock_mhz: i32,
}

impl CudaDevice {
    /// Opens the device with an index, counted from 0. Its context is the primary one, which libtorch uses as well.
    ///
    /// # Errors
    /// If CUDA cannot be used, or there is no such device.
    pub fn open(index: usize) -> Result<Self, CudaError> {
        // Without its libraries cudarc panics.
        if let Some(requirement) = unmet_requirements().first() {
            return Err(requirement.clone().into());
        }
        let context = CudaContext::new(index).map_err(failed("opening the device"))?;
        Ok(Self { context })
    }

    /// Its context, the primary one.
    pub(super) fn context(self) -> Arc<CudaContext> {
        self.context
    }

    /// Its compute capability.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn architecture(&self) -> Result<Architecture, CudaError> {
        let (major, minor) = self
            .context
            .compute_capability()
            .map_err(failed("asking for the compute capability"))?;
        Ok(Architecture {
            major: major.cast_unsigned(),
            minor: minor.cast_unsigned(),
        })
    }

    /// The properties of the device.
    ///
    /// # Errors
    /// If the driver fails.
    pub fn properties(&self) -> Result<CudaProperties, CudaError> {
        const MULTIPROCESSORS: CUdevice_attribute =
            CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
        const CLOCK_KHZ: CUdevice_attribute = CUdevice_attribute::CU_DEVICE_ATTRIBUTE_CLOCK_RATE;
        let device = &self.context;
        let Architecture { major, minor } = self.architecture()?;
        let properties = || {
            let (free, total) = device.mem_get_info()?;
            Ok(CudaProperties {
                name: device.name()?,
                compute_capability: format!("{major}.{minor}"),
                memory_bytes: total as u64,
                free_bytes: free as u64,
                multiprocessors: device.attribute(MULTIPROCESSORS)?,
                clock_mhz: device.attribute(CLOCK_KHZ)? / 1000,
            })
        };
        properties().map_err(failed("asking for the properties of the device"))
    }

    /// Waits until the device has done everything that it was given.
    ///
    /// # Errors
    /// If something that was started earlier failed.
    pub fn synchronize(&self) -> Result<(), CudaError> {
        self.context
            .synchronize()
            .map_err(failed("waiting for the device"))
    }
}
