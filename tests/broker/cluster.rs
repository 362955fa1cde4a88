//! A broker, front ends and workers: real processes, which a test can stop and kill.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::skip::pass_over;

/// The maximum time for anything that a test waits for.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

/// The lease of workers in tests, in seconds.
pub(crate) const LEASE: f64 = 2.0;

/// The program of the broker: `redis-server`, or another one such as `valkey-server`.
pub(crate) fn server_program() -> String {
    std::env::var("CLIPDRAW_TEST_BROKER").unwrap_or_else(|_| "redis-server".to_owned())
}

/// Whether there is a broker to test with. Without one, the tests are skipped, except in CI.
pub(crate) fn has_redis() -> bool {
    let found = Command::new(server_program())
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    let found = found.is_ok_and(|status| status.success());
    if !found {
        pass_over("redis-server is not installed (apt-get install redis-server)");
    }
    found
}

/// Waits until a condition holds.
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < TIMEOUT, "{what}");
        sleep(Duration::from_millis(20));
    }
}

/// A broker on a free port, in a folder of its own.
pub(crate) struct Broker {
    child: Child,
    pub(crate) port: u16,
    folder: PathBuf,
    options: Vec<String>,
}

impl Broker {
    fn start(folder: &Path, options: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        fs::create_dir_all(folder).unwrap();
        let options = options.iter().map(ToString::to_string).collect();
        let mut broker = Self {
            child: Self::spawn(folder, port, &options),
            port,
            folder: folder.to_owned(),
            options,
        };
        broker.wait();
        broker
    }

