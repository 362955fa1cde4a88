//! Rejected requests for predictions: because of their body, inputs or URLs, or for lack of memory or slots.

use clipdraw::delivery::{AddressPolicy, PrivateAddresses};
use serde_json::{Value, json};

use crate::support::server::{Answer, Choices, TestServer, small, with_id};

const BUSY: &str = r#"{"error":"At capacity - all prediction slots busy","status":"failed"}"#;

async fn server() -> TestServer {
    TestServer::start(Choices::default()).await
}

/// The one entry of a refusal.
fn detail(answer: &Answer) -> Value {
    assert_eq!(answer.status, 422, "{}", answer.text);
    let body = answer.json();
    let details = body["detail"].as_array().unwrap();
    assert_eq!(details.len(), 1, "{}", answer.text);
    details[0].clone()
}

#[tokio::test]
async fn a_busy_server_refuses_in_every_way_and_checks_inputs_first() {
    let server = server().await;
    server.post_async(&with_id("long", "hold at 1")).await;
    server.hold().await;
    let other = small("a dog");
    let stream = server.request("POST", "/predictions").json(&other);
    let stream = stream.header("accept", "text/event-stream");
    for answer in [
        server.post(&other).await,
        server.post_async(&other).await,
        Answer::read(stream).await,
        server.send("PUT", "/predictions/x", &other).await,
        server.send("POST", "/trainings", &other).await,
    ] {
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (409, BUSY));
    }
    let wrong = server.post(&json!({"input": {"num_paths": "x"}})).await;
    assert_eq!(detail(&wrong)["loc"], json!(["body", "input", "num_paths"]));
    let same = server.post(&with_id("long", "a dog")).await;
    assert_eq!(same.status, 409);
    assert!(
        same.json()["error"]
            .as_str()
            .unwrap()
            .contains("long is running already")
    );
    server.controls.release();
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_as_axum_does_it() {
    let server = server().await;
    let json = Some("application/json");
    let large = format!("{{\"id\": \"{}\"}}", "x".repeat(1 << 20));
    let cases = [
        (
            json,
            "",
            400,
            "Failed to parse the request body as JSON: EOF while parsing a value at line 1 column 0",
        ),
        (
            json,
            "{\"input\": ",
            400,
            "Failed to parse the request body as JSON: input: EOF while parsing a value at line 1 column 10",
        ),
        (
            json,
            "{\"id\": 5}",
            422,
            "Failed to deserialize the JSON body into the target type: id: invalid type: integer `5`, expected a string at line 1 column 8",
        ),
        (
            Some("text/plain"),
            "{}",
            415,
            "Expected request with `Content-Type: application/json`",
        ),
        (
            json,
            &large,
            413,
            "Failed to buffer the request body: length limit exceeded",
        ),
    ];
    for (content_type, body, status, text) in cases {
        let mut request = server.request("POST", "/predictions").body(body.to_owned());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let answer = Answer::read(request).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(answer.text, text);
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
    }
}

#[tokio::test]
async fn without_a_content_type_the_body_is_ignored() {
    let server = server().await;
    let request = server
        .request("POST", "/predictions")
        .body("no JSON at all");
    let answer = Answer::read(request.header("prefer", "respond-async")).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json()["input"]["num_paths"], 256);
    server.cancel(answer.json()["id"].as_str().unwrap()).await;
}

#[tokio::test]
async fn the_error_names_inputs_and_fields_that_are_not_allowed() {
    let server = server().await;
    let cases = [
        (
            json!({"input": "str"}),
            json!(["body", "input", "__root__"]),
            "\"str\" is not of type \"object\"",
        ),
        (
            json!({"input": [1]}),
            json!(["body", "input", "__root__"]),
            "[1] is not of type \"object\"",
        ),
        (
            json!({"input": {"num_paths": 0}}),
            json!(["body", "input", "num_paths"]),
            "0 is less than the minimum of 1",
        ),
        (
            json!({"id": ""}),
            json!(["body", "id"]),
            "prediction ID must be 1 to 128",
        ),
        (
            json!({"id": "../x"}),
            json!(["body", "id"]),
            "prediction ID must be 1 to 128",
        ),
        (
            json!({"webhook": "not a url"}),
            json!(["body", "webhook"]),
            "is not a web address",
        ),
        (
            json!({"webhook": "ftp://a.example"}),
            json!(["body", "webhook"]),
            "only http and https",
        ),
        (
            json!({"output_file_prefix": "file:///etc"}),
            json!(["body", "output_file_prefix"]),
            "only http and https",
        ),
        (
            json!({"output_file_prefix": 5}),
            json!(["body", "output_file_prefix"]),
            "must be a web address",
        ),
    ];
    for (body, place, message) in cases {
        let detail = detail(&server.post(&body).await);
        assert_eq!(detail["loc"], place);
        assert!(
            detail["msg"].as_str().unwrap().contains(message),
            "{detail}"
        );
    }
    let answer = server
        .send("PUT", "/predictions/a%20b", &small("a cat"))
        .await;
    assert_eq!(detail(&answer)["loc"], json!(["body", "id"]));
}

