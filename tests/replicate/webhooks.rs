//! Webhooks in Replicate's form, and their signatures.

use clipdraw::secret::WebhookKey;
use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::client::{body, create, problem, reload, server};
use crate::support::server::{Answer, TestServer, pause, small};

async fn receiver() -> MockServer {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    server
}

async fn key(server: &TestServer) -> WebhookKey {
    let secret = server.get("/v1/webhooks/default/secret").await.json();
    secret["key"].as_str().unwrap().parse().unwrap()
}

/// The messages, after the last of which `completed` has come.
async fn messages(server: &TestServer, receiver: &MockServer) -> Vec<Request> {
    while server.webhooks.pending() > 0 {
        pause().await;
    }
    receiver.received_requests().await.unwrap()
}

fn assert_signed(request: &Request, key: &WebhookKey) {
    let header = |name: &str| request.headers[name].to_str().unwrap();
    let timestamp: i64 = header("webhook-timestamp").parse().unwrap();
    let now = jiff::Timestamp::now().as_second();
    assert!((now - 60..=now).contains(&timestamp));
    let expected = key.sign(header("webhook-id"), timestamp, &request.body);
    assert_eq!(header("webhook-signature"), expected);
}

#[tokio::test]
async fn a_webhook_is_the_prediction_as_get_shows_it_and_is_signed() {
    let (server, receiver) = (server().await, receiver().await);
    let mut body = body("a cat");
    body["webhook"] = json!(receiver.uri());
    body["webhook_events_filter"] = json!(["completed"]);
    let answer = Answer::read(create(&server, "clipdraw/clipdraw", &body))
        .await
        .json();
    server.finished(answer["id"].as_str().unwrap()).await;
    let messages = messages(&server, &receiver).await;
    let [message] = &messages[..] else {
        panic!("{}", messages.len())
    };
    let sent: Value = message.body_json().unwrap();
    assert_eq!(sent, reload(&server, &answer).await);
    assert_signed(message, &key(&server).await);
}

#[tokio::test]
async fn without_a_filter_there_are_webhooks_about_output_and_the_end() {
    let (server, receiver) = (server().await, receiver().await);
    let mut body = body("a cat");
    body["webhook"] = json!(receiver.uri());
    create(&server, "clipdraw/clipdraw", &body)
        .send()
        .await
        .unwrap();
    let messages = messages(&server, &receiver).await;
    for message in &messages {
        let sent: Value = message.body_json().unwrap();
        assert!(
            sent["output"].is_array(),
            "no message about the start or the log alone"
        );
    }
    let last: Value = messages.last().unwrap().body_json().unwrap();
    assert_eq!(last["status"], "succeeded");
}

#[tokio::test]
async fn the_old_name_of_a_webhook_gets_the_end_only() {
    let (server, receiver) = (server().await, receiver().await);
    let mut body = body("a cat");
    body["webhook_completed"] = json!(receiver.uri());
    create(&server, "clipdraw/clipdraw", &body)
        .send()
        .await
        .unwrap();
    let messages = messages(&server, &receiver).await;
    assert_eq!(messages.len(), 1);
    let sent: Value = messages[0].body_json().unwrap();
    assert_eq!(sent["status"], "succeeded");
}

#[tokio::test]
async fn webhooks_of_cogs_protocol_keep_their_form_and_are_signed_too() {
    let (server, receiver) = (server().await, receiver().await);
    let mut body = small("a cat");
    body["webhook"] = json!(receiver.uri());
    let answer = server.post(&body).await.json();
    let messages = messages(&server, &receiver).await;
    let last: Value = messages.last().unwrap().body_json().unwrap();
    assert_eq!(last, answer);
    let key = key(&server).await;
    for message in &messages {
        assert_signed(message, &key);
    }
}

#[tokio::test]
async fn an_address_that_the_policy_refuses_is_an_invalid_field() {
    let server = server().await;
    let mut body = body("a cat");
    body["webhook"] = json!("ftp://a.example");
    let refused = Answer::read(create(&server, "clipdraw/clipdraw", &body)).await;
    assert_eq!(refused.status, 422);
    assert_eq!(problem(&refused)["invalid_fields"][0]["field"], "webhook");
}
