//! Statuses and bodies of the HTTP interface, case by case as Cog's server answers them.

use clipdraw::outbound::{Policy, PrivateAddresses};
use clipdraw::service::HealthStatus;
use reqwest::StatusCode;
use serde_json::{Value, json};
use wiremock::matchers::{body_partial_json, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::site::{Answer, Choices, Site, named, pause, small};

const BUSY: &str = r#"{"error":"At capacity - all prediction slots busy","status":"failed"}"#;

async fn site() -> Site {
    Site::start(Choices::default()).await
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
async fn every_path_answers_its_methods_and_no_others() {
    let site = site().await;
    let cases = [
        ("GET", "/", 200, ""),
        ("HEAD", "/", 200, ""),
        ("GET", "/health-check", 200, ""),
        ("HEAD", "/health-check", 200, ""),
        ("GET", "/ready", 200, ""),
        ("GET", "/openapi.json", 200, ""),
        ("GET", "/metrics", 200, ""),
        ("GET", "/predictions", 200, ""),
        ("POST", "/health-check", 405, "GET,HEAD"),
        ("GET", "/shutdown", 405, "POST"),
        ("OPTIONS", "/predictions", 405, "GET,HEAD,POST"),
        ("DELETE", "/predictions/a", 405, "GET,HEAD,PUT"),
        ("GET", "/predictions/a/cancel", 405, "POST"),
        ("GET", "/nope", 404, ""),
        ("POST", "/predictions/", 404, ""),
        ("GET", "/health-check/", 404, ""),
        ("GET", "/docs/nope.js", 404, ""),
    ];
    for (method, path, status, allowed) in cases {
        let answer = Answer::read(site.request(method, path)).await;
        assert_eq!(answer.status, status, "{method} {path}");
        if status != 200 {
            assert_eq!(answer.text, "", "{method} {path}");
            assert_eq!(
                answer.header("allow").unwrap_or(""),
                allowed,
                "{method} {path}"
            );
        }
    }
}

#[tokio::test]
async fn the_root_tells_where_everything_is() {
    let site = site().await;
    let root = site.get("/").await.json();
    assert_eq!(root["cog_version"], "0.23.1");
    assert_eq!(
        root["predictions_cancel_url"],
        "/predictions/{prediction_id}/cancel"
    );
    for name in [
        "docs_url",
        "healthcheck_url",
        "openapi_url",
        "predictions_url",
        "ready_url",
    ] {
        let path = root[name].as_str().unwrap();
        assert_eq!(site.get(path).await.status, 200, "{name} {path}");
    }
}

#[tokio::test]
async fn an_answer_holds_everything_that_both_generations_of_cog_send() {
    let site = site().await;
    let mut request = named("my-id", "a cat");
    request["context"] = json!({"replicate_api_token": "hush"});
    request["created_at"] = json!("2024-01-01T00:00:00Z");
    let answer = site.post(&request).await;
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
async fn an_id_is_made_up_if_there_is_none() {
    let site = site().await;
    let first = site.post(&small("a cat")).await.json();
    let mut request = small("a cat");
    request["id"] = Value::Null;
    let second = site.post(&request).await.json();
    assert_ne!(first["id"], second["id"]);
    assert_eq!(first["id"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn every_prediction_on_one_connection_finds_the_slot_free() {
    let site = site().await;
    for number in 0..100 {
        let answer = site.post(&small("a cat")).await;
        assert_eq!(answer.status, 200, "{number} {}", answer.text);
    }
}

#[tokio::test]
async fn a_prediction_in_the_background_can_be_asked_for_until_and_after_its_end() {
    let site = site().await;
    let accepted = site.post_async(&named("bg", "hold at 2")).await;
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.json()["id"], "bg");
    assert!(["starting", "processing"].contains(&accepted.json()["status"].as_str().unwrap()));
    site.hold().await;
    while site.get("/predictions/bg").await.json()["output"][1].is_null() {
        pause().await;
    }
    let halfway = site.get("/predictions/bg").await.json();
    assert_eq!(halfway["status"], "processing");
    assert!(halfway.get("completed_at").is_none());
    site.controls.release();
    let end = site.finished("bg").await;
    assert_eq!(end["status"], "succeeded");
    assert_eq!(end["output"].as_array().unwrap().len(), 4);
    let list = site.get("/predictions").await.json();
    assert_eq!(list["results"][0]["id"], "bg");
    assert!(list["results"][0].get("output").is_none());
    let unknown = site.get("/predictions/other").await;
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.text, r#"{"error":"Prediction not found"}"#);
}

#[tokio::test]
async fn a_second_put_shows_the_prediction_that_runs_whatever_it_asks_for() {
    let site = site().await;
    let path = "/predictions/once";
    let request = site.request("PUT", path).json(&small("hold at 1"));
    let first = Answer::read(request.header("prefer", "respond-async")).await;
    assert_eq!(first.status, 202);
    site.hold().await;
    let invalid = json!({"id": "once", "input": {"num_paths": 0}});
    for body in [&small("a dog"), &invalid] {
        let again = site.send("PUT", path, body).await;
        assert_eq!(again.status, 202);
        assert_eq!(again.json()["input"]["prompt"], "hold at 1");
        assert_eq!(again.json()["status"], "processing");
    }
    let mismatch = site.send("PUT", path, &named("other", "a dog")).await;
    assert_eq!(
        mismatch.text,
        r#"{"detail":[{"loc":["body","id"],"msg":"prediction ID must match the ID supplied in the URL","type":"value_error"}]}"#
    );
    assert_eq!(mismatch.status, 422);
    site.controls.release();
    assert_eq!(site.finished("once").await["status"], "succeeded");
    let anew = site.send("PUT", path, &small("a bird")).await;
    assert_eq!(anew.status, 200);
    assert_eq!(anew.json()["input"]["prompt"], "a bird");
}

#[tokio::test]
async fn a_busy_server_refuses_in_every_way_and_checks_inputs_first() {
    let site = site().await;
    site.post_async(&named("long", "hold at 1")).await;
    site.hold().await;
    let other = small("a dog");
    let stream = site.request("POST", "/predictions").json(&other);
    let stream = stream.header("accept", "text/event-stream");
    for answer in [
        site.post(&other).await,
        site.post_async(&other).await,
        Answer::read(stream).await,
        site.send("PUT", "/predictions/x", &other).await,
        site.send("POST", "/trainings", &other).await,
    ] {
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (409, BUSY));
    }
    let wrong = site.post(&json!({"input": {"num_paths": "x"}})).await;
    assert_eq!(detail(&wrong)["loc"], json!(["body", "input", "num_paths"]));
    let same = site.post(&named("long", "a dog")).await;
    assert_eq!(same.status, 409);
    assert!(
        same.json()["error"]
            .as_str()
            .unwrap()
            .contains("long is running already")
    );
    site.controls.release();
}

#[tokio::test]
async fn with_a_queue_predictions_wait_instead() {
    let site = Site::start(Choices {
        queue: 2,
        ..Choices::default()
    })
    .await;
    site.post_async(&named("first", "hold at 1")).await;
    site.hold().await;
    let waiting = site.post_async(&named("second", "a dog")).await.json();
    assert_eq!(waiting["status"], "starting");
    assert_eq!(site.get("/health-check").await.json()["status"], "READY");
    assert_eq!(site.post_async(&named("third", "a dog")).await.status, 202);
    assert_eq!(site.post(&small("a dog")).await.text, BUSY);
    let ready = site.get("/ready").await;
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.json(),
        json!({"ready": true, "status": "BUSY", "running": 1, "waiting": 2})
    );
    assert_eq!(site.cancel("second").await.status, 200);
    assert_eq!(site.finished("second").await["status"], "canceled");
    site.controls.release();
    assert_eq!(site.finished("third").await["status"], "succeeded");
}

#[tokio::test]
async fn a_prediction_can_be_cancelled_more_than_once_until_it_ends() {
    let site = site().await;
    let path = "/predictions/long";
    let sync = tokio::spawn(Answer::read(
        site.request("PUT", path).json(&small("hold at 2")),
    ));
    site.hold().await;
    for _ in 0..3 {
        let answer = site.cancel("long").await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"));
    }
    site.controls.release();
    let answer = sync.await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["status"], "canceled");
    assert!(answer.json().get("error").is_none());
    for id in ["long", "unknown"] {
        let answer = site.cancel(id).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (404, "{}"));
    }
}

#[tokio::test]
async fn a_drawing_that_fails_or_panics_is_an_answer_with_what_there_was() {
    let site = site().await;
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
        let answer = site.post(&small(prompt)).await;
        assert_eq!(answer.status, 200);
        let body = answer.json();
        assert_eq!(body["status"], "failed");
        assert_eq!(body["error"], message);
        assert_eq!(body["output"].as_array().unwrap().len(), 2);
        assert!(body["logs"].as_str().unwrap().contains("step 1/3"));
        assert_eq!(site.get("/health-check").await.json()["status"], "READY");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_refused_as_axum_does_it() {
    let site = site().await;
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
        let mut request = site.request("POST", "/predictions").body(body.to_owned());
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
    let site = site().await;
    let request = site.request("POST", "/predictions").body("no JSON at all");
    let answer = Answer::read(request.header("prefer", "respond-async")).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json()["input"]["num_paths"], 256);
    site.cancel(answer.json()["id"].as_str().unwrap()).await;
}

#[tokio::test]
async fn inputs_and_fields_that_are_not_allowed_are_named() {
    let site = site().await;
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
            "prediction ID must have 1 to 128",
        ),
        (
            json!({"id": "../x"}),
            json!(["body", "id"]),
            "prediction ID must have 1 to 128",
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
        let detail = detail(&site.post(&body).await);
        assert_eq!(detail["loc"], place);
        assert!(
            detail["msg"].as_str().unwrap().contains(message),
            "{detail}"
        );
    }
    let answer = site
        .send("PUT", "/predictions/a%20b", &small("a cat"))
        .await;
    assert_eq!(detail(&answer)["loc"], json!(["body", "id"]));
}

