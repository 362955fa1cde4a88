//! Output files under addresses of the server.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clipdraw::replicate::FileAddresses;

use crate::client::{body, create, path, problem, reload, server};
use crate::support::server::{Answer, Choices, TestServer};

async fn with_links() -> TestServer {
    TestServer::start(Choices {
        token: Some("r8_test"),
        files: FileAddresses::Links,
        ..Choices::default()
    })
    .await
}

#[tokio::test]
async fn a_file_has_the_bytes_of_its_data_url_with_their_type_and_length() {
    let server = with_links().await;
    for (format, media_type, extension) in [
        ("svg", "image/svg+xml", ".svg"),
        ("png", "image/png", ".png"),
    ] {
        let mut body = body("a cat");
        body["input"]["output_format"] = format.into();
        let request = create(&server, "clipdraw/clipdraw", &body).bearer_auth("r8_test");
        let state = Answer::read(request.header("prefer", "wait")).await.json();
        let id = state["id"].as_str().unwrap();
        let prediction = server.service.find(id).await.unwrap().unwrap();
        for (index, data) in prediction.snapshot().output.iter().enumerate() {
            let address = path(&server, &state["output"][index]);
            assert!(address.ends_with(extension), "{address}");
            // Without the server's token.
            let response = server.request("GET", address).send().await.unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["content-type"], media_type);
            let base64 = data.split_once(";base64,").unwrap().1;
            let expected = STANDARD.decode(base64).unwrap();
            assert_eq!(
                response.headers()["content-length"],
                expected.len().to_string()
            );
            assert_eq!(response.bytes().await.unwrap(), expected);
            let head = server.request("HEAD", address).send().await.unwrap();
            assert_eq!(head.headers()["content-length"], expected.len().to_string());
        }
        let request = server.request("GET", path(&server, &state["urls"]["get"]));
        let again = Answer::read(request.bearer_auth("r8_test")).await.json();
        assert_eq!(
            again["output"], state["output"],
            "the addresses stay the same"
        );
    }
}

#[tokio::test]
async fn nobody_can_guess_the_address_of_a_file() {
    let server = with_links().await;
    let request = create(&server, "clipdraw/clipdraw", &body("a cat")).bearer_auth("r8_test");
    let state = Answer::read(request.header("prefer", "wait")).await.json();
    let address = path(&server, &state["output"][0]).to_owned();
    let parts: Vec<_> = address.split('/').collect();
    let (expires, token) = parts[4].split_once('-').unwrap();
    let later = format!("{}-{token}", expires.parse::<i64>().unwrap() + 1);
    let wrong = [
        address.replace("/0.svg", "/1.svg"),
        address.replace("/0.svg", "/x.svg"),
        address.replace(parts[3], "other"),
        address.replace(parts[4], &later),
        address.replace(parts[4], "1-x"),
        address.replace(parts[4], "x"),
    ];
    for wrong in wrong {
        let answer = server.get(&wrong).await;
        assert_eq!(answer.status, 401, "{wrong}");
        problem(&answer);
    }
}

#[tokio::test]
async fn files_are_data_urls_unless_clients_reach_the_server_over_https() {
    let server = server().await;
    let request = create(&server, "clipdraw/clipdraw", &body("a cat"));
    let state = Answer::read(request.header("prefer", "wait")).await.json();
    let is_data = |file: &serde_json::Value| {
        file.as_str()
            .unwrap()
            .starts_with("data:image/svg+xml;base64,")
    };
    assert!(state["output"].as_array().unwrap().iter().all(is_data));
    let request = server.request("GET", path(&server, &state["urls"]["get"]));
    let secure = Answer::read(request.header("x-forwarded-proto", "https"))
        .await
        .json();
    let address = secure["output"][0].as_str().unwrap();
    let address = address.replacen("https://", "http://", 1);
    assert_eq!(server.get(path(&server, &address.into())).await.status, 200);
    assert_eq!(reload(&server, &state).await["output"], state["output"]);
}
