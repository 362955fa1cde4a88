//! How much time a prediction takes beside the drawing, here and on Cog's own server.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::Value;

use crate::cog::{self, Environment};
use crate::server::{self, Server};

/// Predictions on each of the two servers.
const TIMES: usize = 400;

/// Cog's own server, whose predictor draws nothing; stopped when dropped.
struct CogServer {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl CogServer {
    async fn start(environment: &Environment) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = server::free_port();
        let child = environment
            .server(folder.path(), &cog::schema())
            .env("PORT", port.to_string())
            .env("COG_LOG_LEVEL", "error")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            child,
            address: format!("http://127.0.0.1:{port}"),
            _folder: folder,
        };
        server.wait_until_ready(&server::client()).await;
        server
    }

    /// Its slot is free only some time after the answer.
    async fn wait_until_ready(&self, client: &Client) {
        let url = format!("{}/health-check", self.address);
        loop {
            let answer = client.get(&url).send().await;
            if let Ok(answer) = answer
                && answer.text().await.unwrap().contains("\"READY\"")
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

impl Drop for CogServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One prediction on each server in turn, so that both meet the same moods of the machine.
///
/// Told are the whole time that the client waits, and that time without `metrics.predict_time`.
/// Here that is the time beside the drawing. Cog's server counts the way to its worker and back as
/// part of the prediction; since its predictor draws nothing, there the whole wait is the time
/// beside the drawing.
pub(crate) async fn overhead() {
    let environment = Environment::prepare();
    let cog = match &environment {
        Ok(environment) => Some(CogServer::start(environment).await),
        Err(reason) => {
            println!("overhead: Cog's server cannot be had here: {reason}");
            None
        }
    };
    let clipdraw = Server::start(&[]).await;
    let (ours, theirs) = (server::client(), server::client());
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        here.push(predict(&ours, &clipdraw.url("/predictions")).await);
        if let Some(cog) = &cog {
            cog.wait_until_ready(&theirs).await;
            there.push(predict(&theirs, &format!("{}/predictions", cog.address)).await);
        }
    }
    for (name, times) in [
        ("clipdraw", here),
        ("Cog 0.23.1, which draws nothing", there),
    ] {
        if times.is_empty() {
            continue;
        }
        let (waits, beside) = times.into_iter().unzip();
        println!(
            "overhead: {name}, {TIMES} small predictions: the client waits {}; without \
             metrics.predict_time {}",
            crate::spread(waits),
            crate::spread(beside)
        );
    }
}

/// Seconds that a client waits for one prediction, and those without the time of the prediction.
async fn predict(client: &Client, url: &str) -> (f64, f64) {
    let began = Instant::now();
    let response = client.post(url).json(&crate::tiny()).send().await.unwrap();
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], "succeeded", "{body}");
    let waited = began.elapsed().as_secs_f64();
    let drawing = body["metrics"]["predict_time"].as_f64().unwrap();
    (waited, waited - drawing)
}
