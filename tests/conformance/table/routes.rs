//! Which paths answer which methods, and what they say in every state of the server.

use super::super::case::{Case, Request, cancel, get, post, predict, put};
use super::{NO_PYTHON, ended, health_of_clipdraw, health_of_cog};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        Case::superset("where everything is", vec![get("/").into()]),
        Case::superset("the same over HTTP/2", vec![get("/").http2().into()]),
        Case::equal("the schema", vec![get("/openapi.json").into()]),
        health("READY", &ended("succeeded")),
        Case::equal(
            "HEAD of the schema",
            vec![Request::new("HEAD", "/openapi.json").into()],
        ),
        Case::better(
            "the page that `GET /` promises",
            vec![get("/docs").into(), get("/docs/").into()],
            "`GET /` says that it is there",
        )
        .answers("404\n404", "308 location: docs/\n200 text/html: <page>"),
        Case::better(
            "readiness for probes",
            vec![get("/ready").into()],
            "a probe reads a status and no JSON",
        )
        .answers(
            "404",
            r#"200 {"ready":true,"running":0,"status":"READY","waiting":0}"#,
        ),
        Case::better(
            "the predictions that are known",
            vec![get("/predictions").into()],
            "who has lost an answer can ask again",
        )
        .answers("405 allow: POST", r#"200 {"results":[]}"#),
        Case::better(
            "a prediction that is not known",
            vec![get("/predictions/nobody").into()],
            "the state of a prediction can be asked for",
        )
        .answers("405 allow: PUT", r#"404 {"error":"Prediction not found"}"#),
    ];
    cases.extend(methods());
    cases.extend(nowhere());
    cases
}

/// `/health-check` in a state; `setup` is what stands within that member.
fn health(status: &str, setup: &str) -> Case {
    Case::better("health", vec![get("/health-check").into()], NO_PYTHON).answers(
        health_of_cog(status, setup),
        health_of_clipdraw(status, setup),
    )
}

/// Wrong methods: the same status, and at least the same `allow`.
fn methods() -> Vec<Case> {
    let equal = [
        ("POST", "/"),
        ("DELETE", "/"),
        ("POST", "/health-check"),
        ("PUT", "/health-check"),
        ("OPTIONS", "/health-check"),
        ("POST", "/openapi.json"),
        ("GET", "/shutdown"),
        ("PUT", "/shutdown"),
        ("HEAD", "/shutdown"),
        ("GET", "/predictions/x/cancel"),
        ("PUT", "/predictions/x/cancel"),
        ("DELETE", "/predictions/x/cancel"),
        ("GET", "/trainings"),
        ("PUT", "/trainings"),
        ("GET", "/trainings/x"),
        ("POST", "/trainings/x"),
        ("GET", "/trainings/x/cancel"),
    ];
    let superset = [
        ("PUT", "/predictions"),
        ("PATCH", "/predictions"),
        ("DELETE", "/predictions"),
        ("OPTIONS", "/predictions"),
        ("POST", "/predictions/x"),
        ("DELETE", "/predictions/x"),
        ("PATCH", "/predictions/x"),
    ];
    let about = |method: &str, path: &str| format!("{method} where it means nothing: {path}");
    let equal = equal.map(|(method, path)| {
        Case::equal(about(method, path), vec![Request::new(method, path).into()])
    });
    let superset = superset.map(|(method, path)| {
        Case::superset(about(method, path), vec![Request::new(method, path).into()])
    });
    equal.into_iter().chain(superset).collect()
}

fn nowhere() -> Vec<Case> {
    let paths = [
        "/nope",
        "/predictions/",
        "/health-check/",
        "/openapi.json/",
        "/shutdown/",
        "/predictions/x/y",
        "/predictions/x/cancel/",
        "/predictions//cancel",
        "/trainings/",
        "/Predictions",
        "/v2/predictions",
        "/favicon.ico",
    ];
    let mut cases: Vec<_> = paths
        .map(|path| Case::equal(format!("no such path: {path}"), vec![get(path).into()]))
        .into();
    cases.push(Case::equal(
        "POST to no such path",
        vec![post("/nope").json("{}").into()],
    ));
    cases
}

/// Every request that needs the model, and those that do not.
fn without_a_model() -> Vec<Case> {
    vec![
        Case::equal("a prediction", vec![predict("$TINY").into()]),
        Case::equal(
            "a prediction in the background",
            vec![predict("$TINY").respond_async().into()],
        ),
        Case::equal(
            "a prediction under no id",
            vec![post("/predictions").json(r#"{"input":{$TINY}}"#).into()],
        ),
        Case::equal(
            "a training",
            vec![put("/trainings/$ID").json(r#"{"input":{$TINY}}"#).into()],
        ),
        Case::equal("to cancel nothing", vec![cancel().into()]),
        Case::equal(
            "a body that cannot be read",
            vec![post("/predictions").json("{").into()],
        ),
        Case::equal(
            "the id of another",
            vec![put("/predictions/$ID").json(r#"{"id":"x"}"#).into()],
        ),
        Case::equal(
            "a training as a stream",
            vec![post("/trainings").stream().json("{}").into()],
        ),
        Case::better(
            "a stream",
            vec![predict("$TINY").stream().into()],
            "the drawing can be streamed, only not yet",
        )
        .answers(
            r#"406 {"error":"This model does not support streaming responses. Add @cog.streaming to predict() to enable SSE."}"#,
            NOT_READY,
        ),
        Case::better(
            "wrong inputs",
            vec![predict(r#""seed":"x""#).into()],
            "inputs are wrong whether the model is there or not",
        )
        .answers(
            NOT_READY,
            r#"422 {"detail":[{"ctx":{"allowed":"a whole number from 0 to 9007199254740991"},"loc":["body","input","seed"],"msg":"\"x\" is not of type \"integer\"","type":"value_error"}]}"#,
        ),
        Case::better(
            "the schema",
            vec![get("/openapi.json").into()],
            "the inputs do not depend on the model",
        )
        .answers(
            r#"503 {"error":"OpenAPI schema not available"}"#,
            r#"200 {"components":{…},"info":{"title":"Cog","version":"0.23.1"},"openapi":"3.0.2","paths":{…}}"#,
        ),
        Case::superset("where everything is", vec![get("/").into()]),
    ]
}

const NOT_READY: &str = r#"503 {"error":"Setup has not finished yet. Wait until it has finished, or GET /health-check for status.","status":"failed"}"#;

pub(super) fn starting() -> Vec<Case> {
    let mut cases = without_a_model();
    cases.push(health(
        "STARTING",
        r#""started_at":"<time>","status":"starting""#,
    ));
    cases
}

pub(super) fn failed() -> Vec<Case> {
    let mut cases = without_a_model();
    cases.push(health("SETUP_FAILED", &ended("failed")));
    cases
}
