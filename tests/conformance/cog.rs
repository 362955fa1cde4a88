//! Cog's own server: where it is installed, how it gets there, and how it is started.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The version that is compared with, of both packages.
const VERSION: &str = "0.23.1";

/// Tells whether both packages are there in this version.
const CHECK: &str = "
import importlib.metadata as metadata, sys
sys.exit([metadata.version(name) for name in ('cog', 'coglet')] != [sys.argv[1]] * 2)
";

/// The Python environment with Cog's server.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    folder: PathBuf,
}

impl Environment {
    /// The environment in the cache folder, made if it is missing.
    ///
    /// # Errors
    /// With the reason why it cannot be had here, such as no Python or no network.
    #[expect(
        clippy::disallowed_methods,
        reason = "where caches lie is no setting of the program"
    )]
    pub(crate) fn prepare() -> Result<Self, String> {
        let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
        let cache = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(home)
            .ok_or("neither XDG_CACHE_HOME nor HOME is set")?;
        let environment = Self {
            folder: cache.join("clipdraw").join("cog-venv"),
        };
        if !environment.is_complete() {
            environment.install()?;
        }
        Ok(environment)
    }

    fn programs(&self) -> PathBuf {
        self.folder.join("bin")
    }

    fn is_complete(&self) -> bool {
        let check = Command::new(self.programs().join("python"))
            .args(["-c", CHECK, VERSION])
            .stderr(Stdio::null())
            .status();
        check.is_ok_and(|status| status.success())
    }

    /// Without pip of its own, which not every system's Python can put there.
    fn install(&self) -> Result<(), String> {
        let python = || Command::new("python3");
        run(python()
            .args(["-m", "venv", "--clear", "--without-pip"])
            .arg(&self.folder))?;
        run(python()
            .args(["-m", "pip", "--python"])
            .arg(self.programs().join("python"))
            .args(["install", "--quiet", "--disable-pip-version-check"])
            .args([format!("cog=={VERSION}"), format!("coglet=={VERSION}")]))
    }

    /// A command that starts the server with the stub of our inputs, in a folder that has a
    /// schema where Cog's images have it. The caller adds the port, and options.
    pub(crate) fn server(&self, folder: &Path, schema: &[u8]) -> Command {
        std::fs::create_dir_all(folder.join(".cog")).unwrap();
        std::fs::write(folder.join(".cog/openapi_schema.json"), schema).unwrap();
        std::fs::create_dir_all(folder.join("files")).unwrap();
        let stub = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/stub.py");
        let mut command = Command::new(self.programs().join("python"));
        command
            .args(["-m", "cog.server.http", "--host", "127.0.0.1"])
            .current_dir(folder)
            .env_clear()
            // The server starts `python` for its worker.
            .env("PATH", self.programs())
            .env("TMPDIR", folder)
            .env("STUB_FOLDER", folder.join("files"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env(
                "COG_PREDICT_TYPE_STUB",
                format!("{}:Runner", stub.display()),
            );
        command
    }
}

/// The document that an image of ours gives to Cog's server.
pub(crate) fn schema() -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clipdraw"));
    command.arg("schema").output().unwrap().stdout
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| match error.kind() {
        ErrorKind::NotFound => "there is no python3".to_owned(),
        _ => error.to_string(),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{command:?}: {errors}"))
}
