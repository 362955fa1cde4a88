//! The clients, as `scripts/replicate-clients` installs them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::support::skip::pass_over;

/// What the script ends with where a client cannot be installed.
const CANNOT_INSTALL: i32 = 77;

/// How long all tests of one client may take.
const TIMEOUT: Duration = Duration::from_mins(3);

/// An interpreter with a client.
pub(super) enum Installed {
    /// A Python with the packages.
    Python(PathBuf),
    /// Node.js, and a folder with our scripts beside the packages, as Node.js looks for them there.
    Node(TempDir),
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replicate/clients")
}

/// What `scripts/replicate-clients` has installed; nothing where that is impossible, but not in CI.
async fn installed(name: &str) -> Option<PathBuf> {
    let mut script = Command::new("scripts/replicate-clients");
    script.current_dir(env!("CARGO_MANIFEST_DIR")).arg(name);
    let output = script.output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(CANNOT_INSTALL) {
        pass_over(&errors);
        return None;
    }
    assert!(output.status.success(), "{errors}");
    let path = String::from_utf8(output.stdout).unwrap();
    Some(path.trim().into())
}

/// The Python of that name.
pub(super) async fn python(name: &str) -> Option<Installed> {
    Some(Installed::Python(installed(name).await?))
}

/// Node.js with the npm packages.
pub(super) async fn node() -> Option<Installed> {
    let packages = installed("node").await?;
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(
        packages.join("node_modules"),
        folder.path().join("node_modules"),
    )
    .unwrap();
    for entry in std::fs::read_dir(scripts()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "mjs") {
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    Some(Installed::Node(folder))
}

impl Installed {
    /// The command that runs a script.
    pub(super) fn script(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = match self {
            Self::Python(python) => {
                let mut command = Command::new(python);
                command.arg("-B").arg(scripts().join(name));
                command
            }
            Self::Node(folder) => {
                let mut command = Command::new("node");
                command.arg(folder.path().join(name));
                command
            }
        };
        command.args(arguments);
        command
    }
}

/// Runs a command, which has to succeed.
pub(super) async fn succeeds(mut command: Command) {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let output = timeout(TIMEOUT, command.output()).await;
    let output = output.expect("the client does not end").unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert!(said.contains("ok "), "{said}");
}
