//! The memory and the speed of a GPU while it draws.

use std::cell::Cell;
use std::time::{Duration, Instant};

use metrics::gauge;
use tch::{Kind, TchError, Tensor};

use super::fault::EngineError;
use crate::clip::Clip;
use crate::compute::accelerator;
use crate::telemetry::metric;

/// How often the memory is measured.
const MEASURE_INTERVAL: Duration = Duration::from_secs(1);

/// Views of the warm-up: those of a drawing with the defaults.
const WARM_UP_VIEWS: u64 = 4;

/// Memory that is left free, in bytes: for libtorch's workspaces, and because estimates are not exact.
const RESERVE: u64 = 256 << 20;

/// A GPU that draws.
#[derive(Debug)]
pub(super) struct Gpu {
    index: usize,
    /// The memory that the model needs for each view, in bytes.
    bytes_per_view: u64,
    measured: Cell<Option<Instant>>,
}

impl Gpu {
    /// Sends some views through the model and back, so that the first drawing does not wait for its kernels to be loaded,
    /// and measures how much memory that takes.
    pub(super) fn new(index: usize, clip: &Clip) -> Result<Self, EngineError> {
        accelerator::reset_peak(index).map_err(EngineError::new)?;
        let before = accelerator::memory(index).map_err(EngineError::new)?;
        warm_up(clip)?;
        let after = accelerator::memory(index).map_err(EngineError::new)?;
        Ok(Self {
            index,
            bytes_per_view: after.peak.saturating_sub(before.allocated) / WARM_UP_VIEWS,
            measured: Cell::new(None),
        })
    }

    /// Whether there is memory for a drawing that needs `own` bytes besides those for its views.
    pub(super) fn has_memory_for(&self, own: u64, views: usize) -> bool {
        let needed = own + views as u64 * self.bytes_per_view;
        // If the driver does not say, the drawing may try.
        let Ok(memory) = accelerator::memory(self.index) else {
            return true;
        };
        needed + RESERVE <= memory.available()
    }

    /// Records how fast some steps were, and from time to time the memory.
    pub(super) fn measure(&self, steps: usize, duration: Duration) {
        let seconds = duration.as_secs_f64().max(1e-9);
        gauge!(metric::GPU_STEPS_PER_SECOND).set(steps as f64 / seconds);
        let measured = self.measured.get();
        if measured.is_some_and(|measured| measured.elapsed() < MEASURE_INTERVAL) {
            return;
        }
        self.measured.set(Some(Instant::now()));
        if let Ok(memory) = accelerator::memory(self.index) {
            for (kind, bytes) in [
                ("total", memory.total),
                ("free", memory.free),
                ("reserved", memory.reserved),
                ("allocated", memory.allocated),
            ] {
                gauge!(metric::GPU_MEMORY, "kind" => kind).set(bytes as f64);
            }
        }
    }
}

fn warm_up(clip: &Clip) -> Result<(), EngineError> {
    let side = clip.input_size();
    let shape = [WARM_UP_VIEWS as i64, 3, side, side];
    let views = Tensor::f_zeros(shape, (Kind::Float, clip.device())).map_err(EngineError::new)?;
    let encoded = clip.encode(&views).map_err(EngineError::new)?;
    let gradient = encoded.embeddings().f_zeros_like();
    let gradient = gradient.map_err(EngineError::new)?;
    let pulled = encoded.pull_back(&gradient).map_err(EngineError::new)?;
    // Waits for the device.
    let sum = pulled.f_sum(None).and_then(|sum| sum.f_double_value(&[]));
    sum.map_err(|cause: TchError| EngineError::new(cause))?;
    Ok(())
}