    fn spawn(folder: &Path, port: u16, options: &Vec<String>) -> Child {
        let mut command = Command::new(server_program());
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "yes", "--dir"])
            .arg(folder)
            .args(options)
            .stdin(Stdio::null())
            .stdout(File::create(folder.join("log")).unwrap())
            .stderr(Stdio::null());
        command.spawn().unwrap()
    }

    fn wait(&mut self) {
        wait_until("the broker answers", || {
            self.cli(&["PING"]).trim() == "PONG"
        });
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The answer to a command, as `redis-cli` prints it.
    pub(crate) fn cli(&self, arguments: &[&str]) -> String {
        let output = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(self.password())
            .args(arguments)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn password(&self) -> Vec<&str> {
        let mut options = self.options.iter();
        let option = options.find(|option| *option == "--requirepass");
        match option.and(options.next()) {
            Some(password) => vec!["--no-auth-warning", "-a", password],
            None => Vec::new(),
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Lets the process stand still.
    pub(crate) fn stop(&self) {
        self.signal(Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.signal(Signal::SIGCONT);
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    pub(crate) fn restart(&mut self) {
        self.child = Self::spawn(&self.folder, self.port, &self.options);
        self.wait();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A front end or a worker.
pub(crate) struct Node {
    pub(crate) child: Child,
    pub(crate) address: String,
    log: PathBuf,
    client: Client,
}

impl Node {
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until the process has ended, and returns its exit status.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < TIMEOUT, "{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.client.request(method.parse().unwrap(), url)
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request("GET", path))
    }

    /// Starts a prediction, and returns at once.
    pub(crate) fn put(&self, id: &str, body: &Value) -> (u16, Value) {
        let request = self.request("PUT", &format!("/predictions/{id}"));
        answer(request.header("prefer", "respond-async").json(body))
    }

    pub(crate) fn cancel(&self, id: &str) -> u16 {
        let request = self.request("POST", &format!("/predictions/{id}/cancel"));
        request.send().unwrap().status().as_u16()
    }

    /// The final state of a prediction.
    pub(crate) fn finished(&self, id: &str) -> Value {
        let began = Instant::now();
        loop {
            let (status, state) = self.get(&format!("/predictions/{id}"));
            let name = state["status"].as_str().unwrap_or_default().to_owned();
            if status == 200 && name != "starting" && name != "processing" {
                return state;
            }
            assert!(began.elapsed() < TIMEOUT, "{state} {}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn files(&self, id: &str) -> usize {
        let (_, state) = self.get(&format!("/predictions/{id}"));
        state["output"].as_array().map_or(0, Vec::len)
    }

    /// The event stream of a prediction, after an event.
    pub(crate) fn events(&self, id: &str, after: Option<u64>) -> Response {
        let mut request = self
            .request("GET", &format!("/predictions/{id}"))
            .header("accept", "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after.to_string());
        }
        request.send().unwrap()
    }

    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self
            .request("GET", "/metrics")
            .send()
            .unwrap()
            .text()
            .unwrap();
        text.lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    }

    pub(crate) fn wait_until_ready(&self) {
        wait_until("it is ready", || {
            let answer = self.request("GET", "/ready").send();
            answer.is_ok_and(|answer| answer.status().is_success())
        });
    }
}

fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().unwrap();
    let status = response.status().as_u16();
    (status, response.json().unwrap_or(Value::Null))
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A broker, and a folder for the logs of all processes.
pub(crate) struct Cluster {
    pub(crate) broker: Broker,
    folder: TempDir,
    started: std::cell::Cell<usize>,
    client: Client,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// A cluster whose broker has more options.
    pub(crate) fn with(options: &[&str]) -> Self {
        clipdraw::tls::install_crypto_provider();
        let folder = tempfile::tempdir().unwrap();
        Self {
            broker: Broker::start(&folder.path().join("broker"), options),
            folder,
            started: std::cell::Cell::new(0),
            client: Client::builder()
                .no_proxy()
                .timeout(TIMEOUT)
                .build()
                .unwrap(),
        }
    }

    pub(crate) fn replica(&self) -> Broker {
        let port = self.broker.port.to_string();
        let folder = self.folder.path().join("replica");
        let replica = Broker::start(&folder, &["--replicaof", "127.0.0.1", &port]);
        wait_until("the replica is there", || {
            self.broker
                .cli(&["INFO", "replication"])
                .contains("state=online")
        });
        replica
    }

    pub(crate) fn command(&self, task: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clipdraw"));
        for name in ["CLIPDRAW_WEIGHTS", "PORT", "LOG_FORMAT", "COG_LOG_LEVEL"] {
            command.env_remove(name);
        }
        command
            .arg(task)
            .env("CLIPDRAW_WEIGHTS_DIR", "/no/weights")
            .env("CLIPDRAW_BROKER", self.broker.url())
            .env("CLIPDRAW_BROKER_LEASE", LEASE.to_string())
            .env(
                "RUST_LOG",
                "info,clipdraw::http::request_log=off,clipdraw::prediction=off",
            )
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn start(&self, command: Command) -> Node {
        self.start_at(command, 0)
    }

    /// Starts a process on a port.
    pub(crate) fn start_at(&self, mut command: Command, port: u16) -> Node {
        let number = self.started.replace(self.started.get() + 1);
        let log = self.folder.path().join(format!("{number}.log"));
        let child = command
            .args(["--port", &port.to_string(), "--host", "127.0.0.1"])
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut node = Node {
            child,
            address: String::new(),
            log,
            client: self.client.clone(),
        };
        wait_until("it listens", || {
            let log = node.log();
            let line = log.lines().find(|line| line.contains("\"listening\""));
            let line = line.and_then(|line| serde_json::from_str::<Value>(line).ok());
            let address =
                line.and_then(|line| Some(line["fields"]["address"].as_str()?.to_owned()));
            node.address = address.unwrap_or_default();
            !node.address.is_empty()
        });
        node
    }

    /// A front end that does not draw.
    pub(crate) fn front_end(&self, options: &[&str]) -> Node {
        let mut command = self.command("serve");
        command.args(["--slots", "0"]).args(options);
        let node = self.start(command);
        node.wait_until_ready();
        node
    }

    pub(crate) fn worker(&self, options: &[&str]) -> Node {
        let mut command = self.command("work");
        command.args(options);
        let node = self.start(command);
        node.wait_until_ready();
        node
    }
}

/// The body of a request for a drawing with a frame after each step.
pub(crate) fn drawing(steps: u32) -> Value {
    json!({"input": {
        "prompt": "a house", "num_paths": 8, "num_iterations": steps, "seed": 7,
        "num_augmentations": 1, "display_frequency": 1
    }})
}
