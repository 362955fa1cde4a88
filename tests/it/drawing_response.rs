//! The finished drawing itself as the response, for clients that ask for an image.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::server::{Answer, Choices, TestServer, small, with_id};

async fn server() -> TestServer {
    TestServer::start(Choices::default()).await
}

/// A response with its body as bytes.
struct Image {
    status: u16,
    headers: HeaderMap,
    bytes: Vec<u8>,
}

async fn image(server: &TestServer, method: &str, path: &str, accept: &str, body: &Value) -> Image {
    let mut request = server.request(method, path).header("accept", accept);
    if !body.is_null() {
        request = request.json(body);
    }
    let response = request.send().await.unwrap();
    Image {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        bytes: response.bytes().await.unwrap().to_vec(),
    }
}

/// The file in a prediction's last output.
fn last_file(state: &Value) -> Vec<u8> {
    let url = state["output"].as_array().unwrap().last().unwrap();
    let (_, base64) = url.as_str().unwrap().split_once(";base64,").unwrap();
    STANDARD.decode(base64).unwrap()
}

fn is_png(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x89PNG\r\n\x1a\n")
}

#[tokio::test]
async fn post_put_and_get_answer_with_the_finished_drawing() {
    let server = server().await;
    for (method, path) in [
        ("POST", "/predictions"),
        ("PUT", "/predictions/fox"),
        ("GET", "/predictions/fox"),
        ("POST", "/trainings"),
    ] {
        let body = match method {
            "GET" => Value::Null,
            _ => with_id("fox", "a cat"),
        };
        let answer = image(&server, method, path, "image/svg+xml", &body).await;
        assert_eq!(answer.status, 200, "{method}");
        assert_eq!(answer.headers["content-type"], "image/svg+xml");
        assert_eq!(answer.headers["x-prediction-id"], "fox");
        assert_eq!(answer.headers["vary"], "accept");
        assert_eq!(
            answer.headers["content-disposition"],
            "inline; filename=\"fox.svg\""
        );
        let state = server.get("/predictions/fox").await.json();
        assert_eq!(answer.bytes, last_file(&state), "{method}");
        assert!(answer.bytes.starts_with(b"<svg"), "{method}");
    }
}

