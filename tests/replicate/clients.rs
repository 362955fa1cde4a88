//! Replicate's clients themselves, unchanged, against a server that draws without CLIP, and against the program that is
//! killed in the meantime.

mod installed;
mod restart;

use clipdraw::replicate::FileAddresses;
use serde_json::Value;
use tokio::process::Command;

use self::installed::{Installed, node, python};
use crate::client::{body, create};
use crate::support::server::{Choices, TestServer};
use crate::tls_proxy;

const TOKEN: &str = "r8_test";

/// The servers that a script talks to.
struct Servers {
    ready: TestServer,
    /// Its only slot and all places in the queue are taken.
    busy: TestServer,
    /// Its model is not loaded.
    starting: TestServer,
}

impl Servers {
    async fn start() -> Self {
        let choices = |long_queue| {
            let mut choices = Choices {
                token: Some(TOKEN),
                long_queue,
                files: FileAddresses::Data,
                ..Choices::default()
            };
            // As the program has it.
            choices.limits.body_bytes = 100 << 20;
            choices
        };
        let busy = TestServer::start(choices(0)).await;
        let request = create(&busy, "clipdraw/clipdraw", &body("sleep 600000 for long"));
        let taken: Value = request
            .bearer_auth(TOKEN)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(taken["status"], "starting", "{taken}");
        Self {
            ready: TestServer::start(choices(8)).await,
            busy,
            starting: TestServer::without_worker(&choices(0)).await,
        }
    }

    /// The script with the addresses of the servers, in the variables that the client reads and in our own.
    fn environment(&self, mut script: Command, base: &str) -> Command {
        script
            .env("REPLICATE_API_TOKEN", TOKEN)
            .env("REPLICATE_BASE_URL", self.ready.url(base))
            .env("REPLICATE_POLL_INTERVAL", "0.1")
            .env("SERVER", self.ready.url(""))
            .env("BUSY_SERVER", self.busy.url(""))
            .env("STARTING_SERVER", self.starting.url(""))
            .env("NO_PROXY", "127.0.0.1");
        script
    }
}

/// Runs a script to its end; `base` is the path in the address that the client wants.
async fn run(installed: Option<Installed>, script: &str, arguments: &[&str], base: &str) {
    let Some(installed) = installed else { return };
    let servers = Servers::start().await;
    let command = servers.environment(installed.script(script, arguments), base);
    installed::succeeds(command).await;
}

/// Runs a script against a server behind a proxy with https.
async fn run_over_https(installed: Option<Installed>, script: &str, base: &str) {
    let Some(installed) = installed else { return };
    let server = TestServer::start(Choices {
        token: Some(TOKEN),
        long_queue: 8,
        ..Choices::default()
    })
    .await;
    let address = tls_proxy::start(server.address);
    let mut command = installed.script(script, &[]);
    command
        .env("REPLICATE_API_TOKEN", TOKEN)
        .env("REPLICATE_BASE_URL", format!("{address}{base}"))
        .env("SERVER", &address)
        .env("BUSY_SERVER", "")
        .env("STARTING_SERVER", "")
        .env("SSL_CERT_FILE", tls_proxy::fixture("authority.pem"))
        .env("NODE_EXTRA_CA_CERTS", tls_proxy::fixture("authority.pem"))
        .env("NO_PROXY", "localhost");
    installed::succeeds(command).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_addresses_over_https_for_python_1_0_7() {
    run_over_https(python("python-1").await, "https_python_1.py", "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_addresses_over_https_for_python_2_0_0b4() {
    run_over_https(python("python-2").await, "https_python_2.py", "/v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_are_addresses_over_https_for_javascript() {
    run_over_https(node().await, "https.mjs", "/v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_1_0_7_works_unchanged() {
    run(python("python-1").await, "python_1.py", &[], "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_2_0_0b4_works_unchanged() {
    run(python("python-2").await, "python_2.py", &[], "/v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn langchain_works_unchanged() {
    run(python("python-1").await, "langchain_llm.py", &[], "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript_1_4_0_works_unchanged() {
    run(node().await, "javascript.mjs", &[], "/v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ai_sdk_2_0_57_works_unchanged() {
    run(node().await, "ai_sdk.mjs", &["2"], "/v1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ai_sdk_3_0_46_works_unchanged() {
    run(node().await, "ai_sdk.mjs", &["3"], "/v1").await;
}
