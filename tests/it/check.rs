//! `clipdraw check`.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn check(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_clipdraw"))
        .args(["check", "--device", "cpu", "--weights", "compact-v4"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

#[test]
fn the_processor_renders_what_the_processor_renders() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "--steps",
        "2",
        "--only",
        "renderer",
        "--json",
        "report.json",
    ];
    let output = check(&arguments, folder.path());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let rows: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("| renderer |"))
        .collect();
    // Six scenes with three checks each, and all of them together.
    assert_eq!(rows.len(), 19, "{text}");
    assert!(rows.iter().all(|row| row.contains("| passed |")), "{text}");
    let json = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(report["machine"]["device"], "cpu");
    assert_eq!(report["weights"], "embedded");
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), rows.len());
    assert_eq!(findings[0]["values"]["largest_difference"], 0.0);
}

#[test]
fn weights_that_cannot_be_read_are_a_failed_check() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.safetensors"), "not weights").unwrap();
    let arguments = [
        "--steps",
        "2",
        "--only",
        "clip",
        "--weights",
        "bad.safetensors",
    ];
    let output = Command::new(env!("CARGO_BIN_EXE_clipdraw"))
        .args(["check", "--device", "cpu"])
        .args(arguments)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("| clip | fp32, on the processor | **failed** |"),
        "{text}"
    );
}
