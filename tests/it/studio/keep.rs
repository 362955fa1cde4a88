//! A person keeps a drawing: files, links, and the same request elsewhere.

use std::process::Command;

use serde_json::{Value, json};
use tiny_skia::Pixmap;
use tokio::task::spawn_blocking;

use super::page::{draw, open, open_address, saved, server, small, text, value};
use crate::support::server::Answer;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_saved_is_what_the_api_sends() {
    let server = server().await;
    let Some(page) = open(&server, &format!("/studio{}", small("a red fox"))).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    page.save_downloads_to(folder.path()).await;
    draw(&page).await;
    let list = server.get("/predictions").await.json();
    let id = list["results"][0]["id"].as_str().unwrap().to_owned();
    let request = server.request("GET", &format!("/predictions/{id}"));
    let svg = Answer::read(request.header("accept", "image/svg+xml"))
        .await
        .text;

    page.click("button", "SVG").await;
    let file = saved(folder.path(), "a-red-fox-7.svg").await;
    assert_eq!(String::from_utf8(file).unwrap(), svg);

    page.evaluate("document.querySelector('label:has(option[value=\"8\"]) select').id = 'size'")
        .await;
    for scale in [1, 2, 8] {
        page.evaluate(&format!("(() => {{ const size = document.querySelector('#size'); size.value = '{scale}'; size.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()")).await;
        page.click("button", "PNG").await;
        let picture = Pixmap::decode_png(&saved(folder.path(), ".png").await).unwrap();
        assert_eq!(
            (picture.width(), picture.height()),
            (224 * scale, 224 * scale)
        );
        let pixel = picture.pixel(0, 0).unwrap();
        assert_eq!(pixel.alpha(), 255);
    }
    page.click("label", "With paper").await;
    page.click("button", "PNG").await;
    let picture = Pixmap::decode_png(&saved(folder.path(), ".png").await).unwrap();
    assert!(picture.pixels().iter().any(|pixel| pixel.alpha() == 0));
    page.click("button", "SVG").await;
    let bare = String::from_utf8(saved(folder.path(), ".svg").await).unwrap();
    let paths = |text: &str| text.matches("<path ").count();
    assert_eq!((bare.contains("<rect"), paths(&bare)), (false, paths(&svg)));

    page.click("button", "Timelapse").await;
    let timelapse = String::from_utf8(saved(folder.path(), "-timelapse.svg").await).unwrap();
    let document = roxmltree::Document::parse(&timelapse).unwrap();
    assert_eq!(paths(&timelapse), paths(&svg));
    assert_eq!(document.root_element().attribute("width"), Some("224"));

    page.click("button", "Recipe").await;
    let recipe: Value = serde_json::from_slice(&saved(folder.path(), ".json").await).unwrap();
    assert_eq!(recipe["input"], list["results"][0]["input"]);
}

/// What a shell or Python makes of a snippet.
async fn run(program: &'static str, text: String) -> Vec<u8> {
    spawn_blocking(move || {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(program)
            .args(["-c", &text])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{text}\n{output:?}");
        std::fs::read(folder.path().join("drawing.svg")).unwrap()
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_copied_requests_draw_the_same() {
    let server = server().await;
    let prompt = r#"a "red" fox's $HOME `tail` \n ${x} | <b>:0.5"#;
    let Some(page) = open(&server, &format!("/studio{}", small(prompt))).await else {
        return;
    };
    draw(&page).await;
    page.click("summary", "The same request as a command or a program")
        .await;
    let mut snippets = Vec::new();
    for name in ["curl", "JavaScript", "Python", "clipdraw"] {
        page.click(".requests button", name).await;
        page.wait_for(&format!("[...document.querySelectorAll('.requests button')].find(button => button.textContent === {name:?}).ariaPressed === 'true'")).await;
        snippets.push(text(&page, ".requests code").await);
    }
    let [curl, javascript, python, command]: [String; 4] = snippets.try_into().unwrap();
    let drawn = run("sh", curl).await;
    assert_eq!(run("python3", python).await, drawn);
    let list = server.get("/predictions").await.json();
    let inputs = list["results"].as_array().unwrap();
    assert_eq!(inputs.len(), 3);
    assert!(
        inputs
            .iter()
            .all(|state| state["input"] == inputs[0]["input"])
    );
    assert_eq!(inputs[0]["input"]["prompt"], prompt);
    assert!(javascript.contains(&serde_json::to_string(prompt).unwrap()));
    let shown = Command::new("sh")
        .args([
            "-c",
            &format!("clipdraw() {{ printf '%s\\n' \"$@\"; }}; {command}"),
        ])
        .output()
        .unwrap();
    let arguments = String::from_utf8(shown.stdout).unwrap();
    assert!(
        arguments.contains(&format!("prompt={prompt}\n")),
        "{arguments}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_opened_in_another_browser_draws_the_same_bytes() {
    let server = server().await;
    let prompt = "50% & <b>fox</b> | #fff:0.5 | ü日本";
    let Some(page) = open(&server, &format!("/studio{}", small(prompt))).await else {
        return;
    };
    page.fill("#centre_x", "0.25").await;
    page.wait_for("document.querySelector('.setting.changed #centre_x') !== null")
        .await;
    draw(&page).await;
    let link = page.evaluate("document.querySelector('a.same').href").await;
    drop(page);
    let page = open_address(link.as_str().unwrap()).await.unwrap();
    assert_eq!(value(&page, "#prompt").await, prompt);
    assert_eq!(value(&page, "#centre_x").await, "0.25");
    assert_eq!(value(&page, "#seed").await, "7");
    draw(&page).await;
    let list = server.get("/predictions").await.json();
    let states = list["results"].as_array().unwrap();
    assert_eq!(states.len(), 2);
    assert_eq!(states[0]["input"], states[1]["input"]);
    assert_eq!(states[0]["input"]["centre_x"], json!(0.25));
    let mut files = Vec::new();
    for state in states {
        let path = format!("/predictions/{}", state["id"].as_str().unwrap());
        files.push(server.get(&path).await.json()["output"].clone());
    }
    assert_eq!(files[0], files[1]);
}
