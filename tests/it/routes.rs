//! The HTTP endpoints other than predictions, and access to the server.

use clipdraw::cog::HealthStatus;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::server::{Answer, Choices, TestServer, small, with_id};

async fn server() -> TestServer {
    TestServer::start(Choices::default()).await
}

#[tokio::test]
async fn every_path_answers_its_methods_and_no_others() {
    let server = server().await;
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
        let answer = Answer::read(server.request(method, path)).await;
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
async fn the_root_lists_the_endpoints() {
    let server = server().await;
    let root = server.get("/").await.json();
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
        assert_eq!(server.get(path).await.status, 200, "{name} {path}");
    }
}

#[tokio::test]
async fn health_and_readiness_are_right_in_every_state() {
    async fn state(server: &TestServer) -> (String, u16, u16) {
        let health = server.get("/health-check").await;
        let status = health.json()["status"].as_str().unwrap().to_owned();
        assert_eq!(health.json()["version"]["coglet"], "0.23.1");
        (
            status,
            health.status.as_u16(),
            server.get("/ready").await.status.as_u16(),
        )
    }
    let starting = TestServer::without_worker(&Choices::default()).await;
    assert_eq!(state(&starting).await, ("STARTING".to_owned(), 200, 503));
    let setup = starting.get("/health-check").await.json()["setup"].clone();
    assert_eq!(setup.as_object().unwrap().len(), 2, "{setup}");
    starting.service.readiness().time_out_setup();
    assert_eq!(
        state(&starting).await,
        ("SETUP_FAILED".to_owned(), 200, 503)
    );

    let failed = TestServer::start(Choices {
        failing_loads: 1,
        ..Choices::default()
    })
    .await;
    assert_eq!(state(&failed).await, ("SETUP_FAILED".to_owned(), 200, 503));
    let setup = failed.get("/health-check").await.json()["setup"].clone();
    assert_eq!(setup["logs"], "worker setup failed: told to fail\n");

    let server = server().await;
    assert_eq!(state(&server).await, ("READY".to_owned(), 200, 200));
    server.post_async(&with_id("long", "hold at 1")).await;
    server.hold().await;
    assert_eq!(state(&server).await, ("BUSY".to_owned(), 200, 200));
    server.controls.release();
    server.finished("long").await;
    server.controls.fail_loads(1000);
    server.post(&small("break at 1")).await;
    server.becomes(HealthStatus::Unhealthy).await;
    assert_eq!(state(&server).await, ("UNHEALTHY".to_owned(), 200, 503));
    let trouble = server.get("/health-check").await.json()["user_healthcheck_error"].clone();
    assert!(trouble.is_string(), "{trouble}");
    server.service.close().await;
    assert_eq!(state(&server).await, ("DEFUNCT".to_owned(), 200, 503));
}

#[tokio::test]
async fn a_server_without_a_model_or_about_to_shut_down_accepts_no_predictions() {
    const NOT_READY: &str = r#"{"error":"Setup has not finished yet. Wait until it has finished, or GET /health-check for status.","status":"failed"}"#;
    const CLOSED: &str = r#"{"error":"The server is shutting down.","status":"failed"}"#;
    let server = TestServer::without_worker(&Choices::default()).await;
    let stream = || {
        let request = server.request("POST", "/predictions").json(&small("a cat"));
        request.header("accept", "text/event-stream")
    };
    for text in [NOT_READY, CLOSED] {
        for answer in [
            server.post(&small("a cat")).await,
            // How many tokens the model reads is not known yet.
            server.post(&small(&"cat ".repeat(200))).await,
            server.send("PUT", "/predictions/x", &small("a cat")).await,
            Answer::read(stream()).await,
        ] {
            assert_eq!((answer.status.as_u16(), answer.text.as_str()), (503, text));
        }
        let wrong = server.post(&json!({"input": {"seed": "x"}})).await;
        assert_eq!(wrong.status, 422, "inputs are checked first");
        assert_eq!(server.get("/openapi.json").await.status, 200);
        server.service.close().await;
    }
}

#[tokio::test]
async fn every_endpoint_except_health_and_the_pages_needs_the_token() {
    let server = TestServer::start(Choices {
        token: Some("s3cret"),
        ..Choices::default()
    })
    .await;
    for path in ["/health-check", "/ready"] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    for path in ["/", "/metrics", "/openapi.json", "/predictions", "/nope"] {
        let refused = server.get(path).await;
        assert_eq!(refused.status, 401, "{path}");
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
        assert!(refused.json()["error"].is_string());
        let with = |token| {
            let request = server.request("GET", path);
            Answer::read(request.header("authorization", token))
        };
        assert_eq!(with("Bearer wrong").await.status, 401, "{path}");
        assert_ne!(with("Bearer s3cret").await.status, 401, "{path}");
    }
    assert_eq!(server.post(&small("a cat")).await.status, 401);
    let shutdown = server.send("POST", "/shutdown", &json!({})).await;
    assert_eq!(shutdown.status, 401);
    assert!(!server.stop.is_cancelled());
}

#[tokio::test]
async fn browsers_have_access_only_from_allowed_origins() {
    let preflight = |server: &TestServer, origin: &str| {
        let request = server.request("OPTIONS", "/predictions");
        let request = request.header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        Answer::read(request.header("access-control-request-headers", "content-type,prefer"))
    };
    let off = server().await;
    let refused = preflight(&off, "https://a.example").await;
    assert_eq!(refused.status, 405);
    assert_eq!(refused.header("access-control-allow-origin"), None);

    let choices = Choices {
        cors_origins: &["https://a.example", "https://b.example"],
        token: Some("s3cret"),
        ..Choices::default()
    };
    let some = TestServer::start(choices).await;
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

    let all = TestServer::start(Choices {
        cors_origins: &["*"],
        ..Choices::default()
    })
    .await;
    let let_in = preflight(&all, "https://c.example").await;
    assert_eq!(let_in.header("access-control-allow-origin"), Some("*"));
}

#[tokio::test]
async fn the_documentation_needs_nothing_from_other_hosts() {
    let server = server().await;
    let page = server.get("/docs").await;
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
        let answer = server.get(&format!("/docs/{link}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{link}");
        assert!(!answer.text.is_empty(), "{link}");
    }
    let start = server.get("/docs/swagger-initializer.js").await.text;
    assert!(start.contains("\"openapi.json\""), "{start}");
    assert!(start.contains("\"validatorUrl\": \"none\""), "{start}");
    let document = server.get("/docs/openapi.json").await.json();
    assert_eq!(document["servers"][0]["url"], "..");
    assert!(document["paths"]["/predictions/{prediction_id}"]["put"].is_object());
}

#[tokio::test]
async fn the_documents_and_the_metrics_are_there() {
    let server = server().await;
    server.post(&small("a cat")).await;
    let document = server.get("/openapi.json").await.json();
    assert_eq!(
        document["paths"]["/predictions"]["post"]["x-cog-streaming"],
        true
    );
    server.get("/no/such/path").await;
    let numbers = server.get("/metrics").await;
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
    let server = server().await;
    let answer = server.send("POST", "/shutdown", &json!({})).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"));
    assert!(server.stop.is_cancelled());
}
