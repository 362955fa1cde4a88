//! What the `cog` command sends to a container, byte for byte and in its order, and whether it can
//! read what comes back.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::server::{Server, TIMEOUT};

/// How often the command asks for the health of the container.
const POLLING: Duration = Duration::from_millis(100);

/// How long it waits for that answer.
const HEALTH_TIMEOUT: Duration = Duration::from_millis(250);

/// The command, after it has started a container.
struct Client {
    server: Server,
}

impl Client {
    /// A container as `cog run IMAGE` starts it.
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clipdraw"));
        command
            .args(["serve", "--host", "127.0.0.1"])
            .env_clear()
            .env("CLIPDRAW_STORE", "none")
            .env("LOG_FORMAT", "console")
            .env("COG_LOG_LEVEL", "warning");
        let folder = tempfile::tempdir().unwrap();
        command.env("CLIPDRAW_WEIGHTS_DIR", folder.path());
        Self {
            server: Server::launch(command, folder),
        }
    }

    /// Waits as the command does: no answer means later, and every state but two is an error.
    async fn wait_until_ready(&self) {
        let polling = async {
            loop {
                let request = self.get("/health-check");
                let asking = self.exchange(&request);
                if let Ok(Ok((200, health))) = timeout(HEALTH_TIMEOUT, asking).await {
                    match health["status"].as_str().unwrap() {
                        "READY" => return,
                        "STARTING" => {}
                        other => panic!("the command gives up when a server is {other}"),
                    }
                }
                sleep(POLLING).await;
            }
        };
        timeout(TIMEOUT, polling).await.unwrap();
    }

    /// A GET as Go's client writes it.
    fn get(&self, path: &str) -> String {
        format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Go-http-client/1.1\r\nAccept-Encoding: gzip\r\n\r\n",
            self.server.address
        )
    }

    /// The POST, whose body has the inputs sorted by their names.
    fn post(&self, inputs: &str) -> String {
        let body = format!(r#"{{"input":{{{inputs}}},"context":{{}}}}"#);
        format!(
            "POST /predictions HTTP/1.1\r\nHost: {}\r\nUser-Agent: Go-http-client/1.1\r\nConnection: close\r\nContent-Length: {}\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n{body}",
            self.server.address,
            body.len()
        )
    }

    /// Sends bytes on a connection of their own; the status and the JSON of the answer.
    async fn exchange(&self, bytes: &str) -> std::io::Result<(u16, Value)> {
        let mut stream = TcpStream::connect(&self.server.address).await?;
        stream.write_all(bytes.as_bytes()).await?;
        let mut answer = Vec::new();
        let head = loop {
            if let Some(end) = answer.windows(4).position(|part| part == b"\r\n\r\n") {
                break end + 4;
            }
            read_some(&mut stream, &mut answer).await?;
        };
        let text = String::from_utf8(answer[..head].to_vec()).unwrap();
        let lines: Vec<_> = text.lines().map(str::to_lowercase).collect();
        assert!(
            lines.contains(&"content-type: application/json".to_owned()),
            "{text}"
        );
        let length = lines
            .iter()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().parse().unwrap();
        while answer.len() < head + length {
            read_some(&mut stream, &mut answer).await?;
        }
        if bytes.contains("Connection: close") {
            assert_eq!(stream.read(&mut [0]).await?, 0, "the server closes too");
        }
        let status = lines[0].split(' ').nth(1).unwrap().parse().unwrap();
        Ok((status, serde_json::from_slice(&answer[head..]).unwrap()))
    }

    /// `docker stop`.
    async fn stop(mut self) {
        self.server.terminate();
        assert_eq!(self.server.status().await, Some(0));
    }
}

async fn read_some(stream: &mut TcpStream, answer: &mut Vec<u8>) -> std::io::Result<()> {
    if stream.read_buf(answer).await? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// The schema of the answer, which the command looks up in the document, and without which it ends.
fn output_schema(document: &Value) -> Value {
    let response = &document["paths"]["/predictions"]["post"]["responses"]["200"];
    let response = resolve(document, &response["content"]["application/json"]["schema"]);
    assert_eq!(response["type"], "object");
    assert!(
        resolve(document, &json!({"$ref": "#/components/schemas/Input"}))["properties"].is_object()
    );
    resolve(document, &response["properties"]["output"])
}

fn resolve(document: &Value, schema: &Value) -> Value {
    match schema["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap().clone(),
        None => schema.clone(),
    }
}

/// Writes the files of an answer as the command does: `output.0.svg` and so on.
fn write_output(schema: &Value, output: &Value, folder: &Path) -> Vec<String> {
    assert_eq!(schema["type"], "array");
    assert_eq!(schema["items"], json!({"type": "string", "format": "uri"}));
    let files = output.as_array().unwrap().iter().enumerate();
    files
        .map(|(index, url)| {
            let (media, encoded) = url.as_str().unwrap().split_once(";base64,").unwrap();
            let extension = match media {
                "data:image/svg+xml" => "svg",
                "data:image/png" => "png",
                other => panic!("no data URL of a picture: {other}"),
            };
            let name = format!("output.{index}.{extension}");
            std::fs::write(folder.join(&name), STANDARD.decode(encoded).unwrap()).unwrap();
            name
        })
        .collect()
}

const TINY: &str = r#""num_augmentations":1,"num_iterations":1,"num_paths":2,"prompt":"a cat""#;

#[tokio::test]
async fn cog_run_gets_its_files() {
    let client = Client::start();
    client.wait_until_ready().await;
    let (status, document) = client.exchange(&client.get("/openapi.json")).await.unwrap();
    assert_eq!(status, 200);
    let (status, answer) = client.exchange(&client.post(TINY)).await.unwrap();
    assert_eq!((status, &answer["status"]), (200, &json!("succeeded")));
    assert!(answer["metrics"]["predict_time"].is_f64());
    let folder = TempDir::new().unwrap();
    let files = write_output(&output_schema(&document), &answer["output"], folder.path());
    assert_eq!(files, ["output.0.svg", "output.1.svg"]);
    for file in files {
        let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
        let picture = roxmltree::Document::parse(&text).unwrap();
        assert_eq!(picture.root_element().tag_name().name(), "svg");
    }
    let png = format!(r#"{TINY},"output_format":"png""#);
    let (_, answer) = client.exchange(&client.post(&png)).await.unwrap();
    let files = write_output(&output_schema(&document), &answer["output"], folder.path());
    assert_eq!(files, ["output.0.png", "output.1.png"]);
    client.stop().await;
}

#[tokio::test]
async fn cog_run_can_read_what_is_wrong_with_each_input() {
    let client = Client::start();
    client.wait_until_ready().await;
    let wrong = r#""background":"red","num_paths":0,"output_format":"jpeg","prompt":"","seed":-1"#;
    let (status, answer) = client.exchange(&client.post(wrong)).await.unwrap();
    assert_eq!(status, 422);
    let details = answer["detail"].as_array().unwrap();
    let mut names = Vec::new();
    for detail in details {
        let place: [String; 3] = serde_json::from_value(detail["loc"].clone()).unwrap();
        assert_eq!(place[..2], ["body", "input"]);
        assert!(detail["msg"].is_string());
        names.push(place[2].clone());
    }
    assert_eq!(
        names,
        ["background", "num_paths", "output_format", "prompt", "seed"]
    );
    client.stop().await;
}
