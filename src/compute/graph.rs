//! CUDA graphs: work that is captured once and then repeated by a single call.
#![allow(
    unsafe_code,
    reason = "calls the functions in `bindings.cpp`, which catch all exceptions"
)]

use std::ffi::{c_int, c_void};
use std::ptr::NonNull;

use clap::ValueEnum;
use tch::Device;

use super::accelerator::{AcceleratorError, checked, last_error};

unsafe extern "C" {
    fn clipdraw_take_stream(device: c_int) -> c_int;
    fn clipdraw_begin_capture() -> *mut c_void;
    fn clipdraw_end_capture(graph: *mut c_void) -> c_int;
    fn clipdraw_replay(graph: *mut c_void) -> c_int;
    fn clipdraw_drop_graph(graph: *mut c_void);
}

/// Whether steps are captured as CUDA graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum GraphMode {
    /// On CUDA devices, once the same drawings have been moved together for some steps.
    #[default]
    Auto,
    /// Never.
    Off,
}

impl GraphMode {
    /// Whether anything is captured on a device.
    pub fn applies_to(self, device: Device) -> bool {
        self == Self::Auto && device.is_cuda()
    }
}

/// Captured work. It belongs to the thread that captured it.
#[derive(Debug)]
pub struct Graph {
    handle: NonNull<c_void>,
}

/// Gives the calling thread a stream of its own, because the default stream cannot be captured. Everything that the
/// thread does on the device from now on is on that stream.
///
/// # Errors
/// If there is no such device.
pub fn take_stream(device: usize) -> Result<(), AcceleratorError> {
    checked(unsafe { clipdraw_take_stream(device as c_int) })
}

/// Why nothing was captured.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError<E> {
    /// libtorch refused, or something was done that cannot be captured.
    #[error("a step cannot be captured as a CUDA graph")]
    Capture(#[source] AcceleratorError),
    /// The work itself failed.
    #[error("the step to be captured failed")]
    Work(#[source] E),
}

impl Graph {
    /// Captures what `work` puts on the stream of the calling thread, which must be one of its own. Nothing of it is
    /// done before [`Graph::replay`]. Memory that the work reads or writes must stay where it is as long as the
    /// graph is used; what libtorch allocates for tensors that the work creates does.
    ///
    /// # Errors
    /// When libtorch cannot capture, or the work fails.
    pub fn capture<T, E>(
        work: impl FnOnce() -> Result<T, E>,
    ) -> Result<(Self, T), CaptureError<E>> {
        let handle = NonNull::new(unsafe { clipdraw_begin_capture() })
            .ok_or_else(|| CaptureError::Capture(last_error()))?;
        let capture = Capture {
            graph: Some(Self { handle }),
        };
        let result = work();
        let graph = capture.end();
        let result = result.map_err(CaptureError::Work)?;
        Ok((graph.map_err(CaptureError::Capture)?, result))
    }

    /// Puts the captured work on the stream of the calling thread.
    ///
    /// # Errors
    /// When the device fails.
    pub fn replay(&self) -> Result<(), AcceleratorError> {
        checked(unsafe { clipdraw_replay(self.handle.as_ptr()) })
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        unsafe { clipdraw_drop_graph(self.handle.as_ptr()) }
    }
}

/// A capture that goes on. It has to end even if the work panics.
struct Capture {
    graph: Option<Graph>,
}

impl Capture {
    fn end(mut self) -> Result<Graph, AcceleratorError> {
        let graph = self.graph.take().expect("a capture ends once");
        checked(unsafe { clipdraw_end_capture(graph.handle.as_ptr()) })?;
        Ok(graph)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Some(graph) = &self.graph {
            // The panic that goes on says what happened.
            let _ = unsafe { clipdraw_end_capture(graph.handle.as_ptr()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_gpu_nothing_can_be_captured_and_the_error_says_why() {
        if tch::Cuda::is_available() {
            return;
        }
        let error = Graph::capture(|| Ok::<_, AcceleratorError>(())).unwrap_err();
        let CaptureError::Capture(cause) = error else {
            panic!("{error:?}");
        };
        let cause = cause.to_string();
        assert!(cause.contains("CUDA library has no"), "{cause}");
    }

    #[test]
    fn without_a_gpu_there_is_no_stream_to_take() {
        if tch::Cuda::is_available() {
            return;
        }
        let error = take_stream(0).unwrap_err().to_string();
        assert!(error.starts_with("libtorch: "), "{error}");
    }
}
