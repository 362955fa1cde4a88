//! A receiver of webhooks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// A message: its name and the state in it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) state: Value,
    /// Whether it was answered with 200.
    pub(crate) is_accepted: bool,
}

/// Takes all messages.
pub(crate) struct Receiver {
    pub(crate) url: String,
    messages: Arc<Mutex<Vec<Message>>>,
    refuses: Arc<AtomicBool>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let messages: Arc<Mutex<Vec<Message>>> = Arc::default();
        let refuses: Arc<AtomicBool> = Arc::default();
        let (received, refusing) = (Arc::clone(&messages), Arc::clone(&refuses));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (received, refusing) = (Arc::clone(&received), Arc::clone(&refusing));
                thread::spawn(move || serve(stream.unwrap(), &received, &refusing));
            }
        });
        Self {
            url,
            messages,
            refuses,
        }
    }

    /// Answers all messages with 503 from now on, or with 200 again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    pub(crate) fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, received: &Mutex<Vec<Message>>, refuses: &AtomicBool) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let (mut length, mut name) = (0, String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim();
            if line.is_empty() {
                break;
            }
            let (key, value) = line.split_once(':').unwrap_or_default();
            match key.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "webhook-id" => value.trim().clone_into(&mut name),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let state = serde_json::from_slice(&body).unwrap();
        let is_accepted = !refuses.load(Ordering::SeqCst);
        received.lock().unwrap().push(Message {
            name,
            state,
            is_accepted,
        });
        let status = if is_accepted {
            "200 OK"
        } else {
            "503 Service Unavailable"
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
