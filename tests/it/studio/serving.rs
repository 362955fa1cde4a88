//! How the page is served, and what was added to the API for it.

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::support::server::{Answer, Choices, TestServer, small, with_id};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8";

async fn get(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = server.request("GET", path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::read(request).await
}

/// The address of a file of the page.
fn address_of<'a>(page: &'a str, name: &str) -> &'a str {
    let mut addresses = page.split('"').filter(|part| part.starts_with("studio/"));
    addresses.find(|address| address.ends_with(name)).unwrap()
}

#[tokio::test]
async fn only_a_browser_gets_the_page_at_the_root() {
    let server = TestServer::start(Choices::default()).await;
    for accept in [
        "*/*",
        "application/json",
        "text/*",
        "",
        "text/html;q=0, */*",
    ] {
        let answer = get(&server, "/", &[("accept", accept)]).await;
        assert_eq!(answer.json()["docs_url"], "/docs", "{accept}");
        assert_eq!(answer.header("vary"), Some("accept"));
    }
    assert_eq!(server.get("/").await.json()["docs_url"], "/docs");
    let page = server.get("/studio").await;
    assert_eq!(page.status, 200);
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    for accept in [BROWSER, "text/html"] {
        let answer = get(&server, "/", &[("accept", accept)]).await;
        assert_eq!(answer.text, page.text, "{accept}");
        assert!(answer.header("vary").unwrap().contains("accept"));
    }
}

