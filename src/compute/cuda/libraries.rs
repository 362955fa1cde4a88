//! The libraries that CUDA needs, and why they cannot be used.

use std::ffi::c_int;
use std::fmt;
use std::sync::OnceLock;

use libloading::Library;
use thiserror::Error;

use crate::errors::chain;

/// File names of the libraries on one platform, the first that exists being opened.
struct FileNames {
    /// NVIDIA's driver.
    driver: &'static [&'static str],
    /// What NVRTC needs to compile anything. NVRTC opens it by its bare name, which finds it in no folder
    /// but the loader's; if it is open already, the name suffices.
    builtins: &'static [&'static str],
    /// NVRTC, NVIDIA's compiler of CUDA C++ as a library.
    nvrtc: &'static [&'static str],
    /// libtorch's CUDA library.
    libtorch: &'static [&'static str],
}

const FILE_NAMES: FileNames = if cfg!(windows) {
    FileNames {
        driver: &["nvcuda.dll"],
        builtins: &["nvrtc-builtins64_130.dll"],
        nvrtc: &["nvrtc64_130_0.dll"],
        libtorch: &["torch_cuda.dll"],
    }
} else {
    FileNames {
        driver: &["libcuda.so.1", "libcuda.so"],
        builtins: &["libnvrtc-builtins.so.13.0"],
        nvrtc: &["libnvrtc.so.13"],
        libtorch: &["libtorch_cuda.so"],
    }
};

/// The CUDA version that libtorch and NVRTC are of, which the driver must support: 1000 times the major version
/// plus 10 times the minor one, as `cuDriverGetVersion` returns it.
const NEEDED_VERSION: c_int = 13_000;

/// Something that CUDA needs and this machine does not have.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum UnmetRequirement {
    /// There is no driver.
    #[error("NVIDIA's driver is not installed")]
    NoDriver,
    /// NVIDIA's driver library is broken.
    #[error("NVIDIA's driver library cannot be opened ({0})")]
    Driver(String),
    /// The driver library is there, but a call fails.
    #[error("NVIDIA's driver fails: {call} returns error {code}")]
    DriverCall {
        /// The function of the driver's API.
        call: &'static str,
        /// Its `CUresult`.
        code: i32,
    },
    /// The driver supports no CUDA version that is new enough.
    #[error("NVIDIA's driver is too old: it supports CUDA {}.{}, and 13.0 is needed", found / 1000, found % 1000 / 10)]
    OldDriver {
        /// The newest version that it supports, as `cuDriverGetVersion` returns it.
        found: i32,
    },
    /// The driver works and has no device.
    #[error("NVIDIA's driver finds no GPU")]
    NoDevice,
    /// This libtorch was built for the processor only.
    #[error("this libtorch has no CUDA library ({0})")]
    Libtorch(String),
    /// The compiler is missing or broken.
    #[error("the CUDA compiler NVRTC cannot be opened ({0})")]
    Nvrtc(String),
}

/// Everything that keeps CUDA from being used on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CudaUnavailable(pub Vec<UnmetRequirement>);

impl std::error::Error for CudaUnavailable {}

impl fmt::Display for CudaUnavailable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(out, "{separator}{requirement}")?;
        }
        Ok(())
    }
}

/// What was found of CUDA.
struct Found {
    unmet: Vec<UnmetRequirement>,
    devices: c_int,
    driver_version: c_int,
}

/// What CUDA needs and this machine does not have; empty if CUDA can be used. Found out by the first call, which opens the libraries. They stay open.
pub fn unmet_requirements() -> &'static [UnmetRequirement] {
    &found().unmet
}

/// One line for `--version`: the driver and its devices, or why CUDA cannot be used.
pub fn describe() -> String {
    line_about(found())
}

fn line_about(found: &Found) -> String {
    // Whoever has no driver needs nothing else either.
    if found.unmet.contains(&UnmetRequirement::NoDriver) {
        return format!("no CUDA: {}", UnmetRequirement::NoDriver);
    }
    if !found.unmet.is_empty() {
        return format!("no CUDA: {}", CudaUnavailable(found.unmet.clone()));
    }
    let (major, minor) = (
        found.driver_version / 1000,
        found.driver_version % 1000 / 10,
    );
    format!(
        "CUDA: {} device(s), driver for CUDA {major}.{minor}, NVRTC 13.0",
        found.devices
    )
}

fn found() -> &'static Found {
    static FOUND: OnceLock<Found> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut found = Found {
            unmet: Vec::new(),
            devices: 0,
            driver_version: 0,
        };
        if let Err(requirement) = ask_driver(&mut found) {
            found.unmet.push(requirement);
        }
        if let Err(requirement) = open_libtorch() {
            found.unmet.push(requirement);
        }
        if let Err(requirement) = open_nvrtc() {
            found.unmet.push(requirement);
        }
        found
    })
}

/// Opens libtorch's CUDA library, which registers its CUDA kernels.
///
/// The linker drops it from a program that uses none of its symbols, and then libtorch reports no CUDA device.
///
/// # Errors
/// If there is none: a libtorch for the processor has none.
pub fn open_libtorch() -> Result<(), UnmetRequirement> {
    open(FILE_NAMES.libtorch)
        .map(|_| ())
        .map_err(|fault| UnmetRequirement::Libtorch(fault.reason))
}

/// Opens NVRTC, after what it needs.
pub(super) fn open_nvrtc() -> Result<(), UnmetRequirement> {
    open(FILE_NAMES.builtins)
        .and_then(|_| open(FILE_NAMES.nvrtc))
        .map(|_| ())
        .map_err(|fault| UnmetRequirement::Nvrtc(fault.reason))
}

