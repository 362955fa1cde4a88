//! A broker, front ends and workers as processes, each of which can be killed, stopped and started again.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cluster::server_program;

/// The time after which a worker that does not renew its lease is lost.
pub(super) const LEASE: Duration = Duration::from_secs(2);

/// Changes the clock of a program; from Debian's package libfaketime.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// The maximum time for a process to answer.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Broker,
    FrontEnd(usize),
    Worker(usize),
}

/// Processes that share a clock, which can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    Broker,
    FrontEnds,
    Workers,
}

impl Clock {
    fn of(role: Role) -> Self {
        match role {
            Role::Broker => Self::Broker,
            Role::FrontEnd(_) => Self::FrontEnds,
            Role::Worker(_) => Self::Workers,
        }
    }

    fn file(self, folder: &Path) -> PathBuf {
        folder.join(format!("{self:?}.clock"))
    }
}

/// A process and how it is started.
#[derive(Debug)]
struct Member {
    role: Role,
    port: u16,
    child: Option<Child>,
}

/// The processes, with a folder for the broker's files and all logs.
#[derive(Debug)]
pub(super) struct Cluster {
    folder: PathBuf,
    broker_port: u16,
    /// The processes whose clocks can be changed.
    clocks: &'static [Clock],
    members: Vec<Member>,
}

impl Cluster {
    /// Starts a broker, front ends and workers, and waits until all front ends are ready.
    pub(super) fn start(folder: &Path, front_ends: usize, workers: usize) -> Self {
        Self::with_clocks(folder, front_ends, workers, &[])
    }

    /// The same, with clocks that can be changed.
    pub(super) fn with_clocks(
        folder: &Path,
        front_ends: usize,
        workers: usize,
        clocks: &'static [Clock],
    ) -> Self {
        let roles = (0..front_ends)
            .map(Role::FrontEnd)
            .chain((0..workers).map(Role::Worker));
        let members: Vec<_> = [Role::Broker]
            .into_iter()
            .chain(roles)
            .map(|role| Member {
                role,
                port: free_port(),
                child: None,
            })
            .collect();
        let mut cluster = Self {
            folder: folder.to_owned(),
            broker_port: members[0].port,
            clocks,
            members,
        };
        for clock in clocks {
            cluster.set(*clock, 0);
        }
        for role in cluster.roles() {
            cluster.start_member(role);
        }
        cluster.wait_until_ready();
        cluster
    }

    pub(super) fn roles(&self) -> Vec<Role> {
        self.members.iter().map(|member| member.role).collect()
    }

    /// The addresses of the front ends.
    pub(super) fn addresses(&self) -> Vec<String> {
        let front_ends = self
            .members
            .iter()
            .filter(|member| matches!(member.role, Role::FrontEnd(_)));
        front_ends
            .map(|member| format!("127.0.0.1:{}", member.port))
            .collect()
    }

    fn member(&mut self, role: Role) -> &mut Member {
        let found = self.members.iter_mut().find(|member| member.role == role);
        found.expect("the cluster has this process")
    }

    /// Starts a process that was killed.
    pub(super) fn start_member(&mut self, role: Role) {
        let port = self.member(role).port;
        let log = self.log(role);
        let mut command = self.command(role, port);
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.member(role).child = Some(child);
        if role == Role::Broker {
            wait_for_port(port);
        }
    }

    /// The log of all lives of a process.
    fn log(&self, role: Role) -> File {
        let name = format!("{role:?}.log");
        File::options()
            .create(true)
            .append(true)
            .open(self.folder.join(name))
            .unwrap()
    }

    /// Whether clocks can be changed on this machine.
    pub(super) fn can_change_clocks() -> bool {
        Path::new(FAKETIME).exists()
    }

    /// Sets a clock to the real time plus some seconds.
    pub(super) fn set(&self, clock: Clock, seconds: i32) {
        fs::write(clock.file(&self.folder), format!("{seconds:+}\n")).unwrap();
    }

    fn command(&self, role: Role, port: u16) -> Command {
        let mut command = match role {
            Role::Broker => broker(&self.folder, port),
            _ => self.program(role, port),
        };
        let clock = Clock::of(role);
        if self.clocks.contains(&clock) {
            command
                .env("LD_PRELOAD", FAKETIME)
                .env("FAKETIME_TIMESTAMP_FILE", clock.file(&self.folder))
                .env("FAKETIME_NO_CACHE", "1")
                // The other clock of a machine never jumps.
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
                .env("DONT_FAKE_MONOTONIC", "1");
        }
        command
    }