#[tokio::test]
async fn the_files_of_the_page_are_kept_by_browsers_and_compressed() {
    let server = TestServer::start(Choices::default()).await;
    let page = server.get("/studio").await;
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let app = format!("/{}", address_of(&page.text, "app.js"));
    for path in ["/studio", app.as_str()] {
        let plain = server.get(path).await;
        let tag = plain.header("etag").unwrap().to_owned();
        assert!(tag.starts_with('"'), "{tag} is strong");
        let policy = plain.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(plain.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(plain.header("referrer-policy"), Some("no-referrer"));
        let known = get(&server, path, &[("if-none-match", &tag)]).await;
        assert_eq!((known.status.as_u16(), known.text.as_str()), (304, ""));
        assert_eq!(known.header("etag"), Some(tag.as_str()));
        let request = server
            .request("GET", path)
            .header("accept-encoding", "gzip");
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-encoding"], "gzip");
        assert_ne!(response.headers()["etag"], tag.as_str());
        let mut text = String::new();
        let bytes = response.bytes().await.unwrap();
        GzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, plain.text);
    }
    let file = server.get(&app).await;
    assert_eq!(
        file.header("cache-control"),
        Some("public, max-age=31536000, immutable")
    );
    for path in [
        "/studio/0/app.js",
        "/studio/nope",
        &app.replace("app.js", "nope.js"),
    ] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn with_a_token_the_pages_load_and_the_api_stays_closed() {
    let server = TestServer::start(Choices {
        token: Some("s3cret"),
        ..Choices::default()
    })
    .await;
    let page = server.get("/studio").await;
    let app = format!("/{}", address_of(&page.text, "app.js"));
    for path in [
        "/studio",
        app.as_str(),
        "/docs",
        "/docs/",
        "/docs/openapi.json",
    ] {
        assert_eq!(server.get(path).await.status, 200, "{path}");
    }
    assert_eq!(get(&server, "/", &[("accept", BROWSER)]).await.status, 200);
    for path in ["/", "/openapi.json", "/predictions", "/studios", "/metrics"] {
        assert_eq!(server.get(path).await.status, 401, "{path}");
    }
    for path in ["/predictions", "/inputs", "/studio"] {
        let answer = server.send("POST", path, &json!({})).await;
        assert_eq!(answer.status, 401, "{path}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_can_neither_draw_nor_pretend_to_be_this_server() {
    let server = TestServer::start(Choices {
        host_names: Some(&["127.0.0.1", "localhost"]),
        ..Choices::default()
    })
    .await;
    let post = |headers: &[(&str, &str)]| {
        let mut request = server.request("POST", "/predictions").json(&small("a cat"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Answer::read(request)
    };
    let own = server.url("");
    assert_eq!(post(&[("origin", &own)]).await.status, 200);
    for headers in [
        [("origin", "http://evil.example")],
        [("origin", "null")],
        [("sec-fetch-site", "cross-site")],
    ] {
        let answer = post(&headers).await;
        assert_eq!(answer.status, 403, "{headers:?}");
        assert!(answer.text.contains("--cors-origin"), "{}", answer.text);
    }
    let rebound = get(&server, "/predictions", &[("host", "evil.example:5000")]).await;
    assert_eq!(rebound.status, 403);
    assert!(rebound.text.contains("--allow-host"), "{}", rebound.text);
    let port = server.address.port();
    let local = get(
        &server,
        "/predictions",
        &[("host", &format!("localhost:{port}"))],
    )
    .await;
    assert_eq!(local.status, 200);
}

async fn check(server: &TestServer, input: Value) -> Value {
    let answer = server
        .send("POST", "/inputs", &json!({ "input": input }))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()
}

#[tokio::test]
async fn inputs_are_checked_without_drawing() {
    let server = TestServer::start(Choices::default()).await;
    let found = check(&server, json!({"prompt": "a red fox | text:-0.3"})).await;
    assert_eq!(
        found,
        json!({
            "detail": [],
            "prompts": [
                {"text": "a red fox", "weight": 1.0, "tokens": 5},
                {"text": "text", "weight": -0.3, "tokens": 3},
            ],
            "token_limit": 77,
        })
    );
    assert_eq!(check(&server, json!({})).await["prompts"][0]["weight"], 1.0);
    let long = check(
        &server,
        json!({"prompt": format!("a fox | {}", "very ".repeat(100))}),
    )
    .await;
    assert_eq!(long["prompts"][1]["tokens"], 102);
    for (input, place) in [
        (json!({"prompt": "very ".repeat(100)}), "prompt"),
        (json!({"prompt": "a || b"}), "prompt"),
        (json!({"prompt": 5}), "prompt"),
        (json!({"num_paths": 0}), "num_paths"),
        (json!({"min_stroke_width": 200}), "max_stroke_width"),
        (
            json!({"num_paths": 2048, "num_iterations": 10_000, "display_frequency": 1}),
            "display_frequency",
        ),
    ] {
        let found = check(&server, input.clone()).await;
        assert_eq!(found["detail"][0]["loc"], json!(["body", "input", place]));
        let refused = server.post(&json!({ "input": input })).await;
        assert_eq!(refused.status, 422, "{input}");
        assert_eq!(refused.json()["detail"], found["detail"]);
    }
    assert_eq!(server.controls.steps(), 0);
    let misplaced = server
        .send("POST", "/inputs", &json!({"prompt": "a"}))
        .await;
    assert_eq!(misplaced.status, 422);
}

#[tokio::test]
async fn predictions_are_listed_by_their_status() {
    let server = TestServer::start(Choices {
        queue: 2,
        ..Choices::default()
    })
    .await;
    server.post(&with_id("done", "a cat")).await;
    server.post_async(&with_id("drawn", "hold at 1")).await;
    server.hold().await;
    server.post_async(&with_id("waiting", "a cat")).await;
    for (query, expected) in [
        ("", json!(["waiting", "drawn", "done"])),
        ("?status=starting,processing", json!(["waiting", "drawn"])),
        ("?status=starting", json!(["waiting"])),
        ("?status=succeeded", json!(["done"])),
        ("?status=failed", json!([])),
    ] {
        let list = server.get(&format!("/predictions{query}")).await.json();
        let ids: Vec<_> = list["results"].as_array().unwrap().iter().collect();
        let ids: Vec<_> = ids.iter().map(|state| state["id"].clone()).collect();
        assert_eq!(json!(ids), expected, "{query}");
    }
    for query in ["?status=", "?status=done", "?status=starting,"] {
        let refused = server.get(&format!("/predictions{query}")).await;
        assert_eq!(refused.status, 422, "{query}");
        assert_eq!(
            refused.json()["detail"][0]["loc"],
            json!(["query", "status"])
        );
    }
    server.controls.release();
}