#[tokio::test]
async fn unknown_inputs_are_ignored_and_noted_in_the_log() {
    let server = server().await;
    let mut request = small("a cat");
    request["input"]["guidance"] = json!(7);
    let answer = server.post(&request).await;
    assert_eq!(answer.status, 200);
    assert!(answer.json()["logs"].as_str().unwrap().contains("guidance"));
}

#[tokio::test]
async fn urls_that_the_policy_refuses_are_rejected_with_the_request() {
    let policy = AddressPolicy {
        private_addresses: PrivateAddresses::Refused,
        ..AddressPolicy::default()
    };
    let server = TestServer::start(Choices {
        policy,
        ..Choices::default()
    })
    .await;
    for field in ["webhook", "output_file_prefix"] {
        let mut request = small("a cat");
        request[field] = json!("http://127.0.0.1:9/x");
        let detail = detail(&server.post(&request).await);
        assert_eq!(detail["loc"], json!(["body", field]));
        assert!(
            detail["msg"].as_str().unwrap().contains("private"),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn the_error_for_output_that_does_not_fit_into_memory_says_what_does() {
    let mut choices = Choices::default();
    choices.limits.output_bytes = 1_000_000;
    let server = TestServer::start(choices).await;
    let request =
        json!({"input": {"num_paths": 256, "num_iterations": 600, "display_frequency": 1}});
    let answer = server.post(&request).await;
    let detail = detail(&answer);
    assert_eq!(detail["loc"], json!(["body", "input", "display_frequency"]));
    let message = detail["msg"].as_str().unwrap();
    let (_, rest) = message.split_once("at least ").unwrap();
    let enough: u64 = rest.split(' ').next().unwrap().parse().unwrap();
    let mut request = request;
    request["input"]["prompt"] = json!("hold at 0");
    for (every, status) in [(enough - 1, 422), (enough, 202)] {
        request["input"]["display_frequency"] = json!(every);
        let answer = server.post_async(&request).await;
        assert_eq!(answer.status, status, "{every} {}", answer.text);
    }
    server.service.cancel_all().await;
    server.controls.release();
}

#[tokio::test]
async fn a_body_of_very_many_values_is_refused() {
    let mut choices = Choices::default();
    choices.limits.body_bytes = 1 << 24;
    let server = TestServer::start(choices).await;
    let mut request = small("a cat");
    request["input"]["unknown"] = json!(vec![0; 200_000]);
    let answer = server.post(&request).await;
    assert_eq!(answer.status, 422);
    let message = "Failed to deserialize the JSON body into the target type: input";
    assert!(answer.text.starts_with(message), "{}", answer.text);
    assert!(
        answer.text.contains("more than 100000 values"),
        "{}",
        answer.text
    );
    let mut request = small("a cat");
    request["context"] = (0..200_000)
        .map(|key| (key.to_string(), json!("")))
        .collect();
    assert_eq!(server.post(&request).await.status, 200);
}

#[tokio::test]
async fn inputs_beside_input_are_refused_and_nothing_is_drawn() {
    let server = server().await;
    let bodies = [
        json!({"prompt": "a cat", "num_paths": 4}),
        json!({"inputs": {"prompt": "a cat"}}),
        json!({"Input": {"prompt": "a cat"}}),
        json!({"input": {"prompt": "a cat"}, "seed": 7}),
        json!({"promt": "a cat"}),
        json!({"data": {"prompt": "a cat"}}),
    ];
    for body in &bodies {
        for (method, path) in [
            ("POST", "/predictions"),
            ("PUT", "/predictions/x"),
            ("POST", "/trainings"),
            ("PUT", "/trainings/x"),
        ] {
            let answer = server.send(method, path, body).await;
            assert_eq!(answer.status, 422, "{method} {path} {body}");
            let detail = answer.json()["detail"][0].clone();
            assert_eq!(detail["loc"][0], "body", "{detail}");
            let message = detail["msg"].as_str().unwrap();
            assert!(message.contains("put the inputs under `input`"), "{detail}");
        }
    }
    assert_eq!(server.known().await.len(), 0);
    let empty = server.request("PUT", "/predictions/empty").json(&json!({}));
    let empty = Answer::read(empty.header("prefer", "respond-async")).await;
    assert_eq!(
        empty.status, 202,
        "an empty body means the defaults, as in Cog"
    );
    server.cancel("empty").await;
}
