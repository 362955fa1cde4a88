//! A proxy between a browser and a server. It records every request, and can close all connections.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A proxy between a browser and a server. It records every request, and can close all connections.
pub(crate) struct Proxy {
    pub(crate) address: String,
    requests: Arc<Mutex<String>>,
    disconnect: Arc<Notify>,
}

impl Proxy {
    pub(crate) async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            requests: Arc::default(),
            disconnect: Arc::default(),
        };
        let (requests, disconnect) = (Arc::clone(&proxy.requests), Arc::clone(&proxy.disconnect));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                let (requests, disconnect) = (Arc::clone(&requests), Arc::clone(&disconnect));
                tokio::spawn(async move {
                    tokio::select! {
                        () = disconnect.notified() => {}
                        () = forward(client, server, &requests) => {}
                    }
                });
            }
        });
        proxy
    }

    /// Closes every connection. New ones are still accepted.
    pub(crate) fn disconnect(&self) {
        self.disconnect.notify_waiters();
    }

    /// The event numbers from which the browser asked to resume.
    pub(crate) fn resumptions(&self) -> Vec<usize> {
        let requests = self.requests.lock().unwrap();
        let lines = requests.lines().filter_map(|line| {
            let (name, number) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("last-event-id").then_some(number)
        });
        lines.map(|number| number.parse().unwrap()).collect()
    }
}

/// Forwards bytes both ways until one side ends.
async fn forward(client: TcpStream, server: TcpStream, requests: &Mutex<String>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let requesting = async {
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = from_client.read(&mut bytes).await {
            let text = String::from_utf8_lossy(&bytes[..length]);
            requests.lock().unwrap().push_str(&text);
            if to_server.write_all(&bytes[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = requesting => {}
        _ = tokio::io::copy(&mut from_server, &mut to_client) => {}
    }
}
