//! A file server on 127.0.0.1 with one scripted response for each connection, which may be wrong.
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

/// What the server does with one request.
#[derive(Debug, Clone)]
pub(crate) enum ScriptedAnswer {
    /// Sends the file, or the part of it that was asked for.
    File,
    /// Sends the whole file, whatever part of it was asked for.
    WholeFile,
    /// Sends the right headers, so many bytes of the body, and hangs up.
    Truncated(usize),
    /// Sends another part of the file than was asked for.
    OtherRange,
    /// Sends a status line and a short text.
    Status(u16),
    /// Sends this instead of the file.
    Other(Vec<u8>),
}

/// A running server. It ends when its answers are used up.
pub(crate) struct FileServer {
    pub(crate) url: String,
    thread: JoinHandle<Vec<String>>,
}

impl FileServer {
    /// Serves `file`, one answer per request.
    pub(crate) fn start(file: &[u8], answers: &[ScriptedAnswer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (file, answers) = (file.to_vec(), answers.to_vec());
        let thread = thread::spawn(move || {
            answers
                .iter()
                .map(|answer| {
                    let (stream, _) = listener.accept().expect("a connection");
                    serve(stream, &file, answer)
                })
                .collect()
        });
        Self { url, thread }
    }

    /// Waits for the last answer and returns the head of each request, in lower case.
    pub(crate) fn requests(self) -> Vec<String> {
        self.thread.join().expect("the server does not panic")
    }
}

fn serve(mut stream: TcpStream, file: &[u8], answer: &ScriptedAnswer) -> String {
    let head = read_head(&stream);
    let start = asked_start(&head);
    let (status, range, body, declared) = match answer {
        ScriptedAnswer::File if start.is_some_and(|start| start >= file.len()) => {
            (416, None, Vec::new(), 0)
        }
        ScriptedAnswer::File => {
            let from = start.unwrap_or(0);
            let body = file[from..].to_vec();
            let declared = body.len();
            (
                if start.is_some() { 206 } else { 200 },
                start,
                body,
                declared,
            )
        }
        ScriptedAnswer::WholeFile => (200, None, file.to_vec(), file.len()),
        ScriptedAnswer::Truncated(count) => (200, None, file[..*count].to_vec(), file.len()),
        ScriptedAnswer::OtherRange => (206, Some(1), file[1..].to_vec(), file.len() - 1),
        ScriptedAnswer::Status(status) => (*status, None, b"sorry".to_vec(), 5),
        ScriptedAnswer::Other(body) => (200, None, body.clone(), body.len()),
    };
    let mut text = format!(
        "HTTP/1.1 {status} Scripted\r\nconnection: close\r\ncontent-length: {declared}\r\n"
    );
    if let Some(start) = range {
        let (last, total) = (file.len() - 1, file.len());
        let range = format!("content-range: bytes {start}-{last}/{total}\r\n");
        text.push_str(&range);
    }
    // A client that has seen enough may hang up; what it received is judged by the test.
    let _ = stream.write_all((text + "\r\n").as_bytes());
    let _ = stream.write_all(&body);
    head
}

fn read_head(stream: &TcpStream) -> String {
    BufReader::new(stream)
        .lines()
        .map(|line| line.expect("a readable request").to_lowercase())
        .take_while(|line| !line.is_empty())
        .fold(String::new(), |head, line| head + &line + "\n")
}

fn asked_start(head: &str) -> Option<usize> {
    let range = head.split_once("range: bytes=")?.1;
    range.split_once('-')?.0.parse().ok()
}
