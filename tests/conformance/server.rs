//! The two servers that are compared, started with the same settings.

use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::cog::{self, Environment};
use crate::support::server::{Choices, TestServer};

/// Nothing that is waited for takes longer.
pub(super) const TIMEOUT: Duration = Duration::from_mins(1);

/// How often something that is waited for is looked at.
pub(super) const LOOKING: Duration = Duration::from_millis(20);

/// How often a port may be gone before the server gets to it.
const STARTS: usize = 5;

/// Lines of a server's log that a failure shows.
const SHOWN_LINES: usize = 5;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Cog,
    Clipdraw,
}

/// The settings of a server, for a number of cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// As it comes.
    Plain,
    /// Files are uploaded, webhooks carry a token, streams keep two events, SIGTERM is ignored.
    Sending,
    /// Streams keep no events.
    Forgetful,
    /// The model is still being loaded.
    Starting,
    /// The model could not be loaded.
    Failed,
}

impl Stage {
    /// What `/health-check` says when the cases can begin.
    fn health(self) -> &'static str {
        match self {
            Self::Plain | Self::Sending | Self::Forgetful => "READY",
            Self::Starting => "STARTING",
            Self::Failed => "SETUP_FAILED",
        }
    }

    /// Whether the server draws.
    pub(super) fn draws(self) -> bool {
        self.health() == "READY"
    }

    /// Arguments and variables that both servers know.
    fn configure(self, command: &mut Command, receiver: &str) {
        match self {
            Self::Plain | Self::Starting | Self::Failed => {}
            Self::Sending => {
                command
                    .args(["--upload-url", &format!("{receiver}/files")])
                    .args(["--await-explicit-shutdown", "true"])
                    .env("WEBHOOK_AUTH_TOKEN", "hush")
                    .env("COG_STREAM_HISTORY_CAPACITY", "2");
            }
            Self::Forgetful => {
                command.env("COG_STREAM_HISTORY_CAPACITY", "0");
            }
        }
    }
}

enum Process {
    Child(Child),
    /// Within this process, where a model that never comes is easy to have.
    Within {
        _site: TestServer,
    },
}

/// A running server, stopped when dropped.
pub(super) struct Server {
    pub(super) stage: Stage,
    pub(super) address: String,
    process: Process,
    folder: TempDir,
}

impl Server {
    pub(super) async fn start(
        kind: Kind,
        stage: Stage,
        cog: Option<&Environment>,
        receiver: &str,
    ) -> Self {
        let mut log = String::new();
        for _ in 0..STARTS {
            let mut server = match (kind, stage) {
                (Kind::Clipdraw, Stage::Starting) => Self::within().await,
                _ => Self::spawn(kind, stage, cog, receiver),
            };
            if server.becomes(stage.health()).await {
                return server;
            }
            log = server.log();
        }
        panic!("{kind:?} does not start for {stage:?}: {log}");
    }

    async fn within() -> Self {
        let server = TestServer::without_worker(&Choices::default()).await;
        Self {
            stage: Stage::Starting,
            address: server.address.to_string(),
            process: Process::Within { _site: server },
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn spawn(kind: Kind, stage: Stage, cog: Option<&Environment>, receiver: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = match kind {
            Kind::Cog => cog_command(stage, cog.unwrap(), &folder),
            Kind::Clipdraw => clipdraw_command(stage, &folder),
        };
        stage.configure(&mut command, receiver);
        let mut server = Self::launch(command, folder);
        server.stage = stage;
        server
    }

    /// Starts a server, which learns by `PORT` where to listen, and does not wait for it.
    pub(super) fn launch(mut command: Command, folder: TempDir) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let log = File::create(folder.path().join("log")).unwrap();
        let child = command
            .env("PORT", port.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self {
            stage: Stage::Plain,
            address: format!("127.0.0.1:{port}"),
            process: Process::Child(child),
            folder,
        }
    }

    /// Waits until the server says that it is in a state; false if it ends before.
    pub(super) async fn becomes(&mut self, status: &str) -> bool {
        let client = client();
        let url = format!("http://{}/health-check", self.address);
        let end = Instant::now() + TIMEOUT;
        let expected = format!("\"status\":\"{status}\"");
        while !self.has_ended() {
            if let Ok(answer) = client.get(&url).send().await
                && answer
                    .text()
                    .await
                    .is_ok_and(|text| text.contains(&expected))
            {
                return true;
            }
            assert!(
                Instant::now() < end,
                "{} is not {status}: {}",
                url,
                self.log()
            );
            sleep(LOOKING).await;
        }
        false
    }

    /// The last that the server said on standard error.
    pub(super) fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n")
    }

    fn has_ended(&mut self) -> bool {
        match &mut self.process {
            Process::Child(child) => child.try_wait().unwrap().is_some(),
            Process::Within { .. } => false,
        }
    }

    pub(super) fn terminate(&self) {
        if let Process::Child(child) = &self.process {
            kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).unwrap();
        }
    }

    /// Whether the port is open.
    pub(super) async fn accepts(&self) -> bool {
        TcpStream::connect(&self.address).await.is_ok()
    }

    /// The exit status, once the server has ended.
    pub(super) async fn status(&mut self) -> Option<i32> {
        let end = Instant::now() + TIMEOUT;
        while Instant::now() < end {
            if let Process::Child(child) = &mut self.process
                && let Some(status) = child.try_wait().unwrap()
            {
                return status.code();
            }
            sleep(LOOKING).await;
        }
        panic!("{} does not end: {}", self.address, self.log());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Process::Child(child) = &mut self.process {
            // It has ended already unless a case has failed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn cog_command(stage: Stage, cog: &Environment, folder: &TempDir) -> Command {
    let mut command = cog.server(folder.path(), &cog::schema());
    command.env("STUB_SECONDS_PER_STEP", "0.005");
    match stage {
        Stage::Plain | Stage::Sending | Stage::Forgetful => {}
        Stage::Starting => {
            command.env("STUB_SETUP", "endless");
        }
        Stage::Failed => {
            command.env("STUB_SETUP", "failing");
        }
    }
    command
}

fn clipdraw_command(stage: Stage, folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clipdraw"));
    command
        .args(["serve", "--host", "127.0.0.1"])
        .env_clear()
        .env("CLIPDRAW_STORE", "none")
        .env("CLIPDRAW_WEIGHTS_DIR", folder.path());
    if stage == Stage::Failed {
        let weights = folder.path().join("these-are-no-weights.safetensors");
        std::fs::write(&weights, "these are no weights").unwrap();
        command.arg("--weights").arg(weights);
    }
    command
}

/// A client that follows no redirects and keeps its connections.
pub(super) fn client() -> reqwest::Client {
    builder().build().unwrap()
}

/// The same for HTTP/2 from the first byte.
pub(super) fn client_of_http2() -> reqwest::Client {
    builder().http2_prior_knowledge().build().unwrap()
}

fn builder() -> reqwest::ClientBuilder {
    clipdraw::tls::install_crypto_provider();
    reqwest::Client::builder()
        .no_proxy()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
}
