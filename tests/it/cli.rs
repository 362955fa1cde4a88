//! The command line.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::command::{clipdraw, run};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

const SMALL: [&str; 9] = [
    "predict",
    "-i",
    "prompt=a house",
    "-i",
    "num_iterations=4",
    "-i",
    "num_paths=8",
    "-i",
    "display_frequency=2",
];

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SMALL.iter().chain(more).copied().collect()
}

#[test]
fn a_prompt_becomes_an_svg_with_the_metadata_to_make_it_again() {
    let folder = folder();
    let (output, errors) = run(&small(&["-o", "a.svg"]), folder.path());
    assert!(output.status.success(), "{errors}");
    let first = std::fs::read_to_string(folder.path().join("a.svg")).unwrap();
    let document = roxmltree::Document::parse(&first).unwrap();
    assert_eq!(
        document
            .descendants()
            .filter(|node| node.has_tag_name("path"))
            .count(),
        8
    );
    let text = |name| {
        document
            .descendants()
            .find(|node| node.has_tag_name(name))
            .and_then(|node| node.text())
    };
    assert_eq!(text("title"), Some("a house"));
    let recipe: serde_json::Value = serde_json::from_str(text("metadata").unwrap()).unwrap();
    assert!(
        errors.contains(&format!("seed {}", recipe["input"]["seed"])),
        "the seed is reported"
    );
    std::fs::write(
        folder.path().join("recipe.json"),
        recipe["input"].to_string(),
    )
    .unwrap();
    let (_, errors) = run(
        &[
            "predict",
            "--json",
            "recipe.json",
            "-o",
            "b.svg",
            "--threads",
            "1",
        ],
        folder.path(),
    );
    let second = std::fs::read_to_string(folder.path().join("b.svg")).unwrap();
    assert!(
        first == second,
        "the same bytes, on one thread too: {errors}"
    );
}

#[test]
fn progress_is_printed_in_lines_with_every_term_and_nothing_when_quiet() {
    let folder = folder();
    let (_, errors) = run(&small(&["-o", "a.svg", "-i", "seed=1"]), folder.path());
    for expected in [
        "step 0/4",
        "step 2/4",
        "step 4/4",
        "= clip -",
        "+ centre ",
        "steps/s",
        "a.svg: 4 of 4 steps",
    ] {
        assert!(errors.contains(expected), "{expected:?} is not in {errors}");
    }
    let (output, errors) = run(&small(&["-o", "-", "-q"]), folder.path());
    assert_eq!(errors, "");
    assert!(output.stdout.starts_with(b"<svg"));
}

