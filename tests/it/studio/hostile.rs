//! Texts that are markup, files that are more than drawings, and servers that send rubbish.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::page::{
    assert_clean, draw, open, open_address, screenshot, server, small, text, wait_for_state,
};
use super::stub::{self, event, stream};
use crate::support::devtools::{Page, browser};

/// Prompts that would do something if they were markup, or would turn the page around.
fn prompts() -> [String; 5] {
    [
        "<img src=x onerror=\"window.stolen=1\"><script>window.stolen=2</script>".to_owned(),
        "]]></title></svg><svg onload=window.stolen=3> ${window.stolen=4} `'\"&amp;".to_owned(),
        "\u{202e}desrever\u{2066} a fox \u{200f}\u{202d}".to_owned(),
        "javascript:window.stolen=5".to_owned(),
        "x".repeat(60) + "<b>".repeat(10).as_str(),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prompts_are_texts_wherever_they_are_shown() {
    let server = server().await;
    let Some(page) = open(&server, &format!("/studio{}", small("a cat"))).await else {
        return;
    };
    for prompt in prompts() {
        page.fill("#prompt", &format!("{prompt} | a cat:-0.5"))
            .await;
        draw(&page).await;
        page.wait_for("document.querySelectorAll('.chip').length === 2")
            .await;
        page.click("summary", "The same request as a command or a program")
            .await;
        let shown = text(&page, ".card.chosen h3").await;
        assert_eq!(shown, format!("{prompt} | a cat:-0.5").trim());
        assert_eq!(
            page.evaluate(
                "document.querySelectorAll('main script, main b, main img[onerror]').length"
            )
            .await,
            0
        );
        page.click(".card.chosen button[aria-pressed]", "").await;
    }
    screenshot(&page, "hostile").await;
    // Neither in the list of earlier drawings, nor after a reload, nor by a link.
    let link = page.evaluate("document.querySelector('a.same').href").await;
    let other = open_address(link.as_str().unwrap()).await.unwrap();
    assert_clean(&other).await;
    assert_clean(&page).await;
    let overflow = "document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(page.evaluate(overflow).await, true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_of_4000_characters_is_drawn_or_explained() {
    let server = server().await;
    let Some(page) = open(&server, &format!("/studio{}", small("a cat"))).await else {
        return;
    };
    page.fill("#prompt", &"<i>🦊".repeat(1000)).await;
    page.wait_for("document.querySelector('#prompt-problem').textContent.includes('tokens')")
        .await;
    page.fill("#prompt", &"y".repeat(4001)).await;
    page.wait_for("document.querySelector('#prompt-problem').textContent.length > 0")
        .await;
    page.click("button", "Draw").await;
    page.wait_for("document.activeElement.id === 'prompt'")
        .await;
    assert_eq!(server.controls.steps(), 0);
    let length = page
        .evaluate("document.querySelector('#prompt-problem').textContent.length")
        .await;
    assert!(length.as_u64().unwrap() < 1000, "{length}");
}

fn data_url(media_type: &str, text: &str) -> String {
    format!("data:{media_type};base64,{}", STANDARD.encode(text))
}

/// A drawing that carries more than strokes.
const SMUGGLER: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="50" height="50" onload="parent.stolen=1">
<script>window.stolen = 2; parent.stolen = 3; fetch('/shutdown', {method: 'POST'})</script>
<image href="http://127.0.0.1:1/beacon.png"/><foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="/shutdown"/></foreignObject>
<rect width="50" height="50" fill="url(http://127.0.0.1:1/fill)"/>
<path d="M1 1C2 2 3 3 4 4" stroke="#ff0000" stroke-opacity="1" stroke-width="2" onclick="stolen=4"/>
<path d="M1 1C2 2 3 3 4 4" stroke="url(#x)" stroke-width="2"/></svg>"##;

fn frame(number: u64, index: u64, file: &Value) -> String {
    let step = json!({"name": "step", "value": index});
    let losses = json!({"name": "losses", "value": {"total": index, "<b>term</b>": 1.0}});
    event(number, "metric", &step)
        + &event(number + 1, "metric", &losses)
        + &event(
            number + 2,
            "output",
            &json!({"index": index, "chunk": file}),
        )
}

async fn page_at(address: &str) -> Option<Page> {
    let page = open_address(&format!("{address}/studio{}", small("a cat"))).await?;
    page.click("button", "Draw").await;
    Some(page)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_svg_that_smuggles_something_is_only_an_image() {
    let files = [
        json!(data_url("image/svg+xml", SMUGGLER)),
        json!(data_url("text/html", "<script>parent.stolen=6</script>")),
        json!("javascript:window.stolen=7"),
        json!({"chunk": 1}),
        Value::Null,
    ];
    let mut body = event(1, "start", &json!({"status": "processing"}));
    for (index, file) in files.iter().enumerate() {
        body += &frame(3 * index as u64 + 2, index as u64, file);
    }
    body += &frame(20, 1 << 60, &json!(data_url("image/svg+xml", SMUGGLER)));
    body += &event(
        30,
        "completed",
        &json!({"status": "succeeded", "input": {"prompt": "<img src=x onerror=stolen=8>", "num_iterations": "many"}}),
    );
    let address = stub::start(Arc::new(move |_| stream(body.clone()))).await;
    let Some(page) = page_at(&address).await else {
        return;
    };
    wait_for_state(&page, "Finished").await;
    page.wait_for("document.querySelector('.card img').naturalWidth === 50")
        .await;
    let folder = tempfile::tempdir().unwrap();
    page.save_downloads_to(folder.path()).await;
    page.click("button", "Timelapse").await;
    let timelapse = super::page::saved(folder.path(), "-timelapse.svg").await;
    let timelapse = String::from_utf8(timelapse).unwrap();
    for word in [
        "script",
        "onload",
        "onclick",
        "url(",
        "href",
        "foreignObject",
    ] {
        assert!(!timelapse.contains(word), "{word}: {timelapse}");
    }
    assert!(timelapse.contains("#ff0000"), "{timelapse}");
    page.click("summary", "The same request as a command or a program")
        .await;
    screenshot(&page, "smuggler").await;
    let resources = page
        .evaluate("performance.getEntriesByType('resource').map(entry => entry.name).filter(name => name.includes('127.0.0.1:1/'))")
        .await;
    assert_eq!(resources, json!([]));
    assert_clean(&page).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_sends_rubbish_is_given_up_with_a_message() {
    let bodies = [
        "event: output\ndata: {\"index\": \n\n",
        "event: start\ndata: not json\n\n",
    ];
    for body in bodies {
        let address = stub::start(Arc::new(move |_| stream(body))).await;
        let Some(page) = page_at(&address).await else {
            return;
        };
        wait_for_state(&page, "Failed").await;
        assert_eq!(
            text(&page, ".card.chosen .problem").await,
            "The server sent something that this page cannot read."
        );
        assert_clean(&page).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_stops_in_the_middle_of_an_event_is_resumed_before_it() {
    let svg = data_url("image/svg+xml", SMUGGLER);
    let first = event(1, "start", &json!({})) + &frame(2, 0, &json!(svg));
    let second = frame(5, 1, &json!(svg));
    let end = event(8, "completed", &json!({"status": "succeeded"}));
    let address = stub::start(Arc::new(move |after| match after {
        0 => stream(format!("{first}{}", &second[..second.len() / 2])),
        4..=6 => stream(format!(
            "{}{end}",
            &second[second.find(&format!("id: {}", after + 1)).unwrap()..]
        )),
        _ => stream("event: error\ndata: {\"error\": \"resumed at another event\"}\n\n"),
    }))
    .await;
    let Some(page) = page_at(&address).await else {
        return;
    };
    wait_for_state(&page, "Finished").await;
    assert_eq!(
        page.evaluate("document.querySelector('.slider').max").await,
        "1"
    );
}

/// A page on another server tries to draw, to read, and to show this one in a frame.
const ATTACK: &str = r"(async target => {
    const found = {};
    const attempt = async (name, act) => {
        try { found[name] = await act(); } catch { found[name] = 'refused'; }
    };
    const body = JSON.stringify({ input: { prompt: 'stolen', num_iterations: 1 } });
    await attempt('json', async () => (await fetch(`${target}/predictions`, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })).status);
    await attempt('simple', async () => (await fetch(`${target}/predictions`, { method: 'POST', mode: 'no-cors', headers: { 'Content-Type': 'text/plain' }, body })).type);
    await attempt('empty', async () => (await fetch(`${target}/predictions`, { method: 'POST', mode: 'no-cors' })).type);
    await attempt('read', async () => (await fetch(`${target}/predictions`)).status);
    await attempt('script', () => import(`${target}/docs/openapi.json`));
    const frame = document.createElement('iframe');
    frame.src = `${target}/studio`;
    document.body.append(frame);
    await new Promise(next => setTimeout(next, 500));
    try { found.frame = frame.contentDocument ? 'blank' : 'refused'; } catch { found.frame = 'refused'; }
    return found;
})";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_origin_starts_nothing_and_reads_nothing() {
    let Some(browser) = browser() else { return };
    let (server, other) = (server().await, server().await);
    let page = Page::open(browser, &other.url("/docs/")).await;
    // The policy of that page would forbid it to try; a page of an attacker has none.
    page.ignore_policies().await;
    page.reload().await;
    let found = page
        .evaluate(&format!("{ATTACK}({:?})", server.url("")))
        .await;
    for name in ["json", "read", "script", "frame"] {
        assert_eq!(found[name], "refused", "{found}");
    }
    // The others are sent, and their answers cannot be read.
    assert_eq!(found["simple"], "opaque");
    assert_eq!(found["empty"], "opaque");
    assert_eq!(
        server.get("/predictions").await.json()["results"],
        json!([])
    );
    assert_eq!(server.controls.steps(), 0);
}