#[tokio::test]
async fn unknown_inputs_are_passed_over_and_noted_in_the_log() {
    let site = site().await;
    let mut request = small("a cat");
    request["input"]["guidance"] = json!(7);
    let answer = site.post(&request).await;
    assert_eq!(answer.status, 200);
    assert!(answer.json()["logs"].as_str().unwrap().contains("guidance"));
}

#[tokio::test]
async fn targets_outside_the_policy_are_refused_at_the_door() {
    let policy = Policy {
        private_addresses: PrivateAddresses::Refused,
        ..Policy::default()
    };
    let site = Site::start(Choices {
        policy,
        ..Choices::default()
    })
    .await;
    for field in ["webhook", "output_file_prefix"] {
        let mut request = small("a cat");
        request[field] = json!("http://127.0.0.1:9/x");
        let detail = detail(&site.post(&request).await);
        assert_eq!(detail["loc"], json!(["body", field]));
        assert!(
            detail["msg"].as_str().unwrap().contains("private"),
            "{detail}"
        );
    }
}

#[tokio::test]
async fn output_that_cannot_fit_into_memory_is_refused_with_what_would() {
    let mut choices = Choices::default();
    choices.limits.output_bytes = 1_000_000;
    let site = Site::start(choices).await;
    let request =
        json!({"input": {"num_paths": 256, "num_iterations": 600, "display_frequency": 1}});
    let answer = site.post(&request).await;
    let detail = detail(&answer);
    assert_eq!(detail["loc"], json!(["body", "input", "display_frequency"]));
    let message = detail["msg"].as_str().unwrap();
    let (_, rest) = message.split_once("at least ").unwrap();
    let enough: u64 = rest.split(' ').next().unwrap().parse().unwrap();
    let mut request = request;
    request["input"]["prompt"] = json!("hold at 0");
    for (every, status) in [(enough - 1, 422), (enough, 202)] {
        request["input"]["display_frequency"] = json!(every);
        let answer = site.post_async(&request).await;
        assert_eq!(answer.status, status, "{every} {}", answer.text);
    }
    site.registry.cancel_all();
    site.controls.release();
}

