//! The program named `python`, with which Cog and Replicate start the server.

use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use super::{Stage, refused, root, succeeded, text};

/// `/usr/local/bin` of the image, with a clipdraw that notes how it is called.
fn image() -> Stage {
    let stage = Stage::new();
    stage.program("clipdraw", "echo $$");
    for name in ["python", "python3"] {
        let place = stage.path("bin").join(name);
        match name {
            "python" => drop(std::fs::copy(root().join("docker/python"), place).unwrap()),
            _ => symlink("python", place).unwrap(),
        }
    }
    stage
}

fn started(arguments: &str) -> Vec<String> {
    let stage = image();
    let output = stage
        .command("env")
        .arg("python")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    succeeded(&output);
    let mut calls = stage.calls();
    assert_eq!(calls.len(), 1, "{arguments}");
    calls.remove(0).split_off(1)
}

#[test]
fn every_documented_way_to_start_cogs_server_starts_clipdraw() {
    const AWAIT: &str = "serve --await-explicit-shutdown true";
    const UPLOAD: &str = "serve --upload-url http://files.test/a?b=c";
    let cases = [
        ("-m cog.server.http", "serve"),
        ("--check-hash-based-pycs never -m cog.server.http", "serve"),
        ("--check-hash-based-pycs=never -m cog.server.http", "serve"),
        (
            "-m cog.server.http --host 127.0.0.1",
            "serve --host 127.0.0.1",
        ),
        ("-m cog.server.http --host=::", "serve --host ::"),
        ("-m cog.server.http --await-explicit-shutdown true", AWAIT),
        ("-m cog.server.http --await-explicit-shutdown=true", AWAIT),
        ("-m cog.server.http --await-explicit-shutdown True", AWAIT),
        ("-m cog.server.http --await-explicit-shutdown=1", AWAIT),
        ("-m cog.server.http --await-explicit-shutdown", AWAIT),
        (
            "-m cog.server.http --await-explicit-shutdown --threads 1",
            AWAIT,
        ),
        (
            "-m cog.server.http --await-explicit-shutdown=false",
            "serve",
        ),
        ("-m cog.server.http --await-explicit-shutdown 0", "serve"),
        ("-m cog.server.http --await-explicit-shutdown=", "serve"),
        (
            "-m cog.server.http --upload-url http://files.test/a?b=c",
            UPLOAD,
        ),
        (
            "-m cog.server.http --upload-url=http://files.test/a?b=c",
            UPLOAD,
        ),
        ("-m cog.server.http --x-mode predict --threads=4", "serve"),
        ("-m cog.server.http -v", "--version"),
        ("-m cog.server.http --version", "--version"),
        ("--version", "--version"),
        ("-V", "--version"),
    ];
    for (arguments, expected) in cases {
        assert_eq!(started(arguments).join(" "), expected, "python {arguments}");
    }
}

#[test]
fn the_arguments_of_cog_serve_and_replicate_are_understood() {
    let given = "--check-hash-based-pycs never -m cog.server.http --await-explicit-shutdown true \
                 --upload-url https://files.test/";
    let expected = "serve --upload-url https://files.test/ --await-explicit-shutdown true";
    assert_eq!(started(given).join(" "), expected);
}

#[test]
fn an_argument_with_spaces_and_quotes_arrives_whole() {
    let stage = image();
    let odd = "http://a/ $(id) 'b' \"c\" *";
    let output = stage
        .command(stage.path("bin/python3"))
        .args(["-m", "cog.server.http", "--upload-url", odd])
        .output()
        .unwrap();
    succeeded(&output);
    assert_eq!(stage.calls()[0][1..], ["serve", "--upload-url", odd]);
}

#[test]
fn the_server_replaces_the_process_so_that_it_gets_the_signals() {
    let stage = image();
    let child = stage
        .command(stage.path("bin/python"))
        .args(["-m", "cog.server.http"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let process = child.id().to_string();
    let output = child.wait_with_output().unwrap();
    assert_eq!(succeeded(&output).trim(), process);
}

#[test]
fn the_list_of_packages_is_empty() {
    let stage = image();
    let output = stage
        .command(stage.path("bin/python"))
        .args(["-m", "pip", "freeze"])
        .output()
        .unwrap();
    assert_eq!(succeeded(&output), "");
    assert!(stage.calls().is_empty());
}

#[test]
fn unsupported_arguments_are_rejected_with_the_reason() {
    let cases = [
        ("", "cannot run"),
        ("-c print(1)", "cannot run: -c print(1)"),
        ("script.py", "cannot run: script.py"),
        ("-m", "cannot run: -m"),
        ("-m http.server", "cannot run: -m http.server"),
        ("-m pip install torch", "no packages"),
        ("-m cog.server.http --port 1", "no argument '--port'"),
        ("-m cog.server.http --host", "--host needs a value"),
        ("-m cog.server.http --x-mode train", "does not train"),
        (
            "-m cog.server.http --x-mode=other",
            "is predict, not 'other'",
        ),
        (
            "-m cog.server.http --threads many",
            "whole number, not 'many'",
        ),
        (
            "-m cog.server.http --await-explicit-shutdown maybe",
            "true or false, not 'maybe'",
        ),
    ];
    for (arguments, reason) in cases {
        let stage = image();
        let output = stage
            .command(stage.path("bin/python"))
            .args(arguments.split_whitespace())
            .output()
            .unwrap();
        let message = refused(&output);
        assert!(message.contains(reason), "{arguments}: {message}");
        assert!(message.contains("-m cog.server.http"), "{message}");
        assert!(stage.calls().is_empty(), "{arguments}");
    }
}

#[test]
fn the_version_is_that_of_the_real_clipdraw() {
    let stage = Stage::new();
    std::fs::copy(root().join("docker/python"), stage.path("bin/python")).unwrap();
    symlink(env!("CARGO_BIN_EXE_clipdraw"), stage.path("bin/clipdraw")).unwrap();
    let ours = Command::new(env!("CARGO_BIN_EXE_clipdraw"))
        .arg("--version")
        .output()
        .unwrap();
    let shown = stage
        .command(stage.path("bin/python"))
        .args(["-m", "cog.server.http", "--version"])
        .output()
        .unwrap();
    assert_eq!(succeeded(&shown), text(&ours.stdout));
}
