//! A real browser as a client: `EventSource` and the page under `/docs`.

use serde_json::json;

use crate::support::devtools::{Page, browser};
use crate::support::proxy::Proxy;
use crate::support::server::{Choices, TestServer, with_id};

/// Collects what an `EventSource` receives: the number and the name of every event.
const LISTEN: &str = r"(() => {
    window.seen = [];
    window.source = new EventSource('/predictions/watched');
    for (const name of ['start', 'log', 'metric', 'output', 'completed'])
        source.addEventListener(name, event => {
            JSON.parse(event.data);
            seen.push([Number(event.lastEventId), name]);
        });
})()";

/// Start, seed and opening line; then for each frame three metrics, a line and a file.
const HEADING: usize = 3;
const FRAME: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_receives_every_event_once_despite_a_disconnect_and_stops_at_the_end() {
    let Some(browser) = browser() else { return };
    let server = TestServer::start(Choices::default()).await;
    server.post_async(&with_id("watched", "hold at 2")).await;
    server.hold().await;
    let proxy = Proxy::before(server.address).await;
    let page = Page::open(browser, &proxy.address).await;
    let before_the_cut = HEADING + 2 * FRAME;
    page.evaluate(LISTEN).await;
    page.wait_for(&format!("seen.length === {before_the_cut}"))
        .await;
    proxy.disconnect();
    page.wait_for("source.readyState === 0").await;
    server.controls.release();
    // It reconnects by itself, and again after the end, when it learns that there is nothing more.
    page.wait_for("source.readyState === 2").await;
    let seen = page.evaluate("seen").await;
    let seen = seen.as_array().unwrap();
    let total = HEADING + 4 * FRAME + 1;
    let numbers: Vec<_> = seen.iter().map(|event| event[0].clone()).collect();
    assert_eq!(json!(numbers), json!((1..=total).collect::<Vec<_>>()));
    assert_eq!(seen.last().unwrap()[1], "completed");
    assert_eq!(proxy.resumptions(), [before_the_cut, total]);
}

/// Fills in the form of an operation, sends it, and waits for the answer's status.
const TRY: &str = r"(async (name, body) => {
    const until = async look => {
        for (;;) {
            const found = look();
            if (found) return found;
            await new Promise(next => setTimeout(next, 20));
        }
    };
    const block = await until(() => document.querySelector(`[id$='${name}']`));
    const find = words => until(() => block.querySelector(words));
    (await find('.opblock-summary-control')).click();
    (await find('.try-out__btn')).click();
    if (body) {
        const area = await find('textarea.body-param__text');
        const set = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set;
        set.call(area, body);
        area.dispatchEvent(new Event('input', { bubbles: true }));
    }
    (await find('.execute')).click();
    const status = await find('.live-responses-table tbody .response-col_status');
    const answer = await find('.live-responses-table .response-col_description .highlight-code');
    return [status.textContent.trim(), answer.textContent];
})";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_shows_the_documentation_and_draws_by_its_form() {
    let Some(browser) = browser() else { return };
    let server = TestServer::start(Choices::default()).await;
    let page = Page::open(browser, &server.url("/docs")).await;
    let request = with_id("from-the-page", "a cat").to_string();
    let health = page
        .evaluate(&format!("{TRY}('healthcheck_health_check_get')"))
        .await;
    let drawing = page
        .evaluate(&format!("{TRY}('predict_predictions_post', {request:?})"))
        .await;
    let operations = page
        .evaluate("document.querySelectorAll('.opblock').length")
        .await;
    let origins = page
        .evaluate(
            "[...new Set(performance.getEntriesByType('resource').map(entry => new URL(entry.name).origin))]",
        )
        .await;
    assert_eq!(operations, 12);
    assert_eq!(health[0], "200");
    assert!(health[1].as_str().unwrap().contains("READY"), "{health}");
    // The form repeats the example of the header: respond-async.
    assert_eq!(drawing[0], "202", "{drawing}");
    assert!(
        drawing[1].as_str().unwrap().contains("from-the-page"),
        "{drawing}"
    );
    assert_eq!(
        server.finished("from-the-page").await["status"],
        "succeeded"
    );
    assert_eq!(
        origins,
        json!([server.url("")]),
        "nothing comes from elsewhere"
    );
}
