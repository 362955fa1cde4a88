//! Inputs that are files: in the request as data URLs, or at an address that the server fetches them from.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clipdraw::delivery::{AddressPolicy, PrivateAddresses};
use clipdraw::inputs::Input;
use reqwest::StatusCode;
use serde_json::{Value, json};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::server::{Choices, TestServer};

/// A PNG of one red pixel and one that is half transparent.
pub(crate) fn png() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().unwrap();
    writer
        .write_image_data(&[255, 0, 0, 255, 0, 0, 255, 128])
        .unwrap();
    writer.finish().unwrap();
    bytes
}

fn data_url(media_type: &str, bytes: &[u8]) -> String {
    format!("data:{media_type};base64,{}", STANDARD.encode(bytes))
}

fn request(file: &str) -> Value {
    json!({"id": "one", "input": {
        "prompt": "a cat", "num_paths": 2, "num_iterations": 2, "seed": 7, "image_prompt": file,
    }})
}

async fn serve_png(server: &MockServer) {
    Mock::given(path("/fox.png"))
        .respond_with(ResponseTemplate::new(200).set_body_raw(png(), "image/png"))
        .mount(server)
        .await;
}

/// The metadata of the finished drawing.
fn metadata(prediction: &Value) -> Value {
    let drawing = prediction["output"].as_array().unwrap().last().unwrap();
    let (_, base64) = drawing.as_str().unwrap().split_once(',').unwrap();
    let svg = String::from_utf8(STANDARD.decode(base64).unwrap()).unwrap();
    let document = roxmltree::Document::parse(&svg).unwrap();
    let metadata = document
        .descendants()
        .find(|node| node.has_tag_name("metadata"));
    serde_json::from_str(metadata.unwrap().text().unwrap()).unwrap()
}

#[tokio::test]
async fn a_file_in_the_request_is_described_and_not_repeated() {
    let server = TestServer::start(Choices::default()).await;
    let content = data_url("image/png", &png());
    let answer = server.post(&request(&content)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert!(!answer.text.contains(&content));
    let prediction = answer.json();
    let shown = prediction["input"]["image_prompt"].as_str().unwrap();
    assert!(shown.starts_with("data:image/png;length="), "{shown}");
    let described = &metadata(&prediction)["input"]["image_prompt"];
    assert_eq!(described["length"], png().len());
    assert_eq!(described["media_type"], "image/png");
    assert_eq!(described["sha256"].as_str().unwrap().len(), 64);
}

#[tokio::test]
async fn a_file_at_an_address_is_fetched_after_the_answer() {
    let files = MockServer::start().await;
    serve_png(&files).await;
    let server = TestServer::start(Choices::default()).await;
    let address = format!("{}/fox.png?key=hush", files.uri());
    let accepted = server.post_async(&request(&address)).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    let prediction = server.finished("one").await;
    assert_eq!(prediction["status"], "succeeded", "{prediction}");
    assert!(!prediction.to_string().contains("hush"), "{prediction}");
    let described = &metadata(&prediction)["input"]["image_prompt"];
    assert_eq!(described["url"], format!("{}/fox.png", files.uri()));
    assert_eq!(described["length"], png().len());
    let logs = prediction["logs"].as_str().unwrap();
    let note = "image_prompt: only the middle square is used as the prompt, 1 of 2 pixels";
    assert_eq!(logs.matches(note).count(), 1, "{logs}");
}

#[tokio::test]
async fn a_file_that_cannot_be_fetched_or_used_fails_the_prediction_by_the_name_of_the_input() {
    let files = MockServer::start().await;
    Mock::given(path("/text"))
        .respond_with(ResponseTemplate::new(200).set_body_string("a fox"))
        .mount(&files)
        .await;
    let server = TestServer::start(Choices::default()).await;
    for (file, expected) in [
        (
            "/none?key=hush",
            "Input validation error: image_prompt: the file at 127.0.0.1 cannot be fetched: the status is 404",
        ),
        (
            "/text?key=hush",
            "is not allowed; it is not a PNG, JPEG, WebP or SVG",
        ),
    ] {
        let answer = server
            .post(&request(&format!("{}{file}", files.uri())))
            .await;
        assert_eq!(answer.status, StatusCode::OK);
        let prediction = answer.json();
        assert_eq!(prediction["status"], "failed");
        let error = prediction["error"].as_str().unwrap();
        assert!(error.contains(expected), "{error}");
        assert!(
            error.contains("image_prompt") && !error.contains("hush"),
            "{error}"
        );
    }
    // The slot is free again.
    let content = data_url("image/png", &png());
    let answer = server.post(&request(&content)).await;
    assert_eq!(answer.json()["status"], "succeeded");
}

#[tokio::test]
async fn a_prediction_whose_file_does_not_come_can_be_cancelled_while_others_are_drawn() {
    let files = MockServer::start().await;
    Mock::given(path("/slow"))
        .respond_with(ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(20)))
        .mount(&files)
        .await;
    let server = TestServer::start(Choices {
        slots: 1,
        queue: 1,
        ..Choices::default()
    })
    .await;
    let slow = format!("{}/slow", files.uri());
    let accepted = server.post_async(&request(&slow)).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    let other = server
        .post(&json!({"input": {"prompt": "a dog", "num_paths": 2, "num_iterations": 2}}))
        .await;
    assert_eq!(other.json()["status"], "succeeded");
    assert_eq!(server.cancel("one").await.status, StatusCode::OK);
    assert_eq!(server.finished("one").await["status"], "canceled");
}

