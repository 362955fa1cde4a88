//! A stand-in for Hugging Face's hub on 127.0.0.1: one repository, its listing and its files.
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use serde_json::json;
use sha2::{Digest, Sha256};

/// A running server, which stops at the end of the test.
pub(crate) struct HubServer {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl HubServer {
    /// Serves these files in `repository`. For small files, which are those with the extension `.json`, the hub
    /// has no SHA-256.
    pub(crate) fn start(repository: &str, files: &[(&str, Vec<u8>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let mut answers = BTreeMap::new();
        let mut listing = Vec::new();
        for (name, bytes) in files {
            let mut file =
                json!({"type": "file", "path": name, "size": bytes.len(), "oid": "0123"});
            if Path::new(name).extension() != Some(OsStr::new("json")) {
                file["lfs"] =
                    json!({"oid": sha256(bytes), "size": bytes.len(), "pointerSize": 134});
            }
            listing.push(file);
            answers.insert(format!("/{repository}/resolve/main/{name}"), bytes.clone());
        }
        let listing = json!(listing).to_string().into_bytes();
        answers.insert(format!("/api/models/{repository}/tree/main"), listing);
        let requests = Arc::new(Mutex::new(Vec::new()));
        let asked = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let path = serve(stream, &answers);
                asked
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(path);
            }
        });
        Self { url, requests }
    }

    /// The paths that were requested.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn serve(mut stream: TcpStream, answers: &BTreeMap<String, Vec<u8>>) -> String {
    let mut lines = BufReader::new(&stream).lines();
    let first = lines.next().and_then(Result::ok).unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let start = lines
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .find_map(|line| {
            let line = line.to_lowercase();
            let start = line
                .strip_prefix("range: bytes=")?
                .trim_end_matches('-')
                .parse();
            start.ok()
        });
    let (status, range, body) = match (answers.get(&path), start) {
        (None, _) => (404, String::new(), &b"no such entry"[..]),
        (Some(file), None) => (200, String::new(), file.as_slice()),
        (Some(file), Some(start)) => {
            let start: usize = start;
            let (last, total) = (file.len() - 1, file.len());
            let range = format!("content-range: bytes {start}-{last}/{total}\r\n");
            (206, range, &file[start..])
        }
    };
    let head = format!(
        "HTTP/1.1 {status} Answer\r\nconnection: close\r\ncontent-length: {}\r\n{range}\r\n",
        body.len()
    );
    // The client may disconnect early.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
    path
}
