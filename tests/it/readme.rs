//! The README is correct: its table of inputs is that of the program, and its commands work.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use clipdraw::inputs::{FIELDS, Field};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::support::skip::pass_over;

const BEGIN: &str = "<!-- inputs: begin -->\n";
const END: &str = "<!-- inputs: end -->";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

fn row(field: &Field) -> String {
    let default = field.kind.default_text(|text| text);
    format!(
        "| `{}` | {default} | {} | {} |\n",
        field.name,
        field.kind.allowed(),
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
fn every_link_resolves_and_no_placeholder_is_left() {
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

/// The paths of this project that a text names between backticks.
fn paths_in(text: &str) -> impl Iterator<Item = &str> {
    const TOP: [&str; 8] = [
        "src/",
        "tests/",
        "docs/",
        "scripts/",
        "examples/",
        "training/",
        "fuzz/",
        "docker/",
    ];
    text.split('`').skip(1).step_by(2).filter(|code| {
        TOP.iter().any(|folder| code.starts_with(folder)) && !code.contains([' ', '*', '<'])
    })
}

#[test]
fn every_path_in_the_documents_exists() {
    let documents = [
        "README.md",
        "CONTRIBUTING.md",
        "docs/architecture.md",
        "docs/deployment.md",
        "docs/glossary.md",
        "docs/gpu-report.md",
        "training/README.md",
        "weights/README.md",
    ];
    let mut count = 0;
    for document in documents {
        let text = std::fs::read_to_string(root().join(document)).unwrap();
        for path in paths_in(&text) {
            count += 1;
            assert!(root().join(path).exists(), "{document}: {path}");
        }
    }
    assert!(count > 20, "only {count} paths were found");
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
    if !programs.exists() {
        std::fs::create_dir(&programs).unwrap();
        let program = env!("CARGO_BIN_EXE_clipdraw");
        std::os::unix::fs::symlink(program, programs.join("clipdraw")).unwrap();
    }
    programs
}

#[test]
fn every_command_works() {
    let commands = commands();
    assert!(commands.len() > 8, "the README has commands: {commands:?}");
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    let mut server = Server::start("clipdraw serve --queue 10");
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
        let serves = ["clipdraw serve", "clipdraw studio"]
            .iter()
            .any(|start| command.starts_with(start));
        if serves && !command.contains("--help") {
            Server::start(&command).stop();
        } else if command.starts_with("curl ") {
            assert_answers(&command, &server);
        } else if command.contains("ffmpeg ") && !is_installed("ffmpeg") {
            pass_over(&format!("FFmpeg is not installed: {command}"));
        } else if script != Some("scripts/test") {
            assert_works(&command);
        }
    }
    let status = server.child.wait().unwrap();
    assert!(
        status.success(),
        "the last request is that to stop: {status}"
    );
}

/// Whether a program is where [`shell`] finds it.
fn is_installed(program: &str) -> bool {
    let places = ["/usr/bin", "/bin"];
    places
        .iter()
        .any(|place| Path::new(place).join(program).is_file())
}

/// A server that a command of the README starts, on a port of its own.
struct Server {
    child: Child,
    address: String,
    folder: TempDir,
}

impl Server {
    fn start(command: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let port = address.rsplit(':').next().unwrap();
        let child = shell(&format!("exec {command}"), folder.path())
            .env("PORT", port)
            .env("COG_LOG_LEVEL", "error")
            .spawn()
            .unwrap();
        let server = Self {
            child,
            address,
            folder,
        };
        let ready = format!(
            "curl -s --fail --retry 600 --retry-delay 1 --retry-all-errors http://{}/ready",
            server.address
        );
        let answer = shell(&ready, server.folder.path()).output().unwrap();
        assert!(answer.status.success(), "{command} does not get ready");
        server
    }

    fn stop(mut self) {
        kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        )
        .unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A shell in a folder of its own, where `clipdraw` is the program under test, and without network.
fn shell(line: &str, folder: &Path) -> Command {
    let path = format!("{}:/usr/bin:/bin", programs(folder).display());
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", path)
        .env("HOME", folder)
        .env("CLIPDRAW_WEIGHTS_DIR", folder)
        .env("CLIPDRAW_STORE", "none")
        .env("HTTPS_PROXY", "http://127.0.0.1:9")
        .stdin(Stdio::null());
    command
}

/// Sends a request of the README, for a drawing that is small enough for a test.
fn assert_answers(command: &str, server: &Server) {
    let folder = tempfile::tempdir().unwrap();
    let line = command
        .replace(
            "\"input\": {",
            "\"input\": {\"num_iterations\": 2, \"num_paths\": 4, ",
        )
        // A receiver that answers at once, if not kindly.
        .replace("127.0.0.1:5001/hook", &format!("{}/ready", server.address))
        .replace("localhost:5000", &server.address);
    let answer = shell(&line, folder.path()).output().unwrap();
    assert!(answer.status.success(), "{command}: {answer:?}");
    let saved = command
        .split_once(" -o ")
        .map(|(_, name)| folder.path().join(name));
    let body = saved.map_or(answer.stdout, |file| std::fs::read(file).unwrap());
    let body = String::from_utf8_lossy(&body);
    // Here the drawing that could be cancelled is finished before.
    let expected = if command.ends_with("fox.svg") {
        "<svg "
    } else if command.ends_with("bird.png") {
        "PNG\r\n"
    } else if command.contains("/cancel") || command.contains("/shutdown") {
        "{}"
    } else if command.contains("/inputs") {
        "\"token_limit\":77"
    } else if command.contains("?status=") {
        "{\"results\":["
    } else if command.contains("event-stream") {
        "event: completed"
    } else if command.contains("/metrics") {
        "clipdraw_predictions_total"
    } else if command.contains("openapi.json") {
        "num_iterations"
    } else {
        "\"status\":\""
    };
    let refused = body.starts_with("{\"detail\"") || body.contains("\"status\":\"failed\"");
    let accepted = body.contains(expected) && !refused;
    assert!(accepted, "{command}: {body}");
}

/// A drawing to plot.
const FOX: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="224" height="224">
<path d="M20 20C60 180 120 40 200 190" fill="none" stroke="#c04000" stroke-width="4" stroke-opacity="0.5"/>
</svg>"##;

/// Runs a command of the README on a drawing that is small enough for a test.
fn assert_works(command: &str) {
    let folder = tempfile::tempdir().unwrap();
    // What commands before this one draw.
    let mut boat = tiny_skia::Pixmap::new(64, 48).unwrap();
    boat.fill(tiny_skia::Color::from_rgba8(200, 80, 40, 255));
    boat.save_png(folder.path().join("boat.png")).unwrap();
    std::fs::write(folder.path().join("fox.svg"), FOX).unwrap();
    let mut line = command.replace("scripts/predict ", "clipdraw predict ");
    if let Some((predict, rest)) = line.clone().split_once("predict -") {
        line = format!("{predict}predict -i num_iterations=2 -{rest}");
    }
    let output = shell(&line, folder.path()).output().unwrap();
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
