//! NVRTC: from the source of kernels to code for one kind of GPU.

use std::ffi::{CStr, CString, c_char};
use std::fmt;

use cudarc::nvrtc::result::{self, NvrtcError};
use cudarc::nvrtc::sys;

use super::error::CudaError;
use super::libraries::open_nvrtc;

/// Besides the architecture. Products and sums are not fused, so that a GPU rounds as a processor does.
pub(super) const OPTIONS: [&str; 2] = ["--std=c++17", "--fmad=false"];

/// The compute capability of a GPU, for example 7.5 for a T4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Architecture {
    /// The number before the point.
    pub major: u32,
    /// The number after the point.
    pub minor: u32,
}

impl Architecture {
    /// Whether it computes in bf16 itself, which needs compute capability 8.0.
    pub fn has_bf16(self) -> bool {
        self.major >= 8
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "sm_{}{}", self.major, self.minor)
    }
}

/// A program of NVRTC's, destroyed when it is dropped.
struct Program(sys::nvrtcProgram);

impl Drop for Program {
    fn drop(&mut self) {
        #[allow(unsafe_code, reason = "the program was created and is destroyed once")]
        // It can fail only for a program that is none.
        let _ = unsafe { result::destroy_program(self.0) };
    }
}

/// Compiled kernels.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// A cubin: machine code of one architecture.
    pub code: Vec<u8>,
    /// What NVRTC says about it; nothing unless it is asked to.
    pub log: String,
}

/// Compiles kernels for one architecture, with some options of NVRTC's besides those that they always get. Needs
/// NVRTC but no GPU, and takes about a second.
///
/// # Errors
/// If NVRTC is missing or rejects the source.
///
/// # Panics
/// If the source has a zero byte.
pub fn compile(
    source: &str,
    architecture: Architecture,
    more_options: &[&str],
) -> Result<Compiled, CudaError> {
    open_nvrtc()?;
    let source = CString::new(source).expect("the source of kernels is text");
    let failed = |doing| move |cause| CudaError::Nvrtc { doing, cause };
    let program = result::create_program(&source, Some(c"kernels.cu"))
        .map(Program)
        .map_err(failed("creating a program"))?;
    let mut options: Vec<String> = OPTIONS
        .iter()
        .chain(more_options)
        .map(|option| (*option).to_owned())
        .collect();
    options.push(format!("--gpu-architecture={architecture}"));
    #[allow(unsafe_code, reason = "the program was created above")]
    let result = unsafe { result::compile_program(program.0, &options) };
    let log = log_of(&program);
    result.map_err(|cause| CudaError::Compile {
        architecture: architecture.to_string(),
        log: log.clone(),
        cause,
    })?;
    let code = cubin_of(&program).map_err(failed("reading the compiled kernels"))?;
    Ok(Compiled { code, log })
}

fn log_of(program: &Program) -> String {
    #[allow(unsafe_code, reason = "the program exists")]
    let log = unsafe { result::get_program_log(program.0) }.unwrap_or_default();
    let bytes: Vec<u8> = log.iter().map(|byte| byte.cast_unsigned()).collect();
    CStr::from_bytes_until_nul(&bytes)
        .map(|text| text.to_string_lossy().trim().to_owned())
        .unwrap_or_default()
}

fn cubin_of(program: &Program) -> Result<Vec<u8>, NvrtcError> {
    let mut size = 0_usize;
    #[allow(unsafe_code, reason = "the program exists, and so does the number")]
    let result = unsafe { sys::nvrtcGetCUBINSize(program.0, &raw mut size) };
    result.result()?;
    let mut cubin = vec![0_u8; size];
    #[allow(unsafe_code, reason = "NVRTC writes as many bytes as it said")]
    let result = unsafe { sys::nvrtcGetCUBIN(program.0, cubin.as_mut_ptr().cast::<c_char>()) };
    result.result()?;
    Ok(cubin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_needs_compute_capability_8() {
        let has_bf16 = |(major, minor)| Architecture { major, minor }.has_bf16();
        assert_eq!(
            [(7, 5), (8, 0), (9, 0), (12, 1)].map(has_bf16),
            [false, true, true, true]
        );
    }
}
