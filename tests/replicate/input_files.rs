//! Files that clients send, to name their addresses as inputs.

use std::time::Duration;

use clipdraw::delivery::{AddressPolicy, PrivateAddresses};
use clipdraw::service::InputFileLimits;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::client::{body, create, path, problem, reload};
use crate::support::server::{Answer, Choices, TestServer};

const TOKEN: &str = "r8_test";

const SVG: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 224 224">
<path d="M10 10C60 20 90 80 200 200" fill="none" stroke="#d22" stroke-width="4"/></svg>"##;

/// A server that fetches nothing: no host is allowed.
async fn server_with(input_files: InputFileLimits) -> TestServer {
    TestServer::start(Choices {
        token: Some(TOKEN),
        long_queue: 8,
        policy: AddressPolicy {
            allowed_hosts: Some(Vec::new()),
            private_addresses: PrivateAddresses::Refused,
        },
        input_files,
        ..Choices::default()
    })
    .await
}

async fn server() -> TestServer {
    server_with(InputFileLimits::default()).await
}

/// A request that sends a file.
fn sending(server: &TestServer, content: &[u8]) -> RequestBuilder {
    let head = "--x\r\nContent-Disposition: form-data; name=\"content\"; filename=\"a b.svg\"\r\n\
        Content-Type: image/svg+xml\r\n\r\n";
    let metadata = "\r\n--x\r\nContent-Disposition: form-data; name=\"metadata\"\r\n\r\n{\"a\": 1}";
    let form = [
        head.as_bytes(),
        content,
        metadata.as_bytes(),
        b"\r\n--x--\r\n",
    ]
    .concat();
    server
        .request("POST", "/v1/files")
        .header("content-type", "multipart/form-data; boundary=x")
        .bearer_auth(TOKEN)
        .body(form)
}

async fn send(server: &TestServer, content: &[u8]) -> Value {
    let answer = Answer::read(sending(server, content)).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()
}

async fn request(server: &TestServer, method: &str, path: &str) -> Answer {
    Answer::read(server.request(method, path).bearer_auth(TOKEN)).await
}

/// The answer to a request for a drawing that starts from a file.
async fn draw(server: &TestServer, address: &Value, prompt: &str) -> Answer {
    let mut body = body(prompt);
    body["input"]["init_svg"] = address.clone();
    let request = create(server, "clipdraw/clipdraw", &body).bearer_auth(TOKEN);
    Answer::read(request).await
}

#[tokio::test]
async fn a_file_is_sent_shown_listed_downloaded_and_deleted() {
    let server = server().await;
    let file = send(&server, SVG.as_bytes()).await;
    assert_eq!(file["name"], "a b.svg");
    assert_eq!(file["content_type"], "image/svg+xml");
    assert_eq!(file["size"], SVG.len());
    assert_eq!(file["metadata"], json!({"a": 1}));
    assert_eq!(file["checksums"]["sha256"].as_str().unwrap().len(), 64);
    let other = send(&server, b"another").await;
    let address = path(&server, &file["urls"]["get"]).to_owned();
    assert_eq!(
        address,
        format!("/v1/files/{}", file["id"].as_str().unwrap())
    );
    assert_eq!(request(&server, "GET", &address).await.json(), file);
    let page = request(&server, "GET", "/v1/files").await.json();
    assert_eq!(page["results"].as_array().unwrap().len(), 2);
    assert!(page["results"].as_array().unwrap().contains(&other));
    let downloaded = request(&server, "GET", &format!("{address}/download")).await;
    assert_eq!(downloaded.text, SVG);
    assert_eq!(downloaded.header("content-type"), Some("image/svg+xml"));
    assert_eq!(
        downloaded.header("content-disposition"),
        Some("attachment; filename*=UTF-8''a%20b.svg"),
        "a browser does not show what is not from this server"
    );
    assert_eq!(request(&server, "DELETE", &address).await.status, 204);
    for (method, path) in [
        ("GET", address.clone()),
        ("DELETE", address.clone()),
        ("GET", format!("{address}/download")),
    ] {
        let answer = request(&server, method, &path).await;
        assert_eq!(answer.status, 404, "{method} {path}");
        problem(&answer);
    }
}

#[tokio::test]
async fn a_file_is_an_input_by_its_address_under_every_name_although_nothing_is_fetched() {
    let server = server().await;
    let file = send(&server, SVG.as_bytes()).await;
    let id = file["id"].as_str().unwrap();
    let elsewhere = json!(format!("https://draw.example.com/prefix/v1/files/{id}"));
    for address in [&file["urls"]["get"], &elsewhere] {
        let answer = draw(&server, address, "a cat").await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        let state = answer.json();
        let prediction = server.service.find(state["id"].as_str().unwrap()).await;
        prediction.unwrap().unwrap().finished().await;
        let request = server.request("GET", path(&server, &state["urls"]["get"]));
        let end = Answer::read(request.bearer_auth(TOKEN)).await.json();
        assert_eq!(end["status"], "succeeded", "{end}");
        assert_eq!(&end["input"]["init_svg"], address);
    }
    let foreign = json!("http://127.0.0.1/v1/files/cneqzikepnug6xezperrr4z55o");
    let answer = draw(&server, &foreign, "a cat").await;
    assert_eq!(
        answer.status, 422,
        "another host's file is fetched, if that is allowed"
    );
    assert!(
        problem(&answer)["detail"]
            .as_str()
            .unwrap()
            .contains("init_svg")
    );
}