#[tokio::test]
async fn the_header_decides_the_format() {
    let server = server().await;
    server
        .send("PUT", "/predictions/svg", &small("a cat"))
        .await;
    let mut png = small("a cat");
    png["input"]["output_format"] = "png".into();
    server.send("PUT", "/predictions/png", &png).await;
    let drawn_as_png = last_file(&server.get("/predictions/png").await.json());
    for (id, accept, status, media_type) in [
        ("svg", "image/svg+xml", 200, "image/svg+xml"),
        ("svg", "image/png", 200, "image/png"),
        ("svg", "image/*", 200, "image/svg+xml"),
        (
            "svg",
            "image/png;q=0.2, image/svg+xml;q=0.1",
            200,
            "image/png",
        ),
        ("png", "image/png", 200, "image/png"),
        ("png", "image/*", 200, "image/png"),
        ("png", "image/svg+xml", 406, "application/json"),
        ("svg", "image/jpeg", 406, "application/json"),
        ("svg", "image/webp, image/gif", 406, "application/json"),
        ("svg", "*/*", 200, "application/json"),
        ("svg", "application/json", 200, "application/json"),
        (
            "svg",
            "image/svg+xml;q=0.9, application/json",
            200,
            "application/json",
        ),
        ("svg", "text/html, */*;q=0.8", 200, "application/json"),
    ] {
        let path = format!("/predictions/{id}");
        let answer = image(&server, "GET", &path, accept, &Value::Null).await;
        let found = answer.headers["content-type"].to_str().unwrap();
        assert_eq!(
            (answer.status, found),
            (status, media_type),
            "{id} {accept}"
        );
        if media_type == "image/png" {
            assert!(is_png(&answer.bytes), "{accept}");
            assert_eq!(answer.bytes, drawn_as_png, "the same pixels");
        }
        if status == 406 {
            let error: Value = serde_json::from_slice(&answer.bytes).unwrap();
            let error = error["error"].as_str().unwrap();
            assert!(error.contains("image/png"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_format_that_is_not_available_is_refused_before_anything_is_drawn() {
    let server = server().await;
    let mut png = small("hold at 0");
    png["input"]["output_format"] = "png".into();
    for (accept, body) in [("image/svg+xml", &png), ("image/jpeg", &small("hold at 0"))] {
        for (method, path) in [("POST", "/predictions"), ("PUT", "/predictions/x")] {
            let answer = image(&server, method, path, accept, body).await;
            assert_eq!(answer.status, 406, "{method} {accept}");
        }
    }
    let wrong = json!({"input": {"seed": "x"}});
    let answer = image(&server, "POST", "/predictions", "image/jpeg", &wrong).await;
    assert_eq!(answer.status, 422, "inputs are checked first");
    assert_eq!(server.known().await.len(), 0);
}

#[tokio::test]
async fn without_a_finished_drawing_the_answer_is_an_error_in_json() {
    let server = server().await;
    let get = async |id: &str| {
        let path = format!("/predictions/{id}");
        let answer = image(&server, "GET", &path, "image/svg+xml", &Value::Null).await;
        assert_eq!(answer.headers["content-type"], "application/json");
        let body: Value = serde_json::from_slice(&answer.bytes).unwrap();
        (answer.status, body)
    };
    let failed = image(
        &server,
        "POST",
        "/predictions",
        "image/svg+xml",
        &with_id("failed", "fail at 1"),
    )
    .await;
    assert_eq!(failed.status, 500);
    let (status, body) = get("failed").await;
    assert_eq!((status, &body["status"]), (500, &json!("failed")));
    let state = server.get("/predictions/failed").await.json();
    assert_eq!(body["error"], state["error"]);
    assert_eq!(body["id"], "failed");

    server.post_async(&with_id("held", "hold at 1")).await;
    server.hold().await;
    let (status, body) = get("held").await;
    assert_eq!((status, &body["status"]), (409, &json!("processing")));
    assert!(body["error"].as_str().unwrap().contains("not finished"));
    server.cancel("held").await;
    server.controls.release();
    server.finished("held").await;
    let (status, body) = get("held").await;
    assert_eq!((status, &body["status"]), (409, &json!("canceled")));
    assert!(body["error"].as_str().unwrap().contains("was canceled"));
    assert_eq!(get("nobody").await.0, 404);
}

#[tokio::test]
async fn a_second_put_waits_for_the_drawing_but_streams_and_background_requests_are_not_affected() {
    let server = server().await;
    server.post_async(&with_id("a", "hold at 1")).await;
    server.hold().await;
    let request = server.request("PUT", "/predictions/a").json(&json!({}));
    let request = request.header("accept", "image/svg+xml");
    let waiting = tokio::spawn(Answer::read(request));
    let request = server.request("PUT", "/predictions/a").json(&json!({}));
    let request = request.header("accept", "image/svg+xml");
    let in_background = Answer::read(request.header("prefer", "respond-async")).await;
    assert_eq!(in_background.status, 202);
    server.controls.release();
    let answer = waiting.await.unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.text.starts_with("<svg"), "{}", answer.text);

    let request = server.request("GET", "/predictions/a");
    let stream = Answer::read(request.header("accept", "image/svg+xml, text/event-stream")).await;
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
}

#[tokio::test]
async fn a_drawing_that_was_uploaded_is_answered_with_a_redirect() {
    let store = MockServer::start().await;
    for verb in ["PUT", "GET"] {
        Mock::given(method(verb))
            .respond_with(ResponseTemplate::new(200).set_body_string("stored"))
            .mount(&store)
            .await;
    }
    let server = server().await;
    let mut body = with_id("a", "a cat");
    body["output_file_prefix"] = format!("{}/files/", store.uri()).into();
    let answer = image(&server, "POST", "/predictions", "image/svg+xml", &body).await;
    // The client follows the redirect.
    assert_eq!((answer.status, &answer.bytes[..]), (200, &b"stored"[..]));
    let requests = store.received_requests().await.unwrap();
    let last = requests.last().unwrap();
    assert_eq!(last.method.as_str(), "GET");
    assert_eq!(last.url.path(), "/files/drawing-00003.svg");
    let other = image(&server, "GET", "/predictions/a", "image/png", &Value::Null).await;
    assert_eq!(other.status, 406, "an uploaded file cannot be converted");
}
