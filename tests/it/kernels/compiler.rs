//! NVRTC accepts the kernels, and what it makes of them fits a GPU. It needs none.

use std::path::PathBuf;
use std::process::Command;

use clipdraw::compute::cuda::{Architecture, CudaError, compile};
use clipdraw::render::cuda::{Kernel, kernel_source};
use libloading::Library;
use regex::Regex;

use crate::support::skip::pass_over;

/// What `scripts/nvrtc` ends with where NVRTC cannot be installed.
const PASSED_OVER: i32 = 77;

/// A T4, an A100, an L4 and an H100.
const ARCHITECTURES: [(u32, u32); 4] = [(7, 5), (8, 0), (8, 9), (9, 0)];

/// The most registers of a thread and bytes of shared memory of a block, for each kernel. They decide how many blocks a
/// multiprocessor runs at once; a change that needs more should be made on purpose.
const LIMITS: [(Kernel, u32, u32); 15] = [
    (Kernel::Flatten, 104, 7_680),
    (Kernel::BinStrokes, 42, 0),
    (Kernel::CountTileStrokes, 40, 1_024),
    (Kernel::ListTileStrokes, 40, 0),
    (Kernel::CoverageForward, 64, 3_072),
    (Kernel::CompositeForward, 42, 1_024),
    (Kernel::PoolForward, 50, 0),
    (Kernel::ViewsForward, 58, 0),
    (Kernel::ViewsBackward, 64, 0),
    (Kernel::PoolBackward, 32, 0),
    (Kernel::CompositeBackward, 40, 1_024),
    (Kernel::CoverageBackward, 72, 9_856),
    (Kernel::SumTileStrokes, 48, 128),
    (Kernel::UpdateMoments, 64, 256),
    (Kernel::UpdateStrokes, 40, 2_048),
];

/// Opens NVRTC from where `scripts/nvrtc` puts it, so that the program finds it by name; says whether that is
/// possible here.
fn open_nvrtc() -> bool {
    let script = Command::new("scripts/nvrtc")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&script.stderr);
    if script.status.code() == Some(PASSED_OVER) {
        pass_over(&errors);
        return false;
    }
    assert!(script.status.success(), "{errors}");
    let folder = PathBuf::from(String::from_utf8(script.stdout).unwrap().trim());
    for name in ["libnvrtc-builtins.so.13.0", "libnvrtc.so.13"] {
        #[allow(unsafe_code, reason = "NVIDIA's library, which sets itself up")]
        let library = unsafe { Library::new(folder.join(name)) }.unwrap();
        std::mem::forget(library);
    }
    true
}

/// The number that a pattern finds in a text, or 0.
fn number(pattern: &str, text: &str) -> u32 {
    let found = Regex::new(pattern).unwrap().captures(text);
    found.map_or(0, |found| found[1].parse().unwrap())
}

/// What is wrong with the compiled kernels, from what the assembler says of each.
fn excesses(architecture: Architecture, log: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (kernel, registers, shared) in LIMITS {
        let name = kernel.name();
        let start = log.find(&format!("Compiling entry function '{name}'"));
        let start = start.unwrap_or_else(|| panic!("nothing about {name}: {log}"));
        let rest = &log[start + 1..];
        let own = &rest[..rest.find("Compiling entry function").unwrap_or(rest.len())];
        for (what, pattern, limit) in [
            ("registers", r"Used (\d+) registers", registers),
            ("bytes of shared memory", r"(\d+) bytes smem", shared),
            ("bytes of stack", r"(\d+) bytes stack frame", 0),
            ("bytes of spilled registers", r"(\d+) bytes spill stores", 0),
        ] {
            let found = number(pattern, own);
            if found > limit {
                all.push(format!(
                    "{architecture}: {name}: {found} {what}, limit {limit}"
                ));
            }
        }
    }
    all
}

#[test]
fn nvrtc_compiles_the_kernels_within_the_limits_of_every_architecture() {
    if !open_nvrtc() {
        return;
    }
    let mut found = Vec::new();
    for (major, minor) in ARCHITECTURES {
        let architecture = Architecture { major, minor };
        let compiled = compile(&kernel_source(), architecture, &["--ptxas-options=-v"]).unwrap();
        assert!(
            compiled.code.starts_with(b"\x7fELF"),
            "a cubin is an ELF file"
        );
        found.extend(excesses(architecture, &compiled.log));
        assert!(!compiled.log.contains("warning"), "{}", compiled.log);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn an_error_of_nvrtc_has_its_message() {
    if !open_nvrtc() {
        return;
    }
    let architecture = Architecture { major: 7, minor: 5 };
    let error = compile("int f() { return nothing; }", architecture, &[]).unwrap_err();
    assert!(matches!(error, CudaError::Compile { .. }), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("sm_75") && text.contains("\"nothing\" is undefined"),
        "{text}"
    );
    let unknown = Architecture { major: 1, minor: 0 };
    let error = compile("", unknown, &[]).unwrap_err();
    assert!(error.to_string().contains("sm_10"), "{error}");
}
