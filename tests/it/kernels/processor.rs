//! The kernels as functions of the processor.

use std::ffi::{CString, c_char, c_int, c_uint};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clipdraw::compute::cuda::CudaError;
use clipdraw::render::cuda::{Batch, Kernel, Launcher, SIZES, Sizes, kernel_source};
use libloading::Library;
use tch::{Device, Kind, TchError, Tensor};

/// Flags for the C++ compiler that `scripts/check kernels` adds: sanitizers.
const FLAGS: &str = "CLIPDRAW_KERNEL_FLAGS";

const HEADER: &str = include_str!("processor.h");
const PROGRAM: &str = include_str!("processor.cpp");

/// Launches kernels on the processor, and keeps the pictures and their gradients.
#[derive(Debug)]
pub(super) struct Processor {
    library: Library,
    /// Chooses the order of blocks and threads; 0 is the natural one.
    order: u32,
    pub(super) pictures: Mutex<Vec<Vec<f32>>>,
    pub(super) picture_gradients: Mutex<Vec<Vec<f32>>>,
    pub(super) launches: AtomicUsize,
}

impl Processor {
    pub(super) fn new(order: u32) -> Self {
        Self::with_definitions(order, &[])
    }

    /// With some of the macros of the kernels defined otherwise.
    pub(super) fn with_definitions(order: u32, definitions: &[&str]) -> Self {
        let path = compiled(definitions);
        #[allow(unsafe_code, reason = "the library has no constructors but its own")]
        let library = unsafe { Library::new(path) }.expect("the compiled kernels can be opened");
        Self {
            library,
            order,
            pictures: Mutex::default(),
            picture_gradients: Mutex::default(),
            launches: AtomicUsize::new(0),
        }
    }

    /// The sizes of what the kernels share with the program.
    pub(super) fn sizes(&self) -> Sizes {
        let mut sizes = Sizes { batch: 0, ..SIZES };
        #[allow(unsafe_code, reason = "the signature is that in `processor.cpp`")]
        unsafe {
            let sizes_of = self
                .library
                .get::<unsafe extern "C" fn(*mut Sizes)>("sizes_of")
                .unwrap();
            sizes_of(&raw mut sizes);
        }
        sizes
    }

    fn run(&self, kernel: Kernel, [columns, rows]: [usize; 2], batch: &Batch) {
        type Run = unsafe extern "C" fn(*const c_char, c_int, c_int, c_uint, *const Batch) -> c_int;
        let name = CString::new(kernel.name()).unwrap();
        let (columns, rows) = (columns as c_int, rows as c_int);
        #[allow(unsafe_code, reason = "the signature is that in `processor.cpp`")]
        let is_known = unsafe {
            let run = self.library.get::<Run>("run_kernel").unwrap();
            run(name.as_ptr(), columns, rows, self.order, batch)
        };
        assert_eq!(is_known, 1, "no kernel {kernel:?}");
    }

    /// The pictures of all scenes, or the gradients on them.
    fn pictures_of(&self, scenes: usize, is_gradient: bool, batch: &Batch) -> Vec<Vec<f32>> {
        type PictureOf = unsafe extern "C" fn(*const Batch, c_int, c_int, *mut c_int) -> *const f32;
        let picture = |scene: usize| {
            let mut count = 0;
            #[allow(
                unsafe_code,
                reason = "the signature is that in `processor.cpp`, which returns memory of the batch"
            )]
            unsafe {
                let picture_of = self.library.get::<PictureOf>("picture_of").unwrap();
                let start = picture_of(batch, scene as c_int, is_gradient.into(), &raw mut count);
                std::slice::from_raw_parts(start, count as usize).to_vec()
            }
        };
        (0..scenes).map(picture).collect()
    }
}

impl Launcher for Processor {
    fn device(&self) -> Device {
        Device::Cpu
    }

    /// Whatever reads memory that was not written gets NaN, or an index far outside.
    fn allocate(&self, count: usize) -> Result<Tensor, TchError> {
        Tensor::f_full([count as i64], f64::NAN, (Kind::Float, Device::Cpu))
    }

    fn launch(&self, kernel: Kernel, grid: [usize; 2], batch: &Batch) -> Result<(), CudaError> {
        self.launches.fetch_add(1, Ordering::Relaxed);
        self.run(kernel, grid, batch);
        let scenes = grid[1];
        match kernel {
            Kernel::CompositeForward => {
                *self.pictures.lock().unwrap() = self.pictures_of(scenes, false, batch);
            }
            Kernel::ViewsBackward | Kernel::PoolBackward => {
                *self.picture_gradients.lock().unwrap() = self.pictures_of(scenes, true, batch);
            }
            _ => {}
        }
        Ok(())
    }
}

/// The library of the kernels, compiled unless an earlier test has done it.
fn compiled(definitions: &[&str]) -> PathBuf {
    #[expect(
        clippy::disallowed_methods,
        reason = "a variable of the tests, not of the program"
    )]
    let extra = std::env::var(FLAGS).unwrap_or_default();
    let mut flags = vec![
        "-O2".to_owned(),
        "-std=c++17".to_owned(),
        "-ffp-contract=off".to_owned(),
    ];
    flags.extend(extra.split_whitespace().map(str::to_owned));
    flags.extend(definitions.iter().map(|name| format!("-D{name}")));
    let source = kernel_source();
    let mut hasher = DefaultHasher::new();
    (&source, HEADER, PROGRAM, &flags).hash(&mut hasher);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let path = folder.join(format!("kernels-{:016x}.so", hasher.finish()));
    if !path.exists() {
        let scratch = tempfile::tempdir_in(folder).unwrap();
        let file = |name: &str| scratch.path().join(name);
        fs::write(file("kernels.cu"), source).unwrap();
        fs::write(file("processor.h"), HEADER).unwrap();
        fs::write(file("processor.cpp"), PROGRAM).unwrap();
        let output = Command::new("c++")
            .args(&flags)
            .args([
                "-shared",
                "-fPIC",
                "-w",
                "processor.cpp",
                "-o",
                "kernels.so",
            ])
            .current_dir(scratch.path())
            .output()
            .expect("the C++ compiler that torch-sys needs");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        fs::rename(file("kernels.so"), &path).unwrap();
    }
    path
}

#[test]
fn the_program_and_the_kernels_agree_on_the_layout_of_memory() {
    assert_eq!(Processor::new(0).sizes(), SIZES);
}
