//! The time from a request to its 202, with predictions in memory and in a file.

use std::time::Instant;

use crate::server::{self, Server};
use crate::{spread, tiny};

/// Requests, one after another.
const REQUESTS: usize = 500;

/// Prints the times with and without a file.
pub(crate) async fn accept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("store");
    for (name, store) in [("in memory", "none"), ("in a file", file.to_str().unwrap())] {
        let server = Server::start(&["--queue", "1000", "--store", store]).await;
        let client = server::client();
        let mut times = Vec::new();
        for _ in 0..REQUESTS {
            let request = client.post(server.url("/predictions"));
            let request = request.header("prefer", "respond-async").json(&tiny());
            let began = Instant::now();
            let answer = request.send().await.unwrap();
            times.push(began.elapsed().as_secs_f64());
            assert_eq!(answer.status(), 202);
        }
        println!(
            "accept: {REQUESTS} answers with 202, predictions {name}: {}",
            spread(times)
        );
    }
}
