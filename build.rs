//! Writes the place of libtorch into the binaries, so that they run without `LD_LIBRARY_PATH`, and compiles the
//! C++ that calls what tch does not reach.
#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script through the environment"
)]

use std::env;
use std::fs;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    let Ok(folder) = env::var("DEP_TCH_LIBTORCH_LIB") else {
        return;
    };
    println!("cargo:rerun-if-changed={folder}");
    let folder = Path::new(&folder);
    // The real folder outlives a move of the checkout, the link outlives a move of the cache.
    let real = folder.canonicalize();
    for place in [real.as_deref().unwrap_or(folder), folder] {
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", place.display());
        // NVIDIA's libraries lie beside libtorch, as PyPI's wheels unpack; NVRTC is opened at run time.
        let nvidia = place.join("../../nvidia/cu13/lib");
        println!("cargo:rustc-link-arg=-Wl,-rpath,{}", nvidia.display());
    }
    // The other packages of the workspace share this script, and get the C++ through the library.
    if env::var("CARGO_PKG_NAME").as_deref() == Ok("clipdraw") {
        compile_bindings(folder);
    }
    if let Some(version) = version(folder) {
        println!("cargo:rustc-env=CLIPDRAW_LIBTORCH_VERSION={version}");
    }
}

/// Compiles the bindings against the headers beside `lib`, as torch-sys compiles its own.
fn compile_bindings(lib: &Path) {
    const SOURCE: &str = "src/compute/bindings.cpp";
    println!("cargo:rerun-if-changed={SOURCE}");
    let include = lib.join("../include");
    let abi = env::var("LIBTORCH_CXX11_ABI").unwrap_or_else(|_| "1".to_owned());
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        // Warnings of libtorch's headers say nothing about this program.
        .warnings(false)
        .include(include.join("torch/csrc/api/include"))
        .include(include)
        .define("_GLIBCXX_USE_CXX11_ABI", abi.as_str())
        .file(SOURCE)
        .compile("clipdraw_bindings");
}

/// The version of the libtorch in `lib`, as it says of itself.
fn version(lib: &Path) -> Option<String> {
    let root = lib.parent()?;
    let read = |name: &str| fs::read_to_string(root.join(name)).ok();
    let python = || {
        let text = read("version.py")?;
        let line = text.lines().find(|line| line.starts_with("__version__"))?;
        Some(line.split('\'').nth(1)?.to_owned())
    };
    read("build-version")
        .map(|text| text.trim().to_owned())
        .or_else(python)
}
