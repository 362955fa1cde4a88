//! A server with the embedded model, and nginx before it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use reqwest::blocking::Client;
use serde_json::Value;
use tempfile::TempDir;

use crate::skip::pass_over;

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
    processes: [Child; 2],
    _folder: TempDir,
}

impl Proxied {
    /// Starts both; `None` if nginx is not installed.
    pub(crate) fn start() -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let (server, address) = start_server();
        let nginx_address = format!("127.0.0.1:{}", free_port());
        let nginx = start_nginx(folder.path(), &nginx_address, &address);
        clipdraw::tls::install_crypto_provider();
        let client = Client::builder().no_proxy().timeout(TIMEOUT);
        Some(Self {
            nginx: nginx_address,
            server: address,
            client: client.build().unwrap(),
            processes: [nginx, server],
            _folder: folder,
        })
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // It may have ended by itself.
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn is_installed() -> bool {
    let asked = Command::new("nginx")
        .arg("-v")
        .stderr(Stdio::null())
        .status();
    let found = asked.is_ok_and(|status| status.success());
    if !found {
        pass_over("nginx is not installed");
    }
    found
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

/// A port that was free a moment ago: nginx cannot choose one.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Starts nginx with `deploy/nginx.conf`, of which only the addresses are others.
fn start_nginx(folder: &Path, address: &str, server: &str) -> Child {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/nginx.conf");
    let mut site = fs::read_to_string(source).unwrap();
    for (ours, theirs) in [
        ("server 127.0.0.1:5000;", format!("server {server};")),
        ("listen 8080;", format!("listen {address};")),
    ] {
        assert_eq!(site.matches(ours).count(), 1);
        site = site.replace(ours, &theirs);
    }
    fs::write(folder.join("clipdraw.conf"), site).unwrap();
    let folders = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folders = folders.map(|kind| format!("{kind}_temp_path {kind};\n"));
    let main = format!(
        "daemon off;\nmaster_process off;\nerror_log stderr;\npid nginx.pid;\nevents {{}}\nhttp {{\naccess_log off;\n{}include clipdraw.conf;\n}}\n",
        folders.concat()
    );
    fs::write(folder.join("nginx.conf"), main).unwrap();
    let mut process = Command::new("nginx")
        .arg("-p")
        .arg(folder)
        .args(["-c", "nginx.conf", "-e", "stderr"])
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        let ended = process.try_wait().unwrap();
        assert!(ended.is_none() && began.elapsed() < TIMEOUT, "{ended:?}");
        thread::sleep(Duration::from_millis(10));
    }
    process
}
