//! `clipdraw serve` as a process, with the embedded model: its options, and its shutdown.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::blocking::Client;
use serde_json::{Value, json};

/// Nothing that a test waits for takes longer.
const TIMEOUT: Duration = Duration::from_mins(1);

pub(crate) fn command(options: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clipdraw"));
    command.arg("serve").args(options);
    shielded(command)
}

/// A command that knows nothing of the machine that it runs on, and whose output can be read.
pub(crate) fn shielded(mut command: Command) -> Command {
    // No full-size weights of the machine may take the place of the embedded model, and no
    // variable of the person who runs the tests may take the place of a default.
    for name in [
        "CLIPDRAW_WEIGHTS",
        "PORT",
        "LOG_FORMAT",
        "COG_LOG_LEVEL",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
    command
        .env("CLIPDRAW_WEIGHTS_DIR", "/no/weights")
        // Tests write nothing into the folders of the person who runs them.
        .env("CLIPDRAW_STORE", "none")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn refused(mut command: Command) -> (i32, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    assert!(stdout.is_empty());
    (status.code().unwrap(), String::from_utf8(stderr).unwrap())
}

/// A running server.
pub(crate) struct Server {
    pub(crate) child: Child,
    log: BufReader<ChildStderr>,
    pub(crate) address: String,
    pub(crate) client: Client,
}

impl Server {
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::run(command(options))
    }

    /// Starts what [`command`] has made, on a free port.
    pub(crate) fn run(mut command: Command) -> Self {
        command.args(["--port", "0", "--host", "127.0.0.1"]);
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        // A provider of cryptography for the client below, which has none of its own.
        clipdraw::tls::install_crypto_provider();
        let mut server = Self {
            child,
            log,
            address: String::new(),
            client: Client::builder()
                .no_proxy()
                .timeout(TIMEOUT)
                .build()
                .unwrap(),
        };
        let listening = server.line("listening");
        let address = listening["fields"]["address"].as_str().unwrap();
        server.address.push_str(address);
        server
    }

    /// Reads the log up to a message.
    pub(crate) fn line(&mut self, message: &str) -> Value {
        loop {
            let mut line = String::new();
            let length = self.log.read_line(&mut line).unwrap();
            assert!(length > 0, "the log ended before `{message}`");
            let line: Value = serde_json::from_str(&line).unwrap();
            let said = line["fields"]["message"].as_str().unwrap();
            if said.contains(message) {
                return line;
            }
        }
    }

    pub(crate) fn wait_until_ready(&mut self) {
        self.line("is ready");
    }

    pub(crate) fn post(
        &self,
        path: &str,
        prefer: &str,
        body: &Value,
    ) -> reqwest::blocking::Response {
        let request = self.client.post(format!("http://{}{path}", self.address));
        request.header("prefer", prefer).json(body).send().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// The exit status, once the server has ended, and whether it said nothing on standard output.
    pub(crate) fn status(mut self) -> i32 {
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        let mut stdout = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut stdout)
            .unwrap();
        assert_eq!(stdout, "");
        status.code().unwrap_or_else(|| panic!("{status} {rest}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended already where a test has asked for its status.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn drawing(iterations: u32) -> Value {
    json!({"input": {
        "prompt": "a house", "num_paths": 4, "num_iterations": iterations, "seed": 7,
        "num_augmentations": 1
    }})
}

/// Longer than any test.
pub(crate) const ENDLESS: u32 = 10_000;

#[test]
fn the_error_for_invalid_options_says_what_is_allowed() {
    let cases: [(&[&str], &str, &str); 12] = [
        (&["--port", "70000"], "--port", "0..=65535"),
        (&["--slots", "65"], "--slots", "0..=64"),
        (&["--queue=-1"], "--queue", "0..=10000"),
        (
            &["--shutdown-grace", "soon"],
            "--shutdown-grace",
            "from 0 to 86400",
        ),
        (
            &["--header-timeout", "0"],
            "--header-timeout",
            "more than 0",
        ),
        (
            &["--await-explicit-shutdown", "maybe"],
            "--await-explicit-shutdown",
            "true, false",
        ),
        (&["--log-format", "xml"], "--log-format", "json, console"),
        (
            &["--upload-url", "s3://bucket"],
            "--upload-url",
            "https://example.com",
        ),
        (
            &["--cors-origin", "example.com"],
            "--cors-origin",
            "https://example.com",
        ),
        (
            &["--allow-target", "http://x"],
            "--allow-target",
            "expected `hooks.example.com`",
        ),
        (&["--device", "tpu"], "--device", "cuda"),
        (&["--host", "here"], "--host", "invalid IP address"),
    ];
    for (options, name, allowed) in cases {
        let (status, errors) = refused(command(options));
        assert_eq!(status, 2, "{options:?} {errors}");
        assert!(errors.contains(name), "{options:?} {errors}");
        assert!(errors.contains(allowed), "{options:?} {errors}");
    }
}

#[test]
fn invalid_variables_are_rejected_like_options() {
    for (name, value, option) in [
        ("PORT", "http", "--port"),
        ("COG_MAX_CONCURRENCY", "65", "--slots"),
        ("COG_SETUP_TIMEOUT", "long", "--setup-timeout"),
        ("COG_STREAM_HISTORY_CAPACITY", "-1", "--history"),
        (
            "COG_THROTTLE_RESPONSE_INTERVAL",
            "fast",
            "--webhook-interval",
        ),
        ("LOG_FORMAT", "xml", "--log-format"),
        ("COG_LOG_LEVEL", "loud", "--log-level"),
    ] {
        let mut command = command(&[]);
        command.env(name, value);
        let (status, errors) = refused(command);
        assert_eq!(status, 2, "{name} {errors}");
        assert!(errors.contains(option), "{name} {errors}");
    }
}

#[test]
fn arguments_that_cannot_work_here_are_rejected_before_anything_is_loaded() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let cases: [(&[&str], &str); 5] = [
        (
            &["--host", "127.0.0.1", "--port", &port],
            "choose another address with --port",
        ),
        (
            &["--log-filter", "clipdraw=loud"],
            "the log filter `clipdraw=loud`",
        ),
        (&["--weights", "ViT-X/1"], "ViT-X/1"),
        (&["--user-agent", "a\nb"], "user agent"),
        (
            &[
                "--upload-url",
                "http://127.0.0.1/x",
                "--refuse-private-addresses",
            ],
            "--upload-url",
        ),
    ];
    for (options, message) in cases {
        let mut all = vec!["--port", "0"];
        if options.contains(&"--port") {
            all.clear();
        }
        all.extend(options);
        let (status, errors) = refused(command(&all));
        assert_eq!(status, 1, "{options:?} {errors}");
        assert!(errors.contains("error: "), "{options:?} {errors}");
        assert!(errors.contains(message), "{options:?} {errors}");
    }
}

#[test]
fn sigterm_lets_predictions_finish_and_ends_with_0() {
    let mut server = Server::start(&[]);
    server.wait_until_ready();
    let answer = server.post("/predictions", "wait", &drawing(2));
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.json::<Value>().unwrap()["status"], "succeeded");
    let answer = server.post("/predictions", "respond-async", &drawing(20));
    assert_eq!(answer.status(), 202);
    server.line("step 0/20");
    server.signal(Signal::SIGTERM);
    server.line("shutting down");
    let end = server.line("prediction ended");
    assert_eq!(end["fields"]["status"], "succeeded");
    assert_eq!(server.status(), 0);
}

#[test]
fn predictions_that_outlast_the_grace_period_are_cancelled() {
    let mut server = Server::start(&["--shutdown-grace", "0.1"]);
    server.wait_until_ready();
    server.post("/predictions", "respond-async", &drawing(ENDLESS));
    server.line("step 0/");
    server.signal(Signal::SIGINT);
    let end = server.line("prediction ended");
    assert_eq!(end["fields"]["status"], "canceled");
    assert_eq!(server.status(), 130);
}

#[test]
fn shutdown_over_http_ends_a_server_that_ignores_sigterm() {
    let mut server = Server::start(&["--await-explicit-shutdown", "true"]);
    server.signal(Signal::SIGTERM);
    server.line("SIGTERM is ignored");
    server.wait_until_ready();
    let answer = server.post("/shutdown", "", &json!({}));
    assert_eq!(answer.text().unwrap(), "{}");
    assert_eq!(server.status(), 0);
}

#[test]
fn sigterm_while_the_model_is_loaded_ends_the_server() {
    let mut server = Server::start(&[]);
    server.line("loading the model");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.status(), 0);
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let mut server = Server::start(&["--shutdown-grace", "3600"]);
    server.wait_until_ready();
    server.post("/predictions", "respond-async", &drawing(ENDLESS));
    server.line("step 0/");
    server.signal(Signal::SIGTERM);
    server.line("shutting down");
    server.signal(Signal::SIGINT);
    assert_eq!(server.status(), 130);
}

#[test]
fn a_setup_that_takes_too_long_has_failed() {
    let mut server = Server::start(&["--setup-timeout", "0.001"]);
    let health = || {
        let request = server
            .client
            .get(format!("http://{}/health-check", server.address));
        request.send().unwrap().json::<Value>().unwrap()
    };
    // The setup may end all the same, which is as good; until then it has timed out.
    let seen = std::iter::repeat_with(health).take(1000);
    let status: Vec<_> = seen
        .map(|health| health["status"].as_str().unwrap().to_owned())
        .take_while(|status| status != "READY")
        .collect();
    assert!(status.contains(&"SETUP_FAILED".to_owned()), "{status:?}");
    server.signal(Signal::SIGTERM);
    server.line("shut down");
    assert_eq!(server.status(), 0);
}