#[tokio::test]
async fn files_and_webhooks_go_where_the_request_says() {
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
    let site = site().await;
    let mut request = named("sent", "a cat");
    request["webhook"] = json!(format!("{}/hook", elsewhere.uri()));
    request["webhook_events_filter"] = json!(["completed"]);
    request["output_file_prefix"] = json!(format!("{}/files/sent-", elsewhere.uri()));
    let body = site.post(&request).await.json();
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
async fn health_and_readiness_tell_the_truth_in_every_state() {
    async fn state(site: &Site) -> (String, u16, u16) {
        let health = site.get("/health-check").await;
        let status = health.json()["status"].as_str().unwrap().to_owned();
        assert_eq!(health.json()["version"]["coglet"], "0.23.1");
        (
            status,
            health.status.as_u16(),
            site.get("/ready").await.status.as_u16(),
        )
    }
    let starting = Site::without_worker(&Choices::default()).await;
    assert_eq!(state(&starting).await, ("STARTING".to_owned(), 200, 503));
    let setup = starting.get("/health-check").await.json()["setup"].clone();
    assert_eq!(setup.as_object().unwrap().len(), 2, "{setup}");
    starting.registry.give_up_setup();
    assert_eq!(
        state(&starting).await,
        ("SETUP_FAILED".to_owned(), 200, 503)
    );

    let failed = Site::start(Choices {
        failing_loads: 1,
        ..Choices::default()
    })
    .await;
    assert_eq!(state(&failed).await, ("SETUP_FAILED".to_owned(), 200, 503));
    let setup = failed.get("/health-check").await.json()["setup"].clone();
    assert_eq!(setup["logs"], "worker setup failed: told to fail\n");

    let site = site().await;
    assert_eq!(state(&site).await, ("READY".to_owned(), 200, 200));
    site.post_async(&named("long", "hold at 1")).await;
    site.hold().await;
    assert_eq!(state(&site).await, ("BUSY".to_owned(), 200, 200));
    site.controls.release();
    site.finished("long").await;
    site.controls.fail_loads(1000);
    site.post(&small("break at 1")).await;
    site.becomes(HealthStatus::Unhealthy).await;
    assert_eq!(state(&site).await, ("UNHEALTHY".to_owned(), 200, 503));
    let trouble = site.get("/health-check").await.json()["user_healthcheck_error"].clone();
    assert!(trouble.is_string(), "{trouble}");
    site.registry.close();
    assert_eq!(state(&site).await, ("DEFUNCT".to_owned(), 200, 503));
}

#[tokio::test]
async fn a_server_without_a_model_or_about_to_end_takes_no_predictions() {
    const NOT_READY: &str = r#"{"error":"Setup has not finished yet. Wait until it has finished, or GET /health-check for status.","status":"failed"}"#;
    const CLOSED: &str = r#"{"error":"The server is shutting down.","status":"failed"}"#;
    let site = Site::without_worker(&Choices::default()).await;
    let stream = || {
        let request = site.request("POST", "/predictions").json(&small("a cat"));
        request.header("accept", "text/event-stream")
    };
    for text in [NOT_READY, CLOSED] {
        for answer in [
            site.post(&small("a cat")).await,
            site.send("PUT", "/predictions/x", &small("a cat")).await,
            Answer::read(stream()).await,
        ] {
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (503, text));
        }
        let wrong = site.post(&json!({"input": {"seed": "x"}})).await;
        assert_eq!(wrong.status, 422, "inputs are checked first");
        assert_eq!(site.get("/openapi.json").await.status, 200);
        site.registry.close();
    }
}

