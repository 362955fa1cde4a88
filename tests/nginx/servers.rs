//! A server with the embedded model, and nginx before it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use reqwest::blocking::Client;
use serde_json::Value;

use crate::proxy::Nginx;

/// The maximum time for anything that a test waits for.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);

/// nginx, and what it leads to.
#[derive(Debug)]
pub(crate) struct Proxied {
    /// Host and port of nginx.
    pub(crate) nginx: String,
    /// Host and port of the server.
    pub(crate) server: String,
    pub(crate) client: Client,
    process: Child,
    _proxy: Nginx,
}

impl Proxied {
    /// Starts both; `None` if nginx is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::under("/")
    }

    /// Starts both, the server under a path of nginx.
    pub(crate) fn under(path: &str) -> Option<Self> {
        if !Nginx::is_installed() {
            return None;
        }
        let (process, server) = start_server();
        let proxy = Nginx::start(std::slice::from_ref(&server), path);
        clipdraw::tls::install_crypto_provider();
        let client = Client::builder().no_proxy().timeout(TIMEOUT);
        Some(Self {
            nginx: proxy.address.clone(),
            server,
            client: client.build().unwrap(),
            process,
            _proxy: proxy,
        })
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start_server() -> (Child, String) {
    let mut process = Command::new(env!("CARGO_BIN_EXE_clipdraw"))
        .args(["serve", "--host", "127.0.0.1", "--port", "0"])
        // No weights, store or setting of the person who runs the tests.
        .env("CLIPDRAW_WEIGHTS_DIR", "/no/weights")
        .env("CLIPDRAW_STORE", "none")
        .env(
            "RUST_LOG",
            "info,clipdraw::http::request_log=off,clipdraw::prediction=off",
        )
        .env_remove("CLIPDRAW_WEIGHTS")
        .env_remove("LOG_FORMAT")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
    let mut message = |text: &str| {
        loop {
            let line = log.next().expect("the log goes on").unwrap();
            let line: Value = serde_json::from_str(&line).unwrap();
            if line["fields"]["message"].as_str().unwrap().contains(text) {
                return line;
            }
        }
    };
    let listening = message("listening");
    message("is ready");
    // A full pipe would stop the server.
    thread::spawn(move || log.for_each(drop));
    let address = listening["fields"]["address"].as_str().unwrap().to_owned();
    (process, address)
}
