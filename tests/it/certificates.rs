//! Webhooks and uploads over HTTPS, to servers with their own certificates.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::serve::{Server, command};

/// The maximum time for anything that a test waits for.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A file made with `openssl req -x509 -newkey ec -pkeyopt
/// ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=localhost` and for `authority` and `leaf` with
/// `-addext subjectAltName=DNS:localhost`, for `leaf` with `-addext basicConstraints=critical,CA:FALSE`
/// too.
fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("tests/it/fixtures/tls").join(name)
}

/// A server with a certificate, which answers every request with 200.
struct TlsServer {
    port: u16,
    /// The first lines of the requests.
    requests: Receiver<String>,
}

impl TlsServer {
    fn start(certificate: &str) -> Self {
        clipdraw::tls::install_crypto_provider();
        let chain = CertificateDer::from_pem_file(fixture(&format!("{certificate}.pem"))).unwrap();
        let key = PrivateKeyDer::from_pem_file(fixture(&format!("{certificate}.key"))).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let (stream, sender) = (
                    StreamOwned::new(connection, stream.unwrap()),
                    sender.clone(),
                );
                std::thread::spawn(move || answer(stream).map(|line| sender.send(line)));
            }
        });
        Self { port, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }
}

/// Answers one request; nothing if the client does not trust the certificate.
fn answer(mut stream: impl Read + Write) -> Option<String> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let (head, length) = loop {
        if let Some(end) = request.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = String::from_utf8(request[..end].to_vec()).unwrap();
            let length = head.lines().find_map(|line| {
                line.to_lowercase()
                    .strip_prefix("content-length: ")?
                    .parse()
                    .ok()
            });
            break (head, end + 4 + length.unwrap_or(0));
        }
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        request.extend_from_slice(&buffer[..count]);
    };
    let mut left = length - request.len();
    while left > 0 {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        left -= count;
    }
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(response.as_bytes()).ok()?;
    head.lines().next().map(str::to_owned)
}

/// Draws with a server that trusts the certificates in a file, and uploads the files to another one.
fn draw(trusted: &str, target: &TlsServer) -> Value {
    let mut server = command(&[]);
    server.env("SSL_CERT_FILE", fixture(trusted));
    let mut server = Server::run(server);
    server.wait_until_ready();
    let body = json!({
        "input": {
            "num_paths": 1, "num_iterations": 1, "num_augmentations": 1, "canvas_width": 64,
            "canvas_height": 64,
        },
        "output_file_prefix": target.url("/files/"),
        "webhook": target.url("/hook"),
        "webhook_events_filter": ["completed"],
    });
    let url = format!("http://{}/predictions", server.address);
    let answer: Value = server
        .client
        .post(url)
        .json(&body)
        .send()
        .unwrap()
        .json()
        .unwrap();
    if answer["status"] == "succeeded" {
        let hook = std::iter::from_fn(|| target.requests.recv_timeout(TIMEOUT).ok())
            .find(|line| line.starts_with("POST /hook "));
        assert!(hook.is_some(), "the webhook has not arrived");
    }
    answer
}

#[test]
fn a_self_signed_certificate_in_the_file_works_whether_or_not_it_may_sign_others() {
    for certificate in ["authority", "leaf"] {
        let target = TlsServer::start(certificate);
        let answer = draw(&format!("{certificate}.pem"), &target);
        assert_eq!(answer["status"], "succeeded", "{certificate}: {answer}");
        let file = answer["output"][0].as_str().unwrap();
        assert!(file.starts_with(&target.url("/files/")), "{file}");
    }
}

#[test]
fn the_error_for_a_refused_certificate_has_the_reason_and_says_what_to_do() {
    for (certificate, trusted, reason) in [
        ("authority", "leaf.pem", "SSL_CERT_FILE"),
        ("leaf", "authority.pem", "SSL_CERT_FILE"),
        ("unnamed", "unnamed.pem", "subjectAltName"),
    ] {
        let answer = draw(trusted, &TlsServer::start(certificate));
        assert_eq!(answer["status"], "failed", "{certificate}: {answer}");
        let error = answer["error"].as_str().unwrap();
        let start = "Failed to upload output: the connection failed: the certificate of the server is refused";
        assert!(
            error.starts_with(start) && error.contains(reason),
            "{error}"
        );
    }
}
