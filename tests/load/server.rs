//! A server of this build on a free port, stopped when dropped.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::Client;

/// The running server.
pub(crate) struct Server {
    child: Child,
    port: u16,
}

/// A client with a connection that it keeps.
pub(crate) fn client() -> Client {
    clipdraw::tls::install_crypto_provider();
    Client::builder().no_proxy().build().unwrap()
}

/// A free port.
pub(crate) fn free_port() -> u16 {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    free.local_addr().unwrap().port()
}

impl Server {
    /// Starts a server and waits until it is ready.
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        let port = free_port();
        let child = Command::new(env!("CARGO_BIN_EXE_clipdraw"))
            .args(["serve", "--host", "127.0.0.1"])
            .args(arguments)
            .env("PORT", port.to_string())
            .env("COG_LOG_LEVEL", "error")
            .env("CLIPDRAW_STORE", "none")
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let server = Self { child, port };
        let client = client();
        loop {
            let answer = client.get(server.url("/ready")).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// The samples of a metric, on one line.
    pub(crate) async fn metric(&self, name: &str) -> String {
        let page = client().get(self.url("/metrics")).send().await.unwrap();
        let page = page.text().await.unwrap();
        let samples: Vec<_> = page.lines().filter(|line| line.starts_with(name)).collect();
        samples.join(", ")
    }

    /// Memory of the process that is in use, by Linux's count.
    pub(crate) fn resident_megabytes(&self) -> f64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS"))
            .unwrap();
        let kilobytes: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kilobytes * 1024.0 / 1e6
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