#[tokio::test]
async fn a_token_opens_everything_and_health_is_open_without() {
    let site = Site::start(Choices {
        token: Some("s3cret"),
        ..Choices::default()
    })
    .await;
    for path in ["/health-check", "/ready"] {
        assert_eq!(site.get(path).await.status, 200, "{path}");
    }
    for path in [
        "/",
        "/metrics",
        "/docs/",
        "/openapi.json",
        "/predictions",
        "/nope",
    ] {
        let refused = site.get(path).await;
        assert_eq!(refused.status, 401, "{path}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        assert!(refused.json()["error"].is_string());
        let with = |token| {
            let request = site.request("GET", path);
            Answer::read(request.header("authorization", token))
        };
        assert_eq!(with("Bearer wrong").await.status, 401, "{path}");
        assert_ne!(with("Bearer s3cret").await.status, 401, "{path}");
    }
    assert_eq!(site.post(&small("a cat")).await.status, 401);
    let shutdown = site.send("POST", "/shutdown", &json!({})).await;
    assert_eq!(shutdown.status, 401);
    assert!(!site.stop.is_cancelled());
}

#[tokio::test]
async fn browsers_are_let_in_only_from_the_pages_that_were_named() {
    let preflight = |site: &Site, origin: &str| {
        let request = site.request("OPTIONS", "/predictions");
        let request = request.header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        Answer::read(request.header("access-control-request-headers", "content-type,prefer"))
    };
    let off = site().await;
    let refused = preflight(&off, "https://a.example").await;
    assert_eq!(refused.status, 405);
    assert_eq!(refused.header("access-control-allow-origin"), None);

    let choices = Choices {
        cors_origins: &["https://a.example", "https://b.example"],
        token: Some("s3cret"),
        ..Choices::default()
    };
    let some = Site::start(choices).await;
    let let_in = preflight(&some, "https://b.example").await;
    assert_eq!(
        let_in.status, 200,
        "no token is asked for before the request itself"
    );
    assert_eq!(
        let_in.header("access-control-allow-origin"),
        Some("https://b.example")
    );
    let methods = let_in.header("access-control-allow-methods").unwrap();
    assert!(methods.contains("PUT"), "{methods}");
    let kept_out = preflight(&some, "https://c.example").await;
    assert_eq!(kept_out.header("access-control-allow-origin"), None);
    let request = some
        .request("GET", "/")
        .header("origin", "https://a.example");
    let refused = Answer::read(request).await;
    assert_eq!(refused.status, 401);
    assert_eq!(
        refused.header("access-control-allow-origin"),
        Some("https://a.example"),
        "a page may read why it is refused"
    );

    let all = Site::start(Choices {
        cors_origins: &["*"],
        ..Choices::default()
    })
    .await;
    let let_in = preflight(&all, "https://c.example").await;
    assert_eq!(let_in.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn trainings_are_predictions_without_a_stream_as_in_cog() {
    let site = site().await;
    let answer = site.send("POST", "/trainings", &small("a cat")).await;
    assert_eq!(answer.json()["status"], "succeeded");
    let answer = site.send("PUT", "/trainings/t", &small("a cat")).await;
    assert_eq!(answer.json()["id"], "t");
    let request = site.request("POST", "/trainings").json(&small("a cat"));
    let answer = Answer::read(request.header("accept", "text/event-stream")).await;
    assert_eq!(answer.status, 406);
    assert_eq!(
        answer.text,
        r#"{"error":"Training endpoints do not support streaming responses."}"#
    );
}

#[tokio::test]
async fn the_documentation_needs_nothing_from_elsewhere() {
    let site = site().await;
    let page = site.get("/docs").await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    assert!(!page.text.contains("//"), "{}", page.text);
    let links = page
        .text
        .split(['"'])
        .filter(|text| text.contains('.') && !text.contains(['<', ' ']));
    let links: Vec<_> = links.map(|link| link.trim_start_matches("./")).collect();
    assert!(links.contains(&"swagger-ui-bundle.js"), "{links:?}");
    for link in links {
        let answer = site.get(&format!("/docs/{link}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{link}");
        assert!(!answer.text.is_empty(), "{link}");
    }
    let start = site.get("/docs/swagger-initializer.js").await.text;
    assert!(start.contains("\"openapi.json\""), "{start}");
    assert!(start.contains("\"validatorUrl\": \"none\""), "{start}");
    let document = site.get("/docs/openapi.json").await.json();
    assert!(document["paths"]["/predictions/{prediction_id}"]["put"].is_object());
}

#[tokio::test]
async fn the_documents_and_the_numbers_are_there() {
    let site = site().await;
    site.post(&small("a cat")).await;
    let document = site.get("/openapi.json").await.json();
    assert_eq!(
        document["paths"]["/predictions"]["post"]["x-cog-streaming"],
        true
    );
    site.get("/no/such/path").await;
    let numbers = site.get("/metrics").await;
    assert_eq!(
        numbers.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    for line in [
        "http_request_duration_seconds_count{method=\"POST\",route=\"/predictions\",status=\"200\"}",
        "http_request_duration_seconds_count{method=\"GET\",route=\"<unmatched>\",status=\"404\"}",
        "clipdraw_predictions_total{status=\"succeeded\"}",
        "clipdraw_stream_subscribers",
    ] {
        assert!(
            numbers.text.contains(line),
            "{line} is not in {}",
            numbers.text
        );
    }
    assert!(!numbers.text.contains("/no/such/path"));
}

#[tokio::test]
async fn shutdown_is_answered_before_it_happens() {
    let site = site().await;
    let answer = site.send("POST", "/shutdown", &json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"));
    assert!(site.stop.is_cancelled());
}