    fn program(&self, role: Role, port: u16) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clipdraw"));
        match role {
            Role::FrontEnd(_) => command.args(["serve", "--slots", "0"]),
            _ => command.args(["work", "--slots", "1"]),
        };
        command
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .env(
                "CLIPDRAW_BROKER",
                format!("redis://127.0.0.1:{}", self.broker_port),
            )
            .env("CLIPDRAW_BROKER_LEASE", LEASE.as_secs_f64().to_string())
            .env("CLIPDRAW_WORKER", format!("{role:?}"))
            // No weights, store or setting of the person who runs the tests.
            .env("CLIPDRAW_WEIGHTS_DIR", "/no/weights")
            .env(
                "RUST_LOG",
                "info,clipdraw::http::request_log=off,clipdraw::prediction=off",
            )
            .env_remove("CLIPDRAW_WEIGHTS")
            .env_remove("LOG_FORMAT");
        command
    }

    /// Sends a signal to a process.
    pub(super) fn signal(&mut self, role: Role, signal: Signal) {
        if let Some(child) = &self.member(role).child {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(child.id().cast_signed()), signal);
        }
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self, role: Role) {
        if let Some(mut child) = self.member(role).child.take() {
            let _ = child.kill();
            child.wait().unwrap();
        }
    }

    /// SIGTERM to a process that is ready; returns whether it ended with status 0.
    pub(super) fn terminate(&mut self, role: Role) -> bool {
        let port = self.member(role).port;
        let began = Instant::now();
        // A process that is still starting has no handler for signals.
        while !is_ready(port) && began.elapsed() < TIMEOUT {
            thread::sleep(Duration::from_millis(10));
        }
        self.signal(role, Signal::SIGTERM);
        let Some(mut child) = self.member(role).child.take() else {
            return true;
        };
        let began = Instant::now();
        while began.elapsed() < TIMEOUT {
            if let Some(status) = child.try_wait().unwrap() {
                return status.success();
            }
            thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        false
    }

    /// The processes that have ended without being killed.
    pub(super) fn ended(&mut self) -> Vec<Role> {
        let mut ended = Vec::new();
        for member in &mut self.members {
            if let Some(child) = &mut member.child
                && child.try_wait().unwrap().is_some()
            {
                ended.push(member.role);
            }
        }
        ended
    }

    /// Waits until every front end and every worker says that it is ready.
    pub(super) fn wait_until_ready(&self) {
        let began = Instant::now();
        for member in &self.members[1..] {
            while !is_ready(member.port) {
                assert!(
                    began.elapsed() < TIMEOUT,
                    "{:?} is not ready; the logs are in {}",
                    member.role,
                    self.folder.display()
                );
                thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// The end of every log, for a test that fails.
    pub(super) fn logs(&self) -> String {
        let mut text = Vec::new();
        for role in self.roles() {
            let log =
                fs::read_to_string(self.folder.join(format!("{role:?}.log"))).unwrap_or_default();
            let lines: Vec<_> = log.lines().collect();
            text.push(format!("--- {role:?}"));
            let last = lines.iter().skip(lines.len().saturating_sub(15));
            text.extend(last.map(ToString::to_string));
        }
        text.join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for role in self.roles() {
            self.kill(role);
        }
    }
}

/// A broker that writes every change to the disk before it answers.
fn broker(folder: &Path, port: u16) -> Command {
    let mut command = Command::new(server_program());
    command
        .args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ])
        .args(["--appendonly", "yes", "--appendfsync", "always"])
        .arg("--dir")
        .arg(folder);
    command
}

/// A port that was free a moment ago. A process that is started again must have the same one.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn wait_for_port(port: u16) {
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < TIMEOUT, "nobody listens on {port}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether `/ready` answers with 200.
fn is_ready(port: u16) -> bool {
    use std::io::{Read, Write};
    let Ok(mut connection) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    let _ = connection.set_read_timeout(Some(Duration::from_secs(2)));
    let asked = connection
        .write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    asked.is_ok()
        && connection.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}
