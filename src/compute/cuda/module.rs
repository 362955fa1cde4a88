//! Kernels on a device, ready to be launched.

use std::sync::Arc;

use cudarc::driver::{
    CudaContext, CudaFunction, CudaStream, DeviceRepr, LaunchConfig, PushKernelArg,
};
use cudarc::nvrtc::Ptx;

use super::cache::KernelCache;
use super::compiler::compile;
use super::error::{CudaError, failed};
use super::hardware::CudaDevice;
use crate::compute::accelerator;

/// The kernels of one source, loaded on one device. They are launched on the stream that libtorch uses in the
/// calling thread. So operations of libtorch and kernels run in the order in which they were started, and
/// memory that libtorch takes back is not used again before a kernel is done with it.
#[derive(Debug)]
pub struct KernelModule {
    device: usize,
    context: Arc<CudaContext>,
    functions: Vec<CudaFunction>,
}

impl KernelModule {
    /// Compiles kernels for the device with an index, or takes them from the cache, and loads them.
    ///
    /// # Errors
    /// If CUDA cannot be used, or the compiler or the driver fails.
    pub fn load(
        device: usize,
        source: &str,
        names: &[&str],
        cache: &KernelCache,
    ) -> Result<Self, CudaError> {
        let opened = CudaDevice::open(device)?;
        let architecture = opened.architecture()?;
        let context = opened.context();
        #[allow(
            unsafe_code,
            reason = "everything is launched on libtorch's stream, so there are no streams to synchronize by events"
        )]
        unsafe {
            context.disable_event_tracking();
        }
        let code = cache.get(source, architecture, || {
            Ok(compile(source, architecture, &[])?.code)
        })?;
        let module = context
            .load_module(Ptx::from_binary(code))
            .map_err(failed("loading the kernels"))?;
        let functions = names
            .iter()
            .map(|name| {
                module
                    .load_function(name)
                    .map_err(failed(format!("looking up the kernel {name}")))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            device,
            context,
            functions,
        })
    }

    /// Starts a kernel, by its index in the names, on a grid of blocks of some threads each.
    ///
    /// # Errors
    /// If the driver does not accept it. What goes wrong while it runs is reported by a later call.
    ///
    /// # Safety
    /// The kernel must take one argument of this type, and the pointers in it must be valid on the device until
    /// the kernel is done.
    #[allow(
        unsafe_code,
        reason = "a kernel gets raw pointers to the memory of the device"
    )]
    pub unsafe fn launch<Argument: DeviceRepr>(
        &self,
        kernel: usize,
        [columns, rows]: [u32; 2],
        threads: u32,
        argument: &Argument,
    ) -> Result<(), CudaError> {
        let size = LaunchConfig {
            grid_dim: (columns, rows, 1),
            block_dim: (threads, 1, 1),
            shared_mem_bytes: 0,
        };
        let stream = self.stream()?;
        let mut launch = stream.launch_builder(&self.functions[kernel]);
        launch.arg(argument);
        // Safety: the caller promises it.
        unsafe { launch.launch(size) }
            .map(|_| ())
            .map_err(failed("launching a kernel"))
    }

    /// The stream that libtorch uses in this thread.
    fn stream(&self) -> Result<Arc<CudaStream>, CudaError> {
        let stream = accelerator::current_stream(self.device)?;
        #[allow(
            unsafe_code,
            reason = "libtorch takes its streams from a pool and never destroys them; null is the default stream"
        )]
        let stream = unsafe { self.context.wrap_borrowed_stream(stream.cast()) };
        Ok(stream)
    }
}
