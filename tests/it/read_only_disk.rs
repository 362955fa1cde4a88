//! The server writes no files, so it works with a full or read-only disk, and with a log that cannot be
//! written.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use reqwest::blocking::Client;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::serve::{Server, command, drawing, shielded};

/// A shell in which the first byte that is written to any file ends the program (SIGXFSZ).
fn without_files(script: &str, folder: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", &format!("ulimit -f 0 && {script}")])
        .current_dir(folder);
    command
}

fn receiver(runtime: &Runtime) -> MockServer {
    runtime.block_on(async {
        let server = MockServer::start().await;
        let taken = ResponseTemplate::new(200);
        Mock::given(any()).respond_with(taken).mount(&server).await;
        server
    })
}

#[test]
fn predictions_uploads_webhooks_and_streams_need_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let written = without_files("echo something >file", folder.path()).output();
    assert!(
        !written.unwrap().status.success(),
        "the limit has no effect"
    );
    std::fs::remove_file(folder.path().join("file")).unwrap();

    let runtime = Runtime::new().unwrap();
    let elsewhere = receiver(&runtime);
    let mut command = without_files("exec \"$0\" serve \"$@\"", folder.path());
    command.arg(env!("CARGO_BIN_EXE_clipdraw"));
    for name in ["HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_DATA_HOME"] {
        command.env(name, "/no/such/folder");
    }
    let mut server = Server::run(shielded(command));
    server.wait_until_ready();
    for format in ["svg", "png"] {
        let mut body = drawing(3);
        body["input"]["output_format"] = json!(format);
        let drawn: Value = server.post("/predictions", "", &body).json().unwrap();
        assert_eq!(drawn["status"], "succeeded");
        body["webhook"] = elsewhere.uri().into();
        body["output_file_prefix"] = json!(format!("{}/files/", elsewhere.uri()));
        let sent: Value = server.post("/predictions", "", &body).json().unwrap();
        assert_eq!(sent["status"], "succeeded");
    }
    let stream = server
        .client
        .post(format!("http://{}/predictions", server.address))
        .header("accept", "text/event-stream")
        .json(&drawing(3));
    assert!(
        stream
            .send()
            .unwrap()
            .text()
            .unwrap()
            .contains("event: completed")
    );
    server.signal(Signal::SIGTERM);
    assert_eq!(server.status(), 0);
    let received = runtime.block_on(elsewhere.received_requests()).unwrap();
    assert!(received.iter().any(|request| request.method == "PUT"));
    assert!(received.iter().any(|request| request.method == "POST"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

/// Where log lines go that no disk has room for, or that nobody reads.
fn answers_with_a_broken_log(mut command: Command) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    command.args(["--host", "127.0.0.1", "--port", &address.port().to_string()]);
    let mut child = command.spawn().unwrap();
    drop(child.stderr.take());
    clipdraw::tls::install_crypto_provider();
    let client = Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("http://{address}{path}");
    let ready = || {
        client
            .get(url("/ready"))
            .send()
            .is_ok_and(|answer| answer.status() == 200)
    };
    while !ready() {
        assert_eq!(child.try_wait().unwrap(), None, "the server has ended");
        std::thread::sleep(Duration::from_millis(20));
    }
    for _ in 0..3 {
        let answer = client.post(url("/predictions")).json(&drawing(3)).send();
        let answer: Value = answer.unwrap().json().unwrap();
        assert_eq!(answer["status"], "succeeded", "{answer}");
    }
    client.post(url("/shutdown")).send().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_closed_log_stops_nothing() {
    answers_with_a_broken_log(command(&[]));
}

#[test]
#[cfg(target_os = "linux")]
fn a_log_on_a_full_disk_stops_nothing() {
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = command(&[]);
    command.stderr(full);
    answers_with_a_broken_log(command);
}