#[test]
fn the_extension_selects_png_and_frames_are_kept() {
    let folder = folder();
    let (output, errors) = run(
        &small(&["-o", "a.png", "--png-scale", "2", "--frames", "all"]),
        folder.path(),
    );
    assert!(output.status.success(), "{errors}");
    let pixels =
        tiny_skia::Pixmap::decode_png(&std::fs::read(folder.path().join("a.png")).unwrap())
            .unwrap();
    assert_eq!((pixels.width(), pixels.height()), (448, 448));
    let mut frames: Vec<_> = std::fs::read_dir(folder.path().join("all"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    frames.sort();
    assert_eq!(
        frames,
        ["frame-00000.png", "frame-00001.png", "frame-00002.png"]
    );
}

/// Sends the signals to a drawing that has begun. `more` are inputs besides those of a long drawing.
fn interrupted(signals: &[Signal], more: &[&str], folder: &Path) -> Output {
    let mut arguments = vec!["predict", "-i", "num_iterations=10000", "-o", "a.svg"];
    arguments.extend(["--frames", "all", "-i", "display_frequency=1"]);
    arguments.extend(more);
    let child = clipdraw(&arguments, folder)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = folder.join("all/frame-00001.svg");
    for _ in 0..600 {
        if begun.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    for signal in signals {
        kill(Pid::from_raw(child.id() as i32), *signal).unwrap();
        // Different signals that are pending together may be delivered in any order.
        std::thread::sleep(Duration::from_millis(100));
    }
    child.wait_with_output().unwrap()
}

#[test]
fn a_signal_stops_the_drawing_which_is_written_nevertheless() {
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let folder = folder();
        let output = interrupted(&[signal], &["-i", "num_paths=8"], folder.path());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{errors}");
        assert!(errors.contains("a.svg (unfinished)"), "{errors}");
        let svg = std::fs::read_to_string(folder.path().join("a.svg")).unwrap();
        assert!(roxmltree::Document::parse(&svg).is_ok());
    }
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    let folder = folder();
    // One step of so large a drawing takes longer than the two signals.
    let large = [
        "-i",
        "num_paths=2048",
        "-i",
        "canvas_width=1024",
        "-i",
        "canvas_height=1024",
    ];
    let signals = [Signal::SIGINT, Signal::SIGTERM];
    let output = interrupted(&signals, &large, folder.path());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(143), "{errors}");
    assert!(!folder.path().join("a.svg").exists(), "{errors}");
}

#[test]
fn the_error_names_the_wrong_input_and_nothing_is_written() {
    let folder = folder();
    for (arguments, expected) in [
        (
            vec!["-i", "num_paths=0"],
            "num_paths: 0 is not allowed; it must be a whole number from 1 to 2048",
        ),
        (
            vec!["-i", "num_paths=NaN"],
            "num_paths: \"NaN\" is not allowed",
        ),
        (
            vec!["-i", "clip_weight=inf"],
            "clip_weight: \"inf\" is not allowed; it must be a number from 0 to 1000",
        ),
        (vec!["-i", "promt=a"], "promt: there is no such input"),
        (vec!["-i", "prompt="], "prompt: \"\" is not allowed"),
        (
            vec!["-i", "prompt=a | |"],
            "prompt: \"a | |\" is not allowed; part 2 of 3 is empty",
        ),
        (
            vec!["-o", "/proc/a.svg"],
            "--output /proc/a.svg cannot be written",
        ),
        (
            vec!["-o", "a.bmp"],
            "`bmp` is not an output format; allowed are svg, png",
        ),
        (
            vec!["-o", "no/such/folder/a.svg"],
            "there is no folder no/such/folder",
        ),
        (
            vec!["--device", "cuda:99"],
            "device cuda:99 is not available",
        ),
        (vec!["--device", "tpu"], "`tpu` is not a device"),
        (vec!["--precision", "int4"], "`int4` is not a precision"),
        (vec!["--weights", "ViT-B/23"], "ViT-B/32"),
        (vec!["--weights", "Cargo.toml"], "Cargo.toml"),
        (vec!["--png-scale", "1e9", "-o", "a.png"], "a PNG of"),
    ] {
        let arguments: Vec<_> = ["predict", "-i", "num_iterations=1"]
            .into_iter()
            .chain(arguments)
            .collect();
        let (output, errors) = run(&arguments, folder.path());
        assert!(!output.status.success(), "{arguments:?}");
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
        assert!(!errors.contains("panicked"), "{errors}");
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            0,
            "{arguments:?}"
        );
    }
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_before_the_model_is_loaded() {
    let folder = folder();
    for (arguments, expected) in [
        (
            vec!["--frames", "/proc/a"],
            "--frames /proc/a cannot be written",
        ),
        (
            vec!["--frames", "/proc/version/a"],
            "--frames /proc/version/a: /proc/version is not a folder",
        ),
        (
            vec!["--sheet", "/proc/a.png"],
            "--sheet /proc/a.png cannot be written",
        ),
        (
            vec!["--animation", "/proc/a.gif"],
            "/proc/a.gif cannot be written",
        ),
    ] {
        let arguments = ["predict", "--weights", "Cargo.toml"]
            .into_iter()
            .chain(arguments);
        let (output, errors) = run(&arguments.collect::<Vec<_>>(), folder.path());
        assert!(!output.status.success());
        assert!(errors.contains(expected), "{errors}");
    }
}

#[test]
fn the_version_lists_libtorch_devices_and_precision() {
    let (output, _) = run(&["--version"], folder().path());
    let text = String::from_utf8(output.stdout).unwrap();
    for expected in [env!("CARGO_PKG_VERSION"), "libtorch 2.11.0", "cpu (fp32)"] {
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_reader_that_closes_standard_output_gets_no_error_message() {
    let folder = folder();
    let mut child = clipdraw(&["schema"], folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    // As shells report a program that SIGPIPE has ended.
    assert_eq!(output.status.code(), Some(141));
}
