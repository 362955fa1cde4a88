//! The container image, as far as it can be tested without Docker: its files are laid out in a folder, and
//! fake `docker` and `gcloud` commands record their arguments.

mod build_log;
mod cog_inputs;
mod dockerfile;
mod google_cloud;
mod health;
mod labels;
mod python;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn source(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap()
}

/// A folder for `PATH` with programs that note their arguments.
struct Stage {
    folder: TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        fs::write(folder.path().join("calls"), "").unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Adds a program that notes how it is called and then does what `script` says.
    fn program(&self, name: &str, script: &str) -> &Self {
        let calls = self.path("calls");
        let text = format!(
            "#!/bin/bash\nprintf '%s\\037' '{name}' \"$@\" >>'{calls}'\nprintf '\\036' >>'{calls}'\n{script}\n",
            calls = calls.display()
        );
        let file = self.path("bin").join(name);
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    /// Makes programs of the machine visible, and no others, when only this stage is on `PATH`.
    fn tools(&self, names: &[&str]) -> &Self {
        for name in names {
            let found = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(name));
            let found = found.iter().find(|path| path.exists()).unwrap();
            symlink(found, self.path("bin").join(name)).unwrap();
        }
        self
    }

    /// A command that finds the programs of this stage before the machine's.
    fn command(&self, program: impl AsRef<Path>) -> Command {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let mut command = Command::new(program.as_ref());
        command.env_clear().env("PATH", path).stdin(Stdio::null());
        command
    }

    /// The calls so far: the program and its arguments.
    fn calls(&self) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.path("calls")).unwrap();
        text.split_terminator('\u{1e}')
            .map(|call| call.split_terminator('\u{1f}').map(str::to_owned).collect())
            .collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn succeeded(output: &Output) -> String {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The message of a call that was refused before anything happened.
fn refused(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
    text(&output.stderr)
}