/// Opens the first library that there is of some names. It stays open until the program ends, because what it
/// registers elsewhere must stay valid.
///
/// # Errors
/// If there is none, or with what the loader says of each one that there is.
fn open(names: &[&str]) -> Result<&'static Library, LibraryFault> {
    let mut reasons = Vec::new();
    for name in names {
        #[allow(
            unsafe_code,
            reason = "dlopen runs the constructors of the library; those of NVIDIA and libtorch only set \
                      themselves up"
        )]
        let opened = unsafe { Library::new(*name) };
        match opened {
            Ok(library) => return Ok(Box::leak(Box::new(library))),
            Err(error) => reasons.push(chain(&error)),
        }
        if reasons
            .last()
            .is_some_and(|reason| says_missing(reason, name))
        {
            reasons.pop();
        }
    }
    let is_missing = reasons.is_empty();
    let reason = if is_missing {
        format!("there is no {}", names[0])
    } else {
        reasons.join(", ")
    };
    Err(LibraryFault { reason, is_missing })
}

/// Why a library cannot be opened.
#[derive(Debug)]
struct LibraryFault {
    reason: String,
    is_missing: bool,
}

/// Whether the loader finds no file of a name. It says the same of a library that the file needs, but with the name of that one.
fn says_missing(reason: &str, name: &str) -> bool {
    reason.contains(&format!(
        "{name}: cannot open shared object file: No such file"
    ))
}

/// Starts the driver and asks for its version and the number of devices.
fn ask_driver(found: &mut Found) -> Result<(), UnmetRequirement> {
    let library = open(FILE_NAMES.driver).map_err(|fault| {
        if fault.is_missing {
            UnmetRequirement::NoDriver
        } else {
            UnmetRequirement::Driver(fault.reason)
        }
    })?;
    call(library, "cuInit", 0)?;
    found.driver_version = ask(library, "cuDriverGetVersion")?;
    found.devices = ask(library, "cuDeviceGetCount")?;
    if found.driver_version < NEEDED_VERSION {
        return Err(UnmetRequirement::OldDriver {
            found: found.driver_version,
        });
    }
    if found.devices == 0 {
        return Err(UnmetRequirement::NoDevice);
    }
    Ok(())
}

/// `CUresult name(unsigned int)`.
fn call(library: &Library, name: &'static str, argument: u32) -> Result<(), UnmetRequirement> {
    #[allow(
        unsafe_code,
        reason = "the signature is that of CUDA's driver API: CUresult cuInit(unsigned int)"
    )]
    let code = unsafe {
        let function = library
            .get::<unsafe extern "C" fn(u32) -> c_int>(name)
            .map_err(|error| UnmetRequirement::Driver(chain(&error)))?;
        function(argument)
    };
    checked(name, code)
}

/// `CUresult name(int *)`.
fn ask(library: &Library, name: &'static str) -> Result<c_int, UnmetRequirement> {
    let mut answer = 0;
    #[allow(
        unsafe_code,
        reason = "the signature is that of CUDA's driver API: CUresult cuDriverGetVersion(int *), and the same for \
                  cuDeviceGetCount"
    )]
    let code = unsafe {
        let function = library
            .get::<unsafe extern "C" fn(*mut c_int) -> c_int>(name)
            .map_err(|error| UnmetRequirement::Driver(chain(&error)))?;
        function(&raw mut answer)
    };
    checked(name, code).map(|()| answer)
}

fn checked(call: &'static str, code: c_int) -> Result<(), UnmetRequirement> {
    // CUDA_ERROR_NO_DEVICE of the driver API.
    const NO_DEVICE: c_int = 100;
    match code {
        0 => Ok(()),
        NO_DEVICE => Err(UnmetRequirement::NoDevice),
        code => Err(UnmetRequirement::DriverCall { call, code }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_not_there_is_named_and_a_broken_one_has_its_cause() {
        let fault = open(&["libclipdraw-none.so.1", "libclipdraw-none.so"]).unwrap_err();
        if cfg!(target_os = "linux") {
            assert!(fault.is_missing);
            assert_eq!(fault.reason, "there is no libclipdraw-none.so.1");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("libclipdraw-broken.so");
        std::fs::write(&file, "not a library").unwrap();
        let fault = open(&["libclipdraw-none.so.1", file.to_str().unwrap()]).unwrap_err();
        assert!(!fault.is_missing);
        assert!(
            fault.reason.contains("libclipdraw-broken.so"),
            "{}",
            fault.reason
        );
    }

    #[test]
    fn a_needed_library_that_is_not_there_is_a_cause() {
        let reason = "libneeded.so.5: cannot open shared object file: No such file or directory";
        assert!(says_missing(reason, "libneeded.so.5"));
        assert!(!says_missing(reason, "libcuda.so.1"));
    }

    #[test]
    fn the_line_about_cuda_is_short_without_a_driver_and_names_causes_with_one() {
        let nvrtc = || UnmetRequirement::Nvrtc("there is no libnvrtc.so.13".to_owned());
        let line = |unmet| {
            line_about(&Found {
                unmet,
                devices: 1,
                driver_version: 13_000,
            })
        };
        assert_eq!(
            line(vec![UnmetRequirement::NoDriver, nvrtc()]),
            "no CUDA: NVIDIA's driver is not installed"
        );
        assert_eq!(
            line(vec![nvrtc()]),
            "no CUDA: the CUDA compiler NVRTC cannot be opened (there is no libnvrtc.so.13)"
        );
        assert_eq!(
            line(Vec::new()),
            "CUDA: 1 device(s), driver for CUDA 13.0, NVRTC 13.0"
        );
    }
}
