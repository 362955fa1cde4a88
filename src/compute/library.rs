//! Facts and switches of libtorch itself.

use std::sync::{Mutex, OnceLock, PoisonError};

use libloading::Library;
use tch::Cuda;

/// Version of libtorch that the program was compiled with.
pub const LIBTORCH_VERSION: &str = match option_env!("CLIPDRAW_LIBTORCH_VERSION") {
    Some(version) => version,
    None => "2.11.0",
};

/// File names under which libtorch's CUDA half is found by the loader.
const CUDA_LIBRARIES: [&str; 3] = ["libtorch_cuda.so", "torch_cuda.dll", "libtorch_cuda.dylib"];

/// Opens libtorch's CUDA half where there is one, and says whether CUDA devices can be used.
///
/// The linker drops `libtorch_cuda` from a program that names none of its symbols, and then libtorch
/// reports no CUDA device. The first call opens the library; on an installation for the CPU it finds
/// nothing and stays quiet.
pub fn cuda_is_usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    *USABLE.get_or_init(|| {
        open_cuda_library();
        let usable = Cuda::is_available();
        if usable {
            // Trying out algorithms would pick another one from run to run, with other last bits.
            Cuda::cudnn_set_benchmark(false);
        }
        usable
    })
}

fn open_cuda_library() {
    for name in CUDA_LIBRARIES {
        #[allow(
            unsafe_code,
            reason = "dlopen runs the library's constructors; they are libtorch's own, which register \
                      its CUDA kernels and touch nothing of ours"
        )]
        let opened = unsafe { Library::new(name) };
        if let Ok(library) = opened {
            // The kernels stay registered until the program ends, so the library may not be closed.
            std::mem::forget(library);
            return;
        }
    }
}

/// Whether this libtorch has Apple's Metal backend and a device for it.
pub fn metal_is_usable() -> bool {
    tch::utils::has_mps()
}

/// Sets how many threads libtorch uses inside one operation, at least 1.
///
/// The setting belongs to the calling thread and to threads that never called this.
pub fn set_threads(count: usize) {
    tch::set_num_threads(i32::try_from(count.max(1)).unwrap_or(i32::MAX));
}

/// How many threads libtorch uses inside one operation when called from this thread.
pub fn threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1)
}

/// Makes libtorch use one thread when called from this thread.
///
/// libtorch splits a sum among its threads, so that the last bits of a result depend on their number.
/// What must come out equal everywhere runs on one thread, many of them side by side.
pub fn use_one_thread() {
    static TURN: Mutex<()> = Mutex::new(());
    if threads() != 1 {
        // The setter makes a pool behind the scenes, which two threads at once should not do.
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        set_threads(1);
    }
}

/// One line for `--version`: libtorch's version and what it was built with.
pub fn describe() -> String {
    let mut parts = vec![format!("libtorch {LIBTORCH_VERSION}")];
    let features = [
        (tch::utils::has_mkl(), "MKL"),
        (tch::utils::has_mkldnn(), "oneDNN"),
        (tch::utils::has_openmp(), "OpenMP"),
        (cuda_is_usable(), "CUDA"),
        (metal_is_usable(), "Metal"),
    ];
    parts.extend(
        features
            .iter()
            .filter(|(present, _)| *present)
            .map(|(_, name)| (*name).to_owned()),
    );
    parts.join(", ")
}
