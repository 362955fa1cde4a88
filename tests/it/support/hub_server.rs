//! A stand-in for Hugging Face's hub on 127.0.0.1: one repository, its listing and its files. The repository may be
//! private, and its files may be on another server, as on the hub.
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
    requests: Arc<Mutex<Vec<Received>>>,
}

/// A request.
#[derive(Debug, Clone)]
struct Received {
    path: String,
    /// The value of `Authorization`.
    authorization: Option<String>,
}

/// What a server has, and what it wants.
#[derive(Debug, Default)]
struct Contents {
    answers: BTreeMap<String, Vec<u8>>,
    /// The value of `Authorization` that it wants, and its status for every other value.
    access: Option<(String, u16)>,
    /// The URL of the server that has the files.
    files_at: Option<String>,
}

impl HubServer {
    /// Serves these files in `repository`. For small files, which are those with the extension `.json`, the hub
    /// has no SHA-256.
    pub(crate) fn start(repository: &str, files: &[(&str, Vec<u8>)]) -> Self {
        Self::run(contents(repository, files))
    }

    /// The same for those who send this token. Others get the status. The files are on another server.
    pub(crate) fn start_private(
        repository: &str,
        files: &[(&str, Vec<u8>)],
        [token, files_at]: [&str; 2],
        status: u16,
    ) -> Self {
        Self::run(Contents {
            access: Some((format!("Bearer {token}"), status)),
            files_at: Some(files_at.to_owned()),
            ..contents(repository, files)
        })
    }

    fn run(contents: Contents) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let received = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                serve(stream, &contents, &received);
            }
        });
        Self { url, requests }
    }

    /// The paths that were requested.
    pub(crate) fn requests(&self) -> Vec<String> {
        let requests = self.received().into_iter();
        requests.map(|request| request.path).collect()
    }

    /// The values of `Authorization` in these requests.
    pub(crate) fn authorizations(&self) -> Vec<Option<String>> {
        let requests = self.received().into_iter();
        requests.map(|request| request.authorization).collect()
    }

    fn received(&self) -> Vec<Received> {
        let requests = self.requests.lock();
        requests.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn contents(repository: &str, files: &[(&str, Vec<u8>)]) -> Contents {
    let mut answers = BTreeMap::new();
    let mut listing = Vec::new();
    for (name, bytes) in files {
        let mut file = json!({"type": "file", "path": name, "size": bytes.len(), "oid": "0123"});
        if Path::new(name).extension() != Some(OsStr::new("json")) {
            file["lfs"] = json!({"oid": sha256(bytes), "size": bytes.len(), "pointerSize": 134});
        }
        listing.push(file);
        answers.insert(format!("/{repository}/resolve/main/{name}"), bytes.clone());
    }
    let listing = json!(listing).to_string().into_bytes();
    answers.insert(format!("/api/models/{repository}/tree/main"), listing);
    Contents {
        answers,
        ..Contents::default()
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest
        .iter()
        .fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn serve(mut stream: TcpStream, contents: &Contents, received: &Mutex<Vec<Received>>) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let headers: BTreeMap<String, String> = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (name, value) = line.split_once(": ")?;
            Some((name.to_lowercase(), value.to_owned()))
        })
        .collect();
    let authorization = headers.get("authorization").cloned();
    let (head, body) = answer(contents, &path, &headers);
    let request = Received {
        path,
        authorization,
    };
    let mut known = received.lock().unwrap_or_else(PoisonError::into_inner);
    known.push(request);
    drop(known);
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    // The client may disconnect early.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(body);
}

/// The status with further headers, and the body.
fn answer<'a>(
    contents: &'a Contents,
    path: &str,
    headers: &BTreeMap<String, String>,
) -> (String, &'a [u8]) {
    if let Some((expected, status)) = &contents.access
        && headers.get("authorization") != Some(expected)
    {
        return (format!("{status} Refused"), b"no access");
    }
    let Some(file) = contents.answers.get(path) else {
        return ("404 Missing".to_owned(), b"no such entry");
    };
    if let Some(other) = &contents.files_at
        && path.contains("/resolve/")
    {
        return (format!("302 Found\r\nlocation: {other}{path}"), b"");
    }
    let range = headers.get("range");
    let start = range.and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .trim_end_matches('-')
            .parse()
            .ok()
    });
    let Some(start) = start else {
        return ("200 Answer".to_owned(), file);
    };
    let start: usize = start;
    let (last, total) = (file.len() - 1, file.len());
    let range = format!("206 Answer\r\ncontent-range: bytes {start}-{last}/{total}");
    (range, &file[start..])
}
