//! Predictions over HTTP: the statuses and bodies of Cog's server, case by case.

use serde_json::{Value, json};
use wiremock::matchers::{body_partial_json, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::server::{Answer, Choices, TestServer, pause, small, with_id};

const BUSY: &str = r#"{"error":"At capacity - all prediction slots busy","status":"failed"}"#;

async fn server() -> TestServer {
    TestServer::start(Choices::default()).await
}

#[tokio::test]
async fn a_response_has_every_field_that_both_generations_of_cog_send() {
    let server = server().await;
    let mut request = with_id("my-id", "a cat");
    request["context"] = json!({"replicate_api_token": "hush"});
    request["created_at"] = json!("2024-01-01T00:00:00Z");
    let answer = server.post(&request).await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(body["id"], "my-id");
    assert_eq!(body["status"], "succeeded");
    assert_eq!(body["input"]["prompt"], "a cat");
    assert_eq!(
        body["input"]["num_augmentations"], 4,
        "defaults are filled in"
    );
    assert_eq!(body["output"].as_array().unwrap().len(), 4);
    assert!(body["logs"].as_str().unwrap().contains("step 3/3"));
    assert!(body["metrics"]["predict_time"].is_f64());
    for time in ["created_at", "started_at", "completed_at"] {
        let text = body[time].as_str().unwrap();
        assert!(text.parse::<jiff::Timestamp>().is_ok(), "{time} {text}");
    }
    assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    assert!(!answer.text.contains("null"), "{}", answer.text);
    assert!(!answer.text.contains("hush"), "{}", answer.text);
}

#[tokio::test]
async fn an_id_is_generated_if_there_is_none() {
    let server = server().await;
    let first = server.post(&small("a cat")).await.json();
    let mut request = small("a cat");
    request["id"] = Value::Null;
    let second = server.post(&request).await.json();
    assert_ne!(first["id"], second["id"]);
    assert_eq!(first["id"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn every_prediction_on_one_connection_finds_the_slot_free() {
    let server = server().await;
    for number in 0..100 {
        let answer = server.post(&small("a cat")).await;
        assert_eq!(answer.status, 200, "{number} {}", answer.text);
    }
}

#[tokio::test]
async fn a_prediction_in_the_background_can_be_queried_before_and_after_its_end() {
    let server = server().await;
    let accepted = server.post_async(&with_id("bg", "hold at 2")).await;
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.json()["id"], "bg");
    assert!(["starting", "processing"].contains(&accepted.json()["status"].as_str().unwrap()));
    server.hold().await;
    while server.get("/predictions/bg").await.json()["output"][1].is_null() {
        pause().await;
    }
    let halfway = server.get("/predictions/bg").await.json();
    assert_eq!(halfway["status"], "processing");
    assert!(halfway.get("completed_at").is_none());
    server.controls.release();
    let end = server.finished("bg").await;
    assert_eq!(end["status"], "succeeded");
    assert_eq!(end["output"].as_array().unwrap().len(), 4);
    let list = server.get("/predictions").await.json();
    assert_eq!(list["results"][0]["id"], "bg");
    assert!(list["results"][0].get("output").is_none());
    let unknown = server.get("/predictions/other").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.text, r#"{"error":"Prediction not found"}"#);
}

#[tokio::test]
async fn a_second_put_returns_the_running_prediction_whatever_its_input() {
    let server = server().await;
    let path = "/predictions/once";
    let request = server.request("PUT", path).json(&small("hold at 1"));
    let first = Answer::read(request.header("prefer", "respond-async")).await;
    assert_eq!(first.status, 202);
    server.hold().await;
    server.wait_for_events("once", 1).await;
    let invalid = json!({"id": "once", "input": {"num_paths": 0}});
    for body in [&small("a dog"), &invalid] {
        let again = server.send("PUT", path, body).await;
        assert_eq!(again.status, 202);
        assert_eq!(again.json()["input"]["prompt"], "hold at 1");
        assert_eq!(again.json()["status"], "processing");
    }
    let mismatch = server.send("PUT", path, &with_id("other", "a dog")).await;
    assert_eq!(
        mismatch.text,
        r#"{"detail":[{"loc":["body","id"],"msg":"prediction ID must match the ID supplied in the URL","type":"value_error"}]}"#
    );
    assert_eq!(mismatch.status, 422);
    server.controls.release();
    assert_eq!(server.finished("once").await["status"], "succeeded");
    let again = server.send("PUT", path, &small("a bird")).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.json()["input"]["prompt"], "a bird");
}

#[tokio::test]
async fn with_a_queue_predictions_wait_instead() {
    let server = TestServer::start(Choices {
        queue: 2,
        ..Choices::default()
    })
    .await;
    server.post_async(&with_id("first", "hold at 1")).await;
    server.hold().await;
    let waiting = server.post_async(&with_id("second", "a dog")).await.json();
    assert_eq!(waiting["status"], "starting");
    assert_eq!(server.get("/health-check").await.json()["status"], "READY");
    assert_eq!(
        server.post_async(&with_id("third", "a dog")).await.status,
        202
    );
    assert_eq!(server.post(&small("a dog")).await.text, BUSY);
    let ready = server.get("/ready").await;
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.json(),
        json!({"ready": true, "status": "BUSY", "running": 1, "waiting": 2})
    );
    assert_eq!(server.cancel("second").await.status, 200);
    assert_eq!(server.finished("second").await["status"], "canceled");
    server.controls.release();
    assert_eq!(server.finished("third").await["status"], "succeeded");
}

#[tokio::test]
async fn a_prediction_can_be_cancelled_more_than_once_until_it_ends() {
    let server = server().await;
    let path = "/predictions/long";
    let sync = tokio::spawn(Answer::read(
        server.request("PUT", path).json(&small("hold at 2")),
    ));
    server.hold().await;
    for _ in 0..3 {
        let answer = server.cancel("long").await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"));
    }
    server.controls.release();
    let answer = sync.await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["status"], "canceled");
    assert!(answer.json().get("error").is_none());
    for id in ["long", "unknown"] {
        let answer = server.cancel(id).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (404, "{}"));
    }
}

