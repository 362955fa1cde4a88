//! The messages have the shape of those that the clients were tried with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::client::{body, create, reload, server};
use crate::support::server::Answer;

/// What the stand-in answered with, from whose answers the clients' rules were found.
fn captured() -> Value {
    serde_json::from_str(include_str!("captured.json")).unwrap()
}

/// The members of an object with the types of their values.
fn shape(value: &Value) -> BTreeMap<&str, &'static str> {
    let kind = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "text",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    let members = value.as_object().unwrap().iter();
    members
        .map(|(name, value)| (name.as_str(), kind(value)))
        .collect()
}

/// Checks that a message has every member of a captured one, with the same type.
fn assert_like(name: &str, message: &Value) {
    let captured = captured();
    let (expected, found) = (shape(&captured[name]), shape(message));
    for (member, kind) in &expected {
        assert_eq!(found.get(member), Some(kind), "{name}: {member}");
    }
}

#[tokio::test]
async fn predictions_have_the_members_of_the_captured_ones() {
    let server = server().await;
    let model = "clipdraw/clipdraw";
    let started = Answer::read(create(&server, model, &body("a cat")))
        .await
        .json();
    assert_like("started", &started);
    server.finished(started["id"].as_str().unwrap()).await;
    let ended = reload(&server, &started).await;
    assert_like("succeeded", &ended);
    assert_eq!(
        shape(&ended["urls"]),
        shape(&captured()["succeeded"]["urls"])
    );
    let waited = create(&server, model, &body("sleep 1500 long")).header("prefer", "wait=1");
    assert_like("waited", &Answer::read(waited).await.json());
    let path = "/v1/deployments/clipdraw/clipdraw/predictions";
    let deployed = server.send("POST", path, &body("a cat")).await;
    assert_like("deployed", &deployed.json());
    let failed = create(&server, model, &body("fail at 0")).header("prefer", "wait");
    let mut failed = Answer::read(failed).await.json();
    failed["output"] = json!(null);
    assert_like("failed", &failed);
}

#[tokio::test]
async fn everything_else_has_the_members_of_the_captured_answers() {
    let server = server().await;
    let get = async |path: &str| server.get(path).await.json();
    let model = get("/v1/models/clipdraw/clipdraw").await;
    assert_like("model", &model);
    assert_like("version", &model["latest_version"]);
    let versions = get("/v1/models/clipdraw/clipdraw/versions").await;
    assert_like("page", &versions);
    assert_like("version", &versions["results"][0]);
    assert_like("account", &get("/v1/account").await);
    assert_like("hardware", &get("/v1/hardware").await[0]);
    assert_like("secret", &get("/v1/webhooks/default/secret").await);
    let deployment = get("/v1/deployments/clipdraw/clipdraw").await;
    assert_like("deployment", &deployment);
    assert_like("release", &deployment["current_release"]);
    let missing = server.get("/v1/predictions/nothing").await;
    assert_like("problem", &serde_json::from_str(&missing.text).unwrap());
    let invalid = create(
        &server,
        "clipdraw/clipdraw",
        &json!({"input": {"num_paths": 0}}),
    );
    let invalid: Value = serde_json::from_str(&Answer::read(invalid).await.text).unwrap();
    assert_like("invalid", &invalid);
    assert_like("field", &invalid["invalid_fields"][0]);
}
