//! The README is true: its table of inputs is the program's, and its commands work.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clipdraw::prediction::{FIELDS, Field};

const BEGIN: &str = "<!-- inputs: begin -->\n";
const END: &str = "<!-- inputs: end -->";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

fn row(field: &Field) -> String {
    let default = field
        .default_value()
        .map_or("random".to_owned(), |value| match value.as_str() {
            Some(text) => text.to_owned(),
            None => value.to_string().trim_end_matches(".0").to_owned(),
        });
    format!(
        "| `{}` | {default} | {} | {} |\n",
        field.name,
        field.allowed(),
        field.description.replace('|', "\\|")
    )
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the switch that accepts golden files is for tests alone"
)]
fn the_table_of_inputs_is_the_programs() {
    let rows: String = FIELDS.iter().map(row).collect();
    let expected =
        format!("\n| input | default | allowed | meaning |\n|---|---|---|---|\n{rows}\n");
    let text = readme();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("CLIPDRAW_UPDATE_GOLDEN").is_some() {
        let text = format!("{before}{BEGIN}{expected}{END}{after}");
        std::fs::write(root().join("README.md"), text).unwrap();
        return;
    }
    assert!(
        found == expected,
        "run CLIPDRAW_UPDATE_GOLDEN=1 scripts/test readme; expected:\n{expected}"
    );
}

#[test]
fn no_link_leads_nowhere_and_no_gap_is_left() {
    let text = readme();
    let links = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next());
    for link in links.filter(|link| !link.starts_with("http") && !link.starts_with('#')) {
        assert!(root().join(link).exists(), "{link} is not there");
    }
    for gap in ["PICTURE_", "MEASURED_", "TODO"] {
        assert!(!text.contains(gap), "{gap} waits to be filled in");
    }
}

/// The lines of all blocks marked `sh`.
fn commands() -> Vec<String> {
    let text = readme();
    let blocks = text
        .split("```sh\n")
        .skip(1)
        .filter_map(|rest| rest.split("```").next());
    blocks
        .flat_map(str::lines)
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// A folder where `clipdraw` is the program under test.
fn programs(folder: &Path) -> PathBuf {
    let programs = folder.join("programs");
    std::fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_clipdraw"), programs.join("clipdraw")).unwrap();
    programs
}

#[test]
fn every_command_works() {
    let commands = commands();
    assert!(commands.len() > 8, "the README has commands: {commands:?}");
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    for command in commands {
        let script = command
            .split(' ')
            .next()
            .filter(|word| word.starts_with("scripts/"));
        if let Some(script) = script {
            // What prepares the machine cannot be run by a test; CI runs it.
            assert!(ci.contains(script), "CI does not run {script}");
            assert!(root().join(script).is_file(), "{script} is not there");
        }
        if script != Some("scripts/test") {
            assert_works(&command);
        }
    }
}

/// Runs a command of the README on a drawing that is small enough for a test, and without network.
fn assert_works(command: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut line = command.replace("scripts/predict ", "clipdraw predict ");
    if let Some((predict, rest)) = line.clone().split_once("predict -") {
        line = format!("{predict}predict -i num_iterations=2 -{rest}");
    }
    let path = format!("{}:/usr/bin:/bin", programs(folder.path()).display());
    let output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("HOME", folder.path())
        .env("CLIPDRAW_WEIGHTS_DIR", folder.path())
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if command.contains("weights fetch") {
        assert!(
            !output.status.success(),
            "{command} cannot work without network"
        );
        assert!(
            errors.contains("ViT-B-32.pt") && !errors.contains("panicked"),
            "{command}: {errors}"
        );
    } else {
        assert!(output.status.success(), "{command}: {errors}");
    }
}