#[tokio::test]
async fn a_drawing_that_fails_or_panics_is_an_answer_with_what_there_was() {
    let server = server().await;
    for (prompt, message) in [
        (
            "fail at 2",
            "Prediction failed: the loss of the centre term is not finite in step 2",
        ),
        (
            "panic at 2",
            "Prediction failed: the worker panicked: told to panic",
        ),
    ] {
        let answer = server.post(&small(prompt)).await;
        assert_eq!(answer.status, 200);
        let body = answer.json();
        assert_eq!(body["status"], "failed");
        assert_eq!(body["error"], message);
        assert_eq!(body["output"].as_array().unwrap().len(), 2);
        assert!(body["logs"].as_str().unwrap().contains("step 1/3"));
        assert_eq!(server.get("/health-check").await.json()["status"], "READY");
    }
}

#[tokio::test]
async fn files_and_webhooks_are_sent_to_the_urls_in_the_request() {
    let elsewhere = MockServer::start().await;
    Mock::given(method("PUT"))
        .respond_with(ResponseTemplate::new(200))
        .expect(4)
        .mount(&elsewhere)
        .await;
    Mock::given(method("POST"))
        .and(body_partial_json(
            json!({"status": "succeeded", "id": "sent"}),
        ))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&elsewhere)
        .await;
    let server = server().await;
    let mut request = with_id("sent", "a cat");
    request["webhook"] = json!(format!("{}/hook", elsewhere.uri()));
    request["webhook_events_filter"] = json!(["completed"]);
    request["output_file_prefix"] = json!(format!("{}/files/sent-", elsewhere.uri()));
    let body = server.post(&request).await.json();
    let first = body["output"][0].as_str().unwrap();
    assert!(
        first.starts_with(&format!("{}/files/sent-", elsewhere.uri())),
        "{first}"
    );
    while elsewhere.received_requests().await.unwrap().len() < 5 {
        pause().await;
    }
}

#[tokio::test]
async fn trainings_are_predictions_without_a_stream_as_in_cog() {
    let server = server().await;
    let answer = server.send("POST", "/trainings", &small("a cat")).await;
    assert_eq!(answer.json()["status"], "succeeded");
    let answer = server.send("PUT", "/trainings/t", &small("a cat")).await;
    assert_eq!(answer.json()["id"], "t");
    let request = server.request("POST", "/trainings").json(&small("a cat"));
    let answer = Answer::read(request.header("accept", "text/event-stream")).await;
    assert_eq!(answer.status, 406);
    assert_eq!(
        answer.text,
        r#"{"error":"Training endpoints do not support streaming responses."}"#
    );
}
