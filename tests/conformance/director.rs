//! How Replicate runs a model: it starts `python -m cog.server.http` in the image, creates
//! predictions by PUT in the background, gets their states by webhook, and shuts the server down over HTTP.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::receiver::{Received, Receiver};
use super::server::{LOOKING, Server, TIMEOUT, client};

const ID: &str = "rm3k7dhx5hrma0ch6nv8wv2zv4";

/// A server as it starts in the image, by the program there that is named `python`.
fn start(receiver: &Receiver) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = folder.path().join("python");
    std::fs::copy(root.join("docker/python"), &python).unwrap();
    symlink(
        env!("CARGO_BIN_EXE_clipdraw"),
        folder.path().join("clipdraw"),
    )
    .unwrap();
    let mut command = Command::new(python);
    command
        .args(["-m", "cog.server.http", "--await-explicit-shutdown=true"])
        .args(["--upload-url", &format!("{}/files", receiver.address)])
        .args(["--host", "127.0.0.1"])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("CLIPDRAW_WEIGHTS_DIR", folder.path())
        .env("CLIPDRAW_STORE", "none")
        .env("WEBHOOK_AUTH_TOKEN", "hush");
    Server::launch(command, folder)
}

fn request(receiver: &Receiver) -> Value {
    json!({
        "id": ID,
        "input": {
            "prompt": "a cat", "num_paths": 2, "num_iterations": 200, "display_frequency": 100,
            "num_augmentations": 1, "seed": 7
        },
        "context": {},
        "created_at": "2026-11-26T06:00:00.000Z",
        "webhook": format!("{}/hook/{ID}", receiver.address),
        "webhook_events_filter": ["start", "output", "logs", "completed"],
    })
}

/// The messages, once the last one has come.
async fn messages_of(receiver: &Receiver) -> Vec<(Received, Value)> {
    let end = Instant::now() + TIMEOUT;
    loop {
        let messages = receiver
            .about(ID)
            .into_iter()
            .filter(|one| one.method == "POST");
        let messages: Vec<_> = messages
            .map(|one| {
                let body: Value = serde_json::from_slice(&one.body).unwrap();
                (one, body)
            })
            .collect();
        let last = messages.last().map(|(_, body)| body["status"].clone());
        if last.is_some_and(|status| status != "processing") {
            return messages;
        }
        assert!(Instant::now() < end, "{messages:?}");
        sleep(LOOKING).await;
    }
}

#[tokio::test]
async fn replicates_director_creates_hears_and_shuts_down() {
    let receiver = Receiver::start().await;
    let mut server = start(&receiver);
    assert!(server.becomes("READY").await, "{}", server.log());
    let put = async || {
        let request = client()
            .put(format!("http://{}/predictions/{ID}", server.address))
            .header("prefer", "respond-async")
            .header(
                "traceparent",
                "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            )
            .json(&request(&receiver));
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.json::<Value>().await.unwrap())
    };
    // The director asks again when an answer is late.
    let (first, second) = (put().await, put().await);
    assert_eq!((first.0, &first.1["status"]), (202, &json!("starting")));
    assert_eq!((second.0, &second.1["id"]), (202, &json!(ID)));

    let messages = messages_of(&receiver).await;
    assert_eq!(messages[0].1["status"], "processing");
    for (message, _) in &messages {
        assert_eq!(message.headers["authorization"], "Bearer hush");
        assert_eq!(
            message.headers["traceparent"],
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        );
    }
    let last = &messages.last().unwrap().1;
    assert_eq!(last["status"], "succeeded");
    let files: Vec<_> = ["00000", "00100", "00200"]
        .map(|step| format!("{}/files/{ID}/drawing-{step}.svg", receiver.address))
        .into();
    assert_eq!(last["output"], json!(files), "it was drawn once");
    let uploads = receiver
        .about(ID)
        .into_iter()
        .filter(|one| one.method == "PUT");
    assert_eq!(uploads.count(), 3);

    server.terminate();
    assert!(server.becomes("READY").await, "SIGTERM is ignored");
    let shutdown = client().post(format!("http://{}/shutdown", server.address));
    assert_eq!(shutdown.send().await.unwrap().text().await.unwrap(), "{}");
    assert_eq!(server.status().await, Some(0));
}
