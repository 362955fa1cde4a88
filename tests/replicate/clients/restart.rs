//! Clients wait while the program is killed and started again.

use std::net::TcpListener;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::installed::{Installed, node, python, succeeds};

/// How long the program may take to get ready, and a drawing to begin or to end.
const TIMEOUT: Duration = Duration::from_mins(1);

/// The steps of a drawing: enough to kill the program in between. The AI SDK 2 does not poll, so it needs a drawing, and the
/// one that is drawn again before it, within the minute that it waits.
const STEPS: &str = "150";

const PAUSE: Duration = Duration::from_millis(20);

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

/// A body of the program, once it has one.
async fn get(port: u16, path: &str) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = async {
        loop {
            let answer = client.get(format!("http://127.0.0.1:{port}{path}"));
            if let Ok(answer) = answer.send().await
                && answer.status().is_success()
                && let Ok(body) = answer.json().await
            {
                return body;
            }
            sleep(PAUSE).await;
        }
    };
    timeout(TIMEOUT, request).await.expect("it answers")
}

/// The statuses of all predictions, once `is_time` says so.
async fn statuses(port: u16, is_time: impl Fn(&[String]) -> bool) -> Vec<String> {
    let wait = async {
        loop {
            let page = get(port, "/v1/predictions").await;
            let states = page["results"].as_array().unwrap().iter();
            let states: Vec<_> = states
                .map(|state| state["status"].as_str().unwrap().to_owned())
                .collect();
            if is_time(&states) {
                return states;
            }
            sleep(PAUSE).await;
        }
    };
    timeout(TIMEOUT, wait).await.expect("it draws")
}

/// Runs a script, and kills the program while it draws for it. `base` is the path in the address that the client wants.
async fn survives(client: Option<Installed>, script: &str, arguments: &[&str], base: &str) {
    let Some(client) = client else { return };
    clipdraw::tls::install_crypto_provider();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("predictions.sqlite3");
    let port = free_port();
    let mut server = serve(port, &store);
    get(port, "/ready").await;
    let mut script = client.script(script, arguments);
    script
        .env("REPLICATE_API_TOKEN", "r8_test")
        .env(
            "REPLICATE_BASE_URL",
            format!("http://127.0.0.1:{port}{base}"),
        )
        .env("SERVER", "")
        .env("BUSY_SERVER", "")
        .env("STARTING_SERVER", "")
        .env("STEPS", STEPS)
        .env("NO_PROXY", "127.0.0.1");
    let waiting = tokio::spawn(succeeds(script));
    let begun = |states: &[String]| states.iter().any(|status| status == "processing");
    statuses(port, |states| begun(states) || waiting.is_finished()).await;
    assert!(!waiting.is_finished(), "the client waits for the drawing");
    server.kill().await.unwrap();
    sleep(Duration::from_millis(500)).await;
    let _again = serve(port, &store);
    waiting.await.unwrap();
    let is_final = |status: &String| status != "starting" && status != "processing";
    let states = statuses(port, |states| states.iter().all(is_final)).await;
    assert!(
        states.iter().all(|status| status == "succeeded"),
        "{states:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_1_0_7_sees_no_difference_when_the_server_is_killed_and_started_again() {
    survives(python("python-1").await, "restart.py", &[], "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_2_0_0b4_waits_on_when_the_server_is_killed_and_started_again() {
    survives(python("python-2").await, "restart_python_2.py", &[], "/v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript_waits_on_when_the_server_is_killed_and_started_again() {
    survives(node().await, "restart.mjs", &[], "/v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ai_sdk_2_gets_its_image_when_the_server_is_killed_and_started_again() {
    survives(node().await, "restart_ai_sdk.mjs", &["2"], "/v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ai_sdk_3_gets_its_image_when_the_server_is_killed_and_started_again() {
    survives(node().await, "restart_ai_sdk.mjs", &["3"], "/v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn langchain_gets_its_drawing_when_the_server_is_killed_and_started_again() {
    survives(python("python-1").await, "restart_langchain.py", &[], "").await;
}
