//! What the program says where something of CUDA is missing, with a driver library that is broken on purpose.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// A driver library that answers as it is told: the results of its functions, and two numbers.
const DRIVER: &str = "
extern \"C\" int cuInit(unsigned) { return INIT; }
extern \"C\" int cuDriverGetVersion(int *version) { *version = VERSION; return 0; }
extern \"C\" int cuDeviceGetCount(int *count) { *count = DEVICES; return 0; }
";

/// Compiles such a driver into a folder.
fn write_driver(folder: &Path, init: i32, version: i32, devices: i32) {
    let source = folder.join("driver.cpp");
    fs::write(&source, DRIVER).unwrap();
    let status = Command::new("c++")
        .args(["-shared", "-fPIC", "-o"])
        .arg(folder.join("libcuda.so.1"))
        .arg(source)
        .args(["-D", &format!("INIT={init}")])
        .args(["-D", &format!("VERSION={version}")])
        .args(["-D", &format!("DEVICES={devices}")])
        .status()
        .unwrap();
    assert!(status.success());
}

/// Runs the program with the libraries of a folder before all others.
fn clipdraw(arguments: &[&str], libraries: &Path) -> (Output, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_clipdraw"))
        .args(arguments)
        .current_dir(libraries)
        .env("LD_LIBRARY_PATH", libraries)
        .env_remove("CLIPDRAW_WEIGHTS")
        .env("CLIPDRAW_WEIGHTS_DIR", libraries.join("no weights"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    (output, said, errors)
}

/// Drawing on CUDA fails with all of these texts, and `--version` says them too.
#[track_caller]
fn assert_refused(libraries: &Path, texts: &[&str]) {
    let arguments = [
        "predict",
        "--device",
        "cuda",
        "-i",
        "prompt=a fox",
        "-i",
        "num_iterations=1",
    ];
    let (output, _, errors) = clipdraw(&arguments, libraries);
    assert!(!output.status.success());
    let (_, version, _) = clipdraw(&["--version"], libraries);
    assert!(version.contains("no CUDA: "), "{version}");
    assert!(
        errors.contains("device cuda:0 is not available"),
        "{errors}"
    );
    for text in texts {
        assert!(errors.contains(text), "{errors}");
        assert!(version.contains(text), "{version}");
    }
}

#[test]
fn a_driver_library_that_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["libcuda.so.1", "libcuda.so"] {
        fs::write(folder.path().join(name), "not a library").unwrap();
    }
    let reason = "NVIDIA's driver library cannot be opened (";
    assert_refused(folder.path(), &[reason, "libcuda.so.1"]);
}

#[test]
fn a_driver_library_without_its_functions_is_named() {
    let folder = tempfile::tempdir().unwrap();
    write_driver(folder.path(), 0, 13_000, 1);
    let empty = folder.path().join("empty.cpp");
    fs::write(&empty, "int nothing;").unwrap();
    let status = Command::new("c++")
        .args(["-shared", "-fPIC", "-o"])
        .arg(folder.path().join("libcuda.so.1"))
        .arg(empty)
        .status()
        .unwrap();
    assert!(status.success());
    assert_refused(
        folder.path(),
        &["NVIDIA's driver library cannot be opened (", "cuInit"],
    );
}

#[test]
fn what_the_driver_says_is_repeated() {
    for (init, version, devices, text) in [
        (100, 13_000, 1, "NVIDIA's driver finds no GPU"),
        (0, 13_000, 0, "NVIDIA's driver finds no GPU"),
        (
            999,
            13_000,
            1,
            "NVIDIA's driver fails: cuInit returns error 999",
        ),
        (
            0,
            12_080,
            1,
            "NVIDIA's driver is too old: it supports CUDA 12.8, and 13.0 is needed",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write_driver(folder.path(), init, version, devices);
        assert_refused(folder.path(), &[text]);
    }
}

#[test]
fn auto_draws_on_the_processor_where_cuda_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("libcuda.so.1"), "not a library").unwrap();
    let arguments = [
        "predict",
        "-i",
        "prompt=a fox",
        "-i",
        "num_iterations=1",
        "-i",
        "num_paths=4",
        "-o",
        "a.svg",
    ];
    let (output, _, errors) = clipdraw(&arguments, folder.path());
    assert!(output.status.success(), "{errors}");
    assert!(folder.path().join("a.svg").is_file());
}
