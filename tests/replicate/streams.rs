//! The event stream under `/v1/streams`.

use serde_json::{Value, json};

use crate::client::{body, create, path, problem, server, start};
use crate::support::server::{Answer, Choices, TestServer};

/// The events of a stream: name, id and data.
fn events(text: &str) -> Vec<(String, u64, String)> {
    let blocks = text
        .split("\n\n")
        .filter(|block| !block.is_empty() && !block.starts_with(':'));
    let event = |block: &str| {
        let value = |name: &str| {
            let lines = block.split('\n');
            let values: Vec<_> = lines.filter_map(|line| line.strip_prefix(name)).collect();
            values.join("\n")
        };
        (
            value("event: "),
            value("id: ").parse().unwrap(),
            value("data: "),
        )
    };
    blocks.map(event).collect()
}

async fn stream(server: &TestServer, state: &Value, after: Option<u64>) -> Answer {
    let mut request = server.request("GET", path(server, &state["urls"]["stream"]));
    request = request.header("accept", "text/event-stream");
    if let Some(after) = after {
        request = request.header("last-event-id", after);
    }
    Answer::read(request).await
}

#[tokio::test]
async fn the_events_are_output_logs_and_done_and_each_has_an_id() {
    let server = server().await;
    let state = start(&server, "a cat").await;
    let answer = stream(&server, &state, None).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let all = events(&answer.text);
    let names: Vec<_> = all.iter().map(|(name, ..)| name.as_str()).collect();
    let pairs = ["logs", "output"].repeat(4);
    assert_eq!(names, [&["logs"][..], &pairs, &["done"]].concat());
    assert!(all.is_sorted_by(|one, next| one.1 < next.1), "{all:?}");
    let cog = server.finished(state["id"].as_str().unwrap()).await;
    let files: Vec<_> = all
        .iter()
        .filter(|event| event.0 == "output")
        .map(|event| json!(event.2))
        .collect();
    assert_eq!(json!(files), cog["output"], "bare addresses, not JSON");
    let log: String = all
        .iter()
        .filter(|event| event.0 == "logs")
        .map(|event| event.2.as_str())
        .collect();
    assert!(log.contains("\n 33%|###3      | 1/3 ["), "{log}");
    assert_eq!(all.last().unwrap().2, "{}");
}

#[tokio::test]
async fn a_stream_continues_after_the_last_event_that_the_client_has() {
    let server = server().await;
    let state = start(&server, "a cat").await;
    let all = events(&stream(&server, &state, None).await.text);
    for (index, event) in all.iter().enumerate() {
        let answer = stream(&server, &state, Some(event.1)).await;
        if index + 1 == all.len() {
            assert_eq!(answer.status, 204, "it has seen the end");
        } else {
            assert_eq!(events(&answer.text), all[index + 1..], "after {}", event.1);
        }
    }
}

#[tokio::test]
async fn a_failure_is_an_error_with_a_detail_before_done() {
    let server = server().await;
    let state = start(&server, "fail at 1").await;
    let all = events(&stream(&server, &state, None).await.text);
    let [.., error, done] = &all[..] else {
        panic!("{all:?}")
    };
    assert_eq!(error.0, "error");
    let detail: Value = serde_json::from_str(&error.2).unwrap();
    assert!(detail["detail"].as_str().unwrap().contains("centre term"));
    assert_eq!(
        (done.0.as_str(), done.2.as_str()),
        ("done", r#"{"reason":"error"}"#)
    );
}

#[tokio::test]
async fn a_cancelled_prediction_ends_with_its_reason() {
    let server = server().await;
    let state = start(&server, "sleep 50 for long").await;
    server.cancel(state["id"].as_str().unwrap()).await;
    let all = events(&stream(&server, &state, None).await.text);
    assert_eq!(all.last().unwrap().2, r#"{"reason":"canceled"}"#);
}

#[tokio::test]
async fn the_stream_of_the_model_with_one_file_has_one_output() {
    let server = server().await;
    let model = "clipdraw/clipdraw-final";
    let state = Answer::read(create(&server, model, &body("a cat")))
        .await
        .json();
    let all = events(&stream(&server, &state, None).await.text);
    let outputs: Vec<_> = all.iter().filter(|event| event.0 == "output").collect();
    assert_eq!(outputs.len(), 1);
    let cog = server.finished(state["id"].as_str().unwrap()).await;
    assert_eq!(cog["output"][3], outputs[0].2);
    let rest = events(&stream(&server, &state, Some(outputs[0].1)).await.text);
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!(rest[0].0, "done");
}

#[tokio::test]
async fn the_address_of_a_stream_needs_no_authorization_but_its_own_token() {
    let server = TestServer::start(Choices {
        token: Some("r8_test"),
        ..Choices::default()
    })
    .await;
    let request = create(&server, "clipdraw/clipdraw", &body("a cat"));
    let state = Answer::read(request.bearer_auth("r8_test")).await.json();
    let address = path(&server, &state["urls"]["stream"]);
    assert_eq!(server.get(address).await.status, 200);
    let (bare, _) = address.split_once('?').unwrap();
    for wrong in [
        bare.to_owned(),
        format!("{bare}?token=x"),
        address.replace("token", "tok"),
    ] {
        let refused = server.get(&wrong).await;
        assert_eq!(refused.status, 401, "{wrong}");
        problem(&refused);
    }
    let request = server.request("GET", bare).bearer_auth("r8_test");
    assert_eq!(Answer::read(request).await.status, 200);
    let other = server
        .get(&format!("{bare}x?{}", address.split_once('?').unwrap().1))
        .await;
    assert_eq!(other.status, 401, "the token of another stream");
}