#[tokio::test]
async fn a_file_that_is_not_kept_any_more_is_refused_by_the_name_of_the_input() {
    let server = server().await;
    let file = send(&server, SVG.as_bytes()).await;
    let address = path(&server, &file["urls"]["get"]).to_owned();
    let first = draw(&server, &Value::Null, "hold at 1").await;
    assert_eq!(first.status, 201, "{}", first.text);
    server.hold().await;
    let second = draw(&server, &file["urls"]["get"], "a cat").await.json();
    assert_eq!(request(&server, "DELETE", &address).await.status, 204);
    let third = draw(&server, &file["urls"]["get"], "a cat").await;
    assert_eq!(third.status, 422, "{}", third.text);
    let detail = problem(&third)["detail"].as_str().unwrap().to_owned();
    assert!(
        detail.contains("input.init_svg: this server does not keep that file"),
        "{detail}"
    );
    server.controls.release();
    let prediction = server.service.find(second["id"].as_str().unwrap()).await;
    let end = prediction.unwrap().unwrap().finished().await;
    let error = end.error.unwrap();
    assert!(
        error.contains("init_svg") && error.contains("send it again with POST /v1/files"),
        "{error}"
    );
}

#[tokio::test]
async fn only_the_download_of_a_file_needs_no_token_and_its_address_has_a_signature() {
    let server = server().await;
    let file = send(&server, SVG.as_bytes()).await;
    let other = send(&server, b"another").await;
    let address = path(&server, &file["urls"]["get"]);
    for (method, path) in [
        ("GET", address),
        ("DELETE", address),
        ("GET", "/v1/files"),
        ("POST", "/v1/files"),
        ("GET", &format!("{address}/download")),
    ] {
        let answer = Answer::read(server.request(method, path)).await;
        assert_eq!(answer.status, 401, "{method} {path}");
        problem(&answer);
    }
    let download = path(&server, &file["urls"]["download"]);
    assert_eq!(server.get(download).await.text, SVG);
    let (_, query) = download.split_once('?').unwrap();
    let id = other["id"].as_str().unwrap();
    for wrong in [
        format!("/v1/files/{id}/download?{query}"),
        download.replace("expiry=1", "expiry=2"),
        download.replace("owner=clipdraw", "owner=other"),
    ] {
        assert_eq!(server.get(&wrong).await.status, 401, "{wrong}");
    }
}

#[tokio::test]
async fn a_file_expires() {
    let server = server_with(InputFileLimits {
        keep_for: Duration::from_millis(1200),
        ..InputFileLimits::default()
    })
    .await;
    let file = send(&server, SVG.as_bytes()).await;
    let address = path(&server, &file["urls"]["get"]).to_owned();
    assert_eq!(request(&server, "GET", &address).await.status, 200);
    sleep(Duration::from_millis(1300)).await;
    assert_eq!(request(&server, "GET", &address).await.status, 404);
    let page = request(&server, "GET", "/v1/files").await.json();
    assert_eq!(page["results"], json!([]));
    let download = server.get(path(&server, &file["urls"]["download"])).await;
    assert_eq!(download.status, 410);
    let answer = draw(&server, &file["urls"]["get"], "a cat").await;
    assert_eq!(answer.status, 422);
}

#[tokio::test]
async fn a_file_for_which_there_is_no_room_is_refused_with_the_limit() {
    let server = server_with(InputFileLimits {
        total_bytes: 1000,
        ..InputFileLimits::default()
    })
    .await;
    let first = send(&server, &[b'a'; 600]).await;
    let answer = Answer::read(sending(&server, &[b'b'; 600])).await;
    assert_eq!(
        answer.status, 507,
        "the JavaScript client sends a data URL after this"
    );
    let detail = problem(&answer)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("1000 bytes together"), "{detail}");
    let address = path(&server, &first["urls"]["get"]).to_owned();
    assert_eq!(request(&server, "DELETE", &address).await.status, 204);
    send(&server, &[b'b'; 600]).await;
    let none = server_with(InputFileLimits {
        total_bytes: 0,
        ..InputFileLimits::default()
    })
    .await;
    let answer = Answer::read(sending(&none, b"abc")).await;
    assert_eq!(answer.status, 501);
    problem(&answer);
}

#[tokio::test]
async fn a_client_that_sends_too_much_reads_why_it_is_refused() {
    let mut choices = Choices::default();
    choices.limits.body_bytes = 100 << 20;
    let server = TestServer::start(choices).await;
    let answer = Answer::read(sending(&server, &vec![b'a'; 30 << 20])).await;
    assert_eq!(answer.status, 413);
    let detail = problem(&answer)["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("10485760 bytes"), "{detail}");
}

#[tokio::test]
async fn a_file_is_described_in_a_prediction_and_not_repeated() {
    let server = TestServer::start(Choices::default()).await;
    let file = send(&server, SVG.as_bytes()).await;
    let state = draw(&server, &file["urls"]["get"], "a cat").await.json();
    server.finished(state["id"].as_str().unwrap()).await;
    let end = reload(&server, &state).await;
    assert_eq!(end["status"], "succeeded", "{end}");
    assert_eq!(end["input"]["init_svg"], file["urls"]["get"]);
}
