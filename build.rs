//! Writes the place of libtorch into the binaries, so that they run without `LD_LIBRARY_PATH`.
#![expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script through the environment"
)]

use std::env;
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
    }
    if folder.join("libtorch_cuda.so").exists() {
        // No symbol of the CUDA half is named by this crate, so the linker would drop it;
        // libtorch.so stands for both halves.
        println!("cargo:rustc-link-arg=-Wl,--no-as-needed");
        println!("cargo:rustc-link-arg=-ltorch");
        println!("cargo:rustc-link-arg=-Wl,--as-needed");
    }
}