#[tokio::test]
async fn a_wrong_file_is_refused_with_the_request() {
    let server = TestServer::start(Choices {
        policy: AddressPolicy {
            private_addresses: PrivateAddresses::Refused,
            ..AddressPolicy::default()
        },
        ..Choices::default()
    })
    .await;
    let damaged = data_url("image/png", &png()[..30]);
    let large = format!("data:image/png;base64,{}", "A".repeat(900_000));
    for (file, expected) in [
        (
            "/etc/passwd",
            "\"/etc/passwd\" is not allowed; it must be a data URL",
        ),
        (
            "file:///etc/passwd",
            "it must be a data URL or an http(s) address",
        ),
        ("data:image/png;base64,????", "its Base64 text is not valid"),
        (
            damaged.as_str(),
            "\"data:image/png;base64,…\" is not allowed; the PNG cannot be decoded",
        ),
        (large.as_str(), "it is not a PNG, JPEG, WebP or SVG"),
        ("http://127.0.0.1/fox.png", "private addresses are refused"),
    ] {
        let answer = server.post(&request(file)).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{file}");
        let detail = &answer.json()["detail"][0];
        assert_eq!(detail["loc"], json!(["body", "input", "image_prompt"]));
        let message = detail["msg"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
        assert!(answer.text.len() < 1000, "{}", answer.text);
    }
}

#[test]
fn inputs_with_a_link_are_plain_data_before_and_after_the_file_was_fetched() {
    let values = json!({"image_prompt": "https://a.example/fox.png?key=1", "num_paths": 3});
    let input = Input::from_values(values.as_object().unwrap()).unwrap();
    let text = serde_json::to_string(&input).unwrap();
    let read: Input = serde_json::from_str(&text).unwrap();
    assert_eq!(read, input);
    let [(name, url)] = &input.links()[..] else {
        panic!("there is one link");
    };
    let file = clipdraw::inputs::FileContent::fetched("image/png".to_owned(), png(), url);
    let fetched = input.with_files([(*name, file)]).unwrap();
    assert!(fetched.links().is_empty());
    assert_eq!(fetched.spec().image_prompts.len(), 1);
    assert_eq!(fetched.spec().seed, input.spec().seed);
    let text = serde_json::to_string(&fetched).unwrap();
    assert_eq!(serde_json::from_str::<Input>(&text).unwrap(), fetched);
}

#[test]
fn a_prompt_may_be_empty_with_a_picture() {
    let content = data_url("image/png", &png());
    for values in [
        json!({"image_prompt": content}),
        json!({"image_prompt": content, "prompt": " "}),
    ] {
        let input = Input::from_values(values.as_object().unwrap()).unwrap();
        assert!(input.spec().prompts.is_empty());
    }
    let both = json!({"image_prompt": content, "prompt": "a cat"});
    let input = Input::from_values(both.as_object().unwrap()).unwrap();
    assert_eq!(input.spec().prompts.len(), 1);
}

#[test]
fn what_is_not_used_of_a_picture_is_said() {
    let svg = |size: &str, content: &str| {
        let text = format!(r#"<svg xmlns="http://www.w3.org/2000/svg" {size}>{content}</svg>"#);
        data_url("image/svg+xml", text.as_bytes())
    };
    let square = r#"width="9" height="9""#;
    let rectangle = r##"<rect width="9" height="4" fill="#fff"/>"##;
    let notes = |values: Value| {
        let input = Input::from_values(values.as_object().unwrap()).unwrap();
        input.prompt_notes(77)
    };
    for (values, expected) in [
        (json!({"image_prompt": svg(square, rectangle)}), vec![]),
        (
            json!({"image_prompt": svg(square, &format!("{rectangle}<text>a fox</text>"))}),
            vec!["image_prompt: 1 text was left out; convert it to paths"],
        ),
        (
            json!({"image_prompt": svg(r#"width="30" height="18""#, rectangle)}),
            vec!["image_prompt: only the middle square is used as the prompt, 512 of 853 pixels"],
        ),
        (
            json!({"prompt": "a fox", "region_mask": svg(square, rectangle)}),
            vec![],
        ),
        (
            json!({"prompt": "a fox", "region_mask": svg(r#"width="9" height="4""#, rectangle)}),
            vec![
                "region_mask: the picture of 1086 x 483 pixels is stretched over the canvas of 224 x 224",
                "region_mask: all of it is white, so strokes may be anywhere",
            ],
        ),
    ] {
        assert_eq!(notes(values), expected);
    }
}
