//! The renderer on a CUDA device.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tch::Device;

use super::estimate::estimate;
use super::kernel_renderer::KernelRenderer;
use super::launcher::Launcher;
use super::layout::Batch;
use super::room::Room;
use super::source::{Kernel, kernel_source};
use crate::compute::cuda::{CudaError, KernelCache, KernelModule};
use crate::render::{RenderError, Rendered, Renderer, RunScene, Scene, StrokeRun, StrokeRuns};
use crate::scene::Canvas;

/// Renders on one CUDA device. The kernels are compiled and loaded by the first pass on the device and stay
/// loaded until the program ends.
#[derive(Debug, Clone, Copy)]
pub struct CudaRenderer {
    device: usize,
}

impl CudaRenderer {
    /// A renderer on the device with an index, counted from 0.
    pub fn new(device: usize) -> Self {
        Self { device }
    }
}

impl Renderer for CudaRenderer {
    fn forward(
        &self,
        scenes: &[Scene<'_>],
        image_size: usize,
    ) -> Result<Box<dyn Rendered>, RenderError> {
        loaded(self.device)?.forward(scenes, image_size)
    }

    fn stroke_runs(&self) -> Option<&dyn StrokeRuns> {
        Some(self)
    }
}

impl StrokeRuns for CudaRenderer {
    fn start_run(
        &self,
        scenes: &[RunScene<'_>],
        image_size: usize,
    ) -> Result<Box<dyn StrokeRun>, RenderError> {
        loaded(self.device)?.start_run(scenes, image_size)
    }

    fn memory_of(&self, canvas: &Canvas, strokes: usize, views: usize, image_size: usize) -> u64 {
        let room = loaded(self.device).map_or_else(|_| Room::default(), |renderer| renderer.room());
        estimate(room, canvas, strokes, views, image_size)
    }
}

/// The renderers of all devices that were used.
static LOADED: Mutex<BTreeMap<usize, Arc<KernelRenderer<CudaLauncher>>>> =
    Mutex::new(BTreeMap::new());

fn loaded(device: usize) -> Result<Arc<KernelRenderer<CudaLauncher>>, CudaError> {
    let mut loaded = LOADED.lock();
    if let Some(renderer) = loaded.get(&device) {
        return Ok(Arc::clone(renderer));
    }
    let launcher = CudaLauncher::new(device)?;
    let renderer = Arc::new(KernelRenderer::new(launcher, Room::default()));
    loaded.insert(device, Arc::clone(&renderer));
    Ok(renderer)
}

/// Launches kernels through NVIDIA's driver.
#[derive(Debug)]
struct CudaLauncher {
    device: usize,
    module: KernelModule,
}

impl CudaLauncher {
    fn new(device: usize) -> Result<Self, CudaError> {
        let names = Kernel::ALL.map(Kernel::name);
        let module = KernelModule::load(device, &kernel_source(), &names, &KernelCache::of_user())?;
        Ok(Self { device, module })
    }
}

impl Launcher for CudaLauncher {
    fn device(&self) -> Device {
        Device::Cuda(self.device)
    }

    fn launch(&self, kernel: Kernel, grid: [usize; 2], batch: &Batch) -> Result<(), CudaError> {
        let grid = grid.map(|blocks| blocks as u32);
        let threads = kernel.threads() as u32;
        #[allow(
            unsafe_code,
            reason = "every kernel takes a batch; its tensors are on this device, and the stream is theirs, so \
                      libtorch uses their memory for nothing else before the kernel is done"
        )]
        unsafe {
            self.module.launch(kernel as usize, grid, threads, batch)
        }
    }
}
