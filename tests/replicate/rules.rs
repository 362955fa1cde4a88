//! The rules that Replicate's clients depend on, each with its test.

use serde_json::{Value, json};

use crate::client::{body, create, problem, reload, server, start};
use crate::support::server::{Answer, Choices, TestServer, pause, small};

const MODEL: &str = "clipdraw/clipdraw";
const FINAL: &str = "clipdraw/clipdraw-final";

#[tokio::test]
async fn a_wait_that_runs_out_answers_starting_with_no_output_although_the_drawing_has_begun() {
    let server = server().await;
    let request = create(&server, MODEL, &body("hold at 2")).header("prefer", "wait=1");
    let answer = Answer::read(request).await;
    assert_eq!(answer.status, 202);
    assert_eq!(answer.header("preference-applied"), Some("wait=1"));
    let state = answer.json();
    assert_eq!(state["status"], "starting");
    assert_eq!(state["output"], Value::Null);
    assert_eq!(state["started_at"], Value::Null);
    let polled = reload(&server, &state).await;
    assert_eq!(polled["status"], "processing");
    assert_eq!(polled["output"].as_array().unwrap().len(), 2);
    server.controls.release();
}

#[tokio::test]
async fn a_wait_answers_with_the_result_when_that_comes_in_time() {
    let server = server().await;
    let answer =
        Answer::read(create(&server, MODEL, &body("a cat")).header("prefer", "wait")).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("preference-applied"), Some("wait=60"));
    assert_eq!(answer.json()["status"], "succeeded");
    assert_eq!(answer.json()["output"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn without_a_preference_the_answer_comes_at_once() {
    let server = server().await;
    let state = start(&server, "hold at 1").await;
    assert_eq!(state["status"], "starting");
    server.hold().await;
    server.controls.release();
}

#[tokio::test]
async fn a_client_that_hangs_up_cancels_nothing() {
    let server = server().await;
    for preference in ["wait", "respond-async"] {
        let request = create(&server, MODEL, &body("hold at 1")).header("prefer", preference);
        let request = tokio::spawn(request.send());
        server.hold().await;
        request.abort();
        let id = server.known().await[0].id.to_string();
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        server.controls.release();
        assert_eq!(server.finished(&id).await["status"], "succeeded");
        server.controls.hold_again();
    }
}

#[tokio::test]
async fn the_output_of_the_model_with_one_file_is_null_until_the_end() {
    let server = server().await;
    let answer = Answer::read(create(&server, FINAL, &body("hold at 2")))
        .await
        .json();
    assert_eq!(answer["model"], FINAL);
    server.hold().await;
    while server.known().await[0].logs.lines().count() < 3 {
        pause().await;
    }
    let halfway = reload(&server, &answer).await;
    assert_eq!(halfway["status"], "processing");
    assert_eq!(halfway["output"], Value::Null);
    server.controls.release();
    let id = answer["id"].as_str().unwrap();
    let all = server.finished(id).await["output"].clone();
    let end = reload(&server, &answer).await;
    assert_eq!(end["output"], all[3], "the last file of Cog's list");
    let mut two = body("a cat");
    two["input"]["num_outputs"] = json!(2);
    let refused = Answer::read(create(&server, FINAL, &two)).await;
    assert_eq!(refused.status, 422);
    assert!(
        problem(&refused)["detail"]
            .as_str()
            .unwrap()
            .contains("num_outputs")
    );
}

#[tokio::test]
async fn texts_are_never_null_and_what_is_not_known_yet_is_null_but_there() {
    let server = server().await;
    server.post_async(&small("hold at 1")).await;
    server.hold().await;
    let waiting = start(&server, "a cat").await;
    let list = server.get("/v1/predictions").await.json();
    let of_cog = &list["results"][1];
    for state in [&waiting, of_cog, &list["results"][0]] {
        for name in ["id", "model", "version", "status"] {
            assert!(state[name].is_string(), "{name} {state}");
        }
        assert_eq!(state["version"].as_str().unwrap().len(), 64);
        for (name, url) in state["urls"].as_object().unwrap() {
            assert!(
                url.as_str().unwrap().starts_with("http://127.0.0.1:"),
                "{name}"
            );
        }
        for name in ["output", "error", "started_at", "completed_at"] {
            assert!(state.as_object().unwrap().contains_key(name), "{name}");
        }
        assert!(state["metrics"].is_object() && state["logs"].is_string());
        assert_eq!(state["data_removed"], false);
    }
    server.controls.release();
}

#[tokio::test]
async fn a_prediction_is_the_same_in_both_protocols() {
    let server = server().await;
    let state = start(&server, "a cat").await;
    let id = state["id"].as_str().unwrap();
    let cog = server.finished(id).await;
    let ours = reload(&server, &state).await;
    for name in ["id", "status", "input", "output"] {
        assert_eq!(ours[name], cog[name], "{name}");
    }
    assert!(ours["metrics"]["total_time"].is_f64() && ours["metrics"]["predict_time"].is_f64());
    let lines: Vec<_> = ours["logs"].as_str().unwrap().lines().collect();
    let bars = lines.iter().filter(|line| line.contains("%|"));
    assert_eq!(
        bars.count(),
        4,
        "a line to read progress from for each frame: {lines:?}"
    );
    let without: Vec<_> = lines
        .into_iter()
        .filter(|line| !line.contains("%|"))
        .collect();
    assert_eq!(
        without,
        cog["logs"].as_str().unwrap().lines().collect::<Vec<_>>()
    );
    for (name, time) in ["created_at", "started_at", "completed_at"].map(|name| (name, &ours[name]))
    {
        let text = time.as_str().unwrap();
        assert!(text.ends_with('Z') && text.len() == 24, "{name} {text}");
    }
}

#[tokio::test]
async fn a_failed_prediction_says_why() {
    let server = server().await;
    let state =
        Answer::read(create(&server, MODEL, &body("fail at 1")).header("prefer", "wait")).await;
    assert_eq!(state.status, 201);
    assert_eq!(state.json()["status"], "failed");
    assert!(
        state.json()["error"]
            .as_str()
            .unwrap()
            .contains("centre term")
    );
}

#[tokio::test]
async fn bearer_and_token_are_both_accepted_and_errors_have_a_detail() {
    let server = TestServer::start(Choices {
        token: Some("r8_test"),
        ..Choices::default()
    })
    .await;
    for scheme in ["Bearer", "Token", "bearer", "token"] {
        let request = server.request("GET", "/v1/account");
        let request = request.header("authorization", format!("{scheme} r8_test"));
        let answer = Answer::read(request).await;
        assert_eq!(answer.json()["username"], "clipdraw", "{scheme}");
    }
    let refused = server.get("/v1/account").await;
    assert_eq!(refused.status, 401);
    assert_eq!(problem(&refused)["title"], "Unauthenticated");
}

#[tokio::test]
async fn every_error_is_a_problem_with_a_text_in_detail() {
    let server = server().await;
    let invalid = create(
        &server,
        MODEL,
        &json!({"input": {"num_paths": 0, "seed": "x"}}),
    );
    let invalid = Answer::read(invalid).await;
    assert_eq!(invalid.status, 422);
    let found = problem(&invalid);
    assert_eq!(found["title"], "Input validation failed");
    assert!(
        found["detail"]
            .as_str()
            .unwrap()
            .starts_with("- input.num_paths: ")
    );
    assert_eq!(found["invalid_fields"][1]["field"], "input.seed");
    let cases = [
        ("GET", "/v1/predictions/other", 404),
        ("POST", "/v1/predictions/other/cancel", 404),
        ("POST", "/v1/models/a/b/predictions", 404),
        ("POST", "/v1/deployments/a/b/predictions", 404),
        ("GET", "/v1/models/a/b", 404),
        ("GET", "/v1/models/clipdraw/clipdraw/versions/abc", 404),
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/files", 415),
        ("PUT", "/v1/predictions", 405),
        ("DELETE", "/v1/models", 405),
        ("GET", "/v1/predictions?cursor=x", 422),
    ];
    for (method, path, status) in cases {
        let answer = server.send(method, path, &body("a cat")).await;
        assert_eq!(answer.status, status, "{method} {path} {}", answer.text);
        problem(&answer);
    }
    let path = server
        .request("GET", "/v1/predictions/%ff")
        .send()
        .await
        .unwrap();
    assert_eq!(path.status(), 400);
    assert_eq!(path.headers()["content-type"], "application/problem+json");
    let text = server.request("POST", "/v1/predictions").body("{");
    let malformed = Answer::read(text.header("content-type", "application/json")).await;
    assert_eq!(malformed.status, 400);
    problem(&malformed);
}

#[tokio::test]
async fn a_version_is_named_in_three_ways_and_an_unknown_one_is_422() {
    let server = server().await;
    let ids = [MODEL, FINAL].map(|model| format!("/v1/models/{model}/versions"));
    let mut versions = Vec::new();
    for path in ids {
        let page = server.get(&path).await.json();
        versions.push(page["results"][0]["id"].as_str().unwrap().to_owned());
    }
    assert_ne!(versions[0], versions[1], "a version alone names its model");
    let named = [
        (versions[0].clone(), MODEL),
        (versions[1].clone(), FINAL),
        (MODEL.to_owned(), MODEL),
        (FINAL.to_owned(), FINAL),
        (format!("{FINAL}:{}", versions[1]), FINAL),
    ];
    for (version, model) in named {
        let mut body = body("a cat");
        body["version"] = json!(version);
        let request = server.request("POST", "/v1/predictions").json(&body);
        let state = Answer::read(request.header("prefer", "wait")).await.json();
        assert_eq!(state["model"], model, "{version}");
        let expected = &versions[usize::from(model == FINAL)];
        assert_eq!(state["version"], expected.as_str());
    }
    for version in [
        "0".repeat(64),
        "a/b".to_owned(),
        format!("{FINAL}:{}", versions[0]),
    ] {
        let mut body = body("a cat");
        body["version"] = json!(version);
        let refused = server.send("POST", "/v1/predictions", &body).await;
        assert_eq!(refused.status, 422, "{version}");
        assert!(
            problem(&refused)["detail"]
                .as_str()
                .unwrap()
                .contains(MODEL)
        );
    }
    let without = server.send("POST", "/v1/predictions", &body("a cat")).await;
    assert_eq!(problem(&without)["invalid_fields"][0]["field"], "version");
}

#[tokio::test]
async fn a_busy_server_lets_clients_wait_and_then_asks_them_to_come_again() {
    let server = TestServer::start(Choices {
        long_queue: 1,
        ..Choices::default()
    })
    .await;
    let first = start(&server, "hold at 1").await;
    server.hold().await;
    let waiting = start(&server, "a cat").await;
    assert_eq!(waiting["status"], "starting");
    let refused =
        Answer::read(create(&server, MODEL, &body("a dog")).header("prefer", "wait")).await;
    assert_eq!(refused.status, 429);
    let seconds = refused.header("retry-after").unwrap();
    assert!(seconds.parse::<u32>().unwrap() > 0, "{seconds}");
    problem(&refused);
    assert_eq!(server.post(&small("a bird")).await.status, 409, "as in Cog");
    server.controls.release();
    for state in [first, waiting] {
        let end = server.finished(state["id"].as_str().unwrap()).await;
        assert_eq!(end["status"], "succeeded");
    }
}

#[tokio::test]
async fn a_server_that_is_not_ready_says_when_to_come_again() {
    let server = TestServer::without_worker(&Choices::default()).await;
    for path in ["/v1/models/clipdraw/clipdraw", "/v1/hardware"] {
        let answer = server.get(path).await;
        assert_eq!(answer.status, 503);
        problem(&answer);
    }
    let answer = Answer::read(create(&server, MODEL, &body("a cat"))).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("5"));
    problem(&answer);
}

#[tokio::test]
async fn cancelling_answers_with_the_prediction_also_after_its_end() {
    let server = server().await;
    let state = start(&server, "sleep 50 for long").await;
    let id = state["id"].as_str().unwrap();
    let path = format!("/v1/predictions/{id}/cancel");
    let cancelled = Answer::read(server.request("POST", &path)).await;
    assert_eq!(cancelled.status, 200);
    assert_eq!(cancelled.json()["status"], "canceled");
    let again = Answer::read(server.request("POST", &path)).await;
    assert_eq!(again.json()["status"], "canceled");
}

#[tokio::test]
async fn a_prediction_is_cancelled_when_its_time_is_over() {
    let server = server().await;
    let request = create(&server, MODEL, &body("hold at 1")).header("cancel-after", "5s");
    let state = Answer::read(request).await.json();
    server.hold().await;
    let waiting = create(&server, MODEL, &body("a cat")).header("cancel-after", "5s");
    let waiting = Answer::read(waiting).await.json();
    let end = server.finished(waiting["id"].as_str().unwrap()).await;
    assert_eq!(end["status"], "canceled");
    server.controls.release();
    let end = server.finished(state["id"].as_str().unwrap()).await;
    assert_eq!(end["status"], "canceled");
    let refused = create(&server, MODEL, &body("a cat")).header("cancel-after", "soon");
    assert_eq!(Answer::read(refused).await.status, 422);
}

#[tokio::test]
async fn a_request_with_the_same_idempotency_key_gets_the_same_prediction() {
    let server = server().await;
    let send = |prompt: &str| {
        let request = create(&server, MODEL, &body(prompt)).header("prefer", "wait");
        Answer::read(request.header("idempotency-key", "one"))
    };
    let first = send("a cat").await;
    let second = send("a cat").await;
    assert_eq!(first.json()["id"], second.json()["id"]);
    assert_eq!(second.json()["status"], "succeeded");
    assert_eq!(server.known().await.len(), 1);
    let other = send("a dog").await;
    assert_eq!(other.status, 422);
    problem(&other);
}

#[tokio::test]
async fn a_repeated_request_of_a_client_that_was_not_answered_gets_the_same_prediction() {
    let server = server().await;
    let send = |count: &str| {
        let request = create(&server, MODEL, &body("hold at 1")).header("prefer", "wait");
        request.header("x-stainless-retry-count", count).send()
    };
    let broken = tokio::spawn(send("0"));
    server.hold().await;
    broken.abort();
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let repeated = tokio::spawn(send("1"));
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(server.known().await.len(), 1);
    server.controls.release();
    let state: Value = repeated.await.unwrap().unwrap().json().await.unwrap();
    assert_eq!(state["status"], "succeeded");
    let new = send("1").await.unwrap().json::<Value>().await.unwrap();
    assert_ne!(new["id"], state["id"], "that client was answered");
}

#[tokio::test]
async fn the_list_has_pages_with_absolute_addresses() {
    let server = TestServer::start(Choices {
        long_queue: 200,
        ..Choices::default()
    })
    .await;
    start(&server, "hold at 1").await;
    server.hold().await;
    for _ in 0..119 {
        start(&server, "a cat").await;
    }
    let first = server.get("/v1/predictions").await.json();
    assert_eq!(first["results"].as_array().unwrap().len(), 100);
    assert_eq!(first["previous"], Value::Null);
    let next = first["next"].as_str().unwrap();
    let path = next.strip_prefix(&server.url("")).unwrap();
    let second = server.get(path).await.json();
    assert_eq!(second["results"].as_array().unwrap().len(), 20);
    assert_eq!(second["next"], Value::Null);
    server.controls.release();
}

#[tokio::test]
async fn addresses_are_those_under_which_the_client_has_reached_the_server() {
    let server = server().await;
    let request = create(&server, MODEL, &body("a cat"));
    let request = request
        .header("host", "draw.example")
        .header("x-forwarded-proto", "https");
    let state = Answer::read(request.header("prefer", "wait")).await.json();
    let id = state["id"].as_str().unwrap();
    assert_eq!(
        state["urls"]["get"],
        format!("https://draw.example/v1/predictions/{id}")
    );
    let file = state["output"][0].as_str().unwrap();
    assert!(
        file.starts_with(&format!("https://draw.example/v1/files/{id}/")),
        "{file}"
    );
}

#[tokio::test]
async fn a_search_finds_the_models_by_their_description() {
    let server = server().await;
    for (words, count) in [
        ("\"draw\"", 2),
        ("vector drawing", 2),
        ("finished -final", 1),
        ("cake", 0),
        ("", 2),
    ] {
        let request = server.request("QUERY", "/v1/models").body(words);
        let page = Answer::read(request.header("content-type", "text/plain"))
            .await
            .json();
        assert_eq!(page["results"].as_array().unwrap().len(), count, "{words}");
    }
}

#[tokio::test]
async fn what_this_server_does_not_have_of_replicates_api_is_a_problem_that_says_where_the_rest_is_described()
 {
    let server = server().await;
    let version = "0".repeat(64);
    for (method, path, status) in [
        ("GET", "/v1/collections/text-to-image", 404),
        ("GET", "/v1/trainings/one", 404),
        ("POST", "/v1/trainings/one/cancel", 404),
        (
            "POST",
            &format!("/v1/models/{MODEL}/versions/{version}/trainings"),
            404,
        ),
        ("GET", "/v1/search?query=draw", 404),
        ("GET", "/v1/models/clipdraw/clipdraw/readme", 404),
        ("POST", "/v1/models", 405),
        ("DELETE", "/v1/models/clipdraw/clipdraw", 405),
        ("POST", "/v1/deployments", 405),
        ("PATCH", "/v1/deployments/clipdraw/clipdraw", 405),
    ] {
        let answer = Answer::read(server.request(method, path).json(&json!({}))).await;
        assert_eq!(answer.status, status, "{method} {path}");
        let detail = problem(&answer)["detail"].as_str().unwrap().to_owned();
        assert!(
            detail.contains("/v1/openapi.json"),
            "{method} {path}: {detail}"
        );
    }
    let answer = server.get("/v1/deployments/a/b").await;
    assert_eq!(problem(&answer)["title"], "Deployment not found");
}
