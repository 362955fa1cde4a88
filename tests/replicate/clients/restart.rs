//! A client polls while the program is killed and started again.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::installed::{python, succeeds};

/// How long the program may take to get ready, and a drawing to begin.
const TIMEOUT: Duration = Duration::from_mins(1);

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// The program with the embedded model, on a port and a store.
fn serve(port: u16, store: &Path) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clipdraw"));
    command
        .args(["serve", "--host", "127.0.0.1", "--port", &port.to_string()])
        .arg("--store")
        .arg(store)
        .env("CLIPDRAW_WEIGHTS_DIR", "/no/weights")
        .env_remove("CLIPDRAW_WEIGHTS")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    command.spawn().unwrap()
}

async fn is_ready(port: u16) -> bool {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("http://127.0.0.1:{port}/ready")).send();
    answer.await.is_ok_and(|answer| answer.status() == 200)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_polls_sees_no_difference_when_the_server_is_killed_and_started_again() {
    let Some(client) = python("python-1").await else {
        return;
    };
    clipdraw::tls::install_crypto_provider();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("predictions.sqlite3");
    let drawing = folder.path().join("drawing");
    let port = free_port();
    let mut server = serve(port, &store);
    let ready = async {
        while !is_ready(port).await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(TIMEOUT, ready).await.expect("it gets ready");
    let mut script = client.script("restart.py", &[]);
    script
        .env("REPLICATE_API_TOKEN", "r8_test")
        .env("REPLICATE_BASE_URL", format!("http://127.0.0.1:{port}"))
        .env("SERVER", "")
        .env("BUSY_SERVER", "")
        .env("STARTING_SERVER", "")
        .env("STEPS", "400")
        .env("DRAWING", &drawing)
        .env("NO_PROXY", "127.0.0.1");
    let polling = tokio::spawn(succeeds(script));
    let begun = async {
        while !drawing.exists() && !polling.is_finished() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(TIMEOUT, begun).await.expect("the drawing begins");
    server.kill().await.unwrap();
    sleep(Duration::from_millis(500)).await;
    let _again = serve(port, &store);
    polling.await.unwrap();
}
