//! Thousands of connections that do nothing, or little, beside drawings.

use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use reqwest::Client;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::server::{self, Server};

/// Connections on which nothing is sent.
const IDLE: usize = 5_000;
/// Connections on which a large response is read slowly, half of them over HTTP/2.
const SLOW: usize = 200;
/// Drawings whose times are compared.
const DRAWINGS: usize = 100;

/// A response that is larger than what sockets and windows hold.
const LARGE: &str = "/docs/swagger-ui-bundle.js";

/// Drawings and health checks without other connections, and then with very many.
pub(crate) async fn connections() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
    let server = Server::start(&["--idle-timeout", "600", "--header-timeout", "600"]).await;
    let client = server::client();
    // The first ones fill caches.
    times(&client, &server).await;
    let before = times(&client, &server).await;
    let memory = server.resident_megabytes();
    let mut idle = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        idle.push(connect(&server).await);
    }
    let mut slow = Vec::with_capacity(SLOW);
    for index in 0..SLOW {
        slow.push(if index % 2 == 0 {
            tokio::spawn(read_slowly(connect(&server).await))
        } else {
            tokio::spawn(read_slowly_on_http2(server.url(LARGE)))
        });
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let with = times(&client, &server).await;
    println!(
        "connections: {IDLE} idle and {SLOW} that read slowly take {:.1} MB; a tiny drawing takes \
         {} without them and {} with them; a health check {} and {}",
        server.resident_megabytes() - memory,
        crate::spread(before.0),
        crate::spread(with.0),
        crate::spread(before.1),
        crate::spread(with.1)
    );
    assert!(slow.iter().all(|reader| !reader.is_finished()));
    slow.iter().for_each(tokio::task::JoinHandle::abort);
}

async fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(server.address()).await.unwrap()
}

/// Seconds for each of some drawings, and for health checks on connections of their own.
async fn times(client: &Client, server: &Server) -> (Vec<f64>, Vec<f64>) {
    let mut drawings = Vec::with_capacity(DRAWINGS);
    let mut checks = Vec::with_capacity(DRAWINGS);
    for _ in 0..DRAWINGS {
        let began = Instant::now();
        let response = crate::post(client, server, &crate::tiny()).await;
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["status"], "succeeded");
        drawings.push(began.elapsed().as_secs_f64());
        let began = Instant::now();
        let health = server::client().get(server.url("/health-check")).send();
        assert!(health.await.unwrap().status().is_success());
        checks.push(began.elapsed().as_secs_f64());
    }
    (drawings, checks)
}

async fn read_slowly(mut stream: TcpStream) {
    let request = format!("GET {LARGE} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let _ = stream.write_all(request.repeat(20).as_bytes()).await;
    let mut bytes = [0; 1024];
    while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn read_slowly_on_http2(url: String) {
    let client = Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .http2_initial_stream_window_size(65_535)
        .http2_initial_connection_window_size(65_535)
        .build()
        .unwrap();
    let mut response = client.get(url).send().await.unwrap();
    while let Ok(Some(_)) = response.chunk().await {
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}
