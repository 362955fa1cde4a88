//! The page in a browser of its own, with the words of these tests.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::devtools::{Page, browser};
use crate::support::server::{Choices, TestServer};

/// A server with two slots and a queue.
pub(super) async fn server() -> TestServer {
    TestServer::start(Choices {
        slots: 2,
        queue: 8,
        ..Choices::default()
    })
    .await
}

/// Inputs of a small drawing, after the `#` of the page's address.
pub(super) fn small(prompt: &str) -> String {
    let prompt: String = url::form_urlencoded::byte_serialize(prompt.as_bytes()).collect();
    format!("#prompt={prompt}&num_paths=5&num_iterations=3&display_frequency=1&seed=7")
}

/// The page at an address of the server, ready to be used; `None` where no browser is installed.
pub(super) async fn open(server: &TestServer, path: &str) -> Option<Page> {
    open_address(&server.url(path)).await
}

/// As [`open`], with the whole address.
pub(super) async fn open_address(address: &str) -> Option<Page> {
    let page = Page::open(browser()?, address).await;
    ready(&page).await;
    Some(page)
}

/// Waits until the page shows the inputs of the server.
pub(super) async fn ready(page: &Page) {
    page.wait_for("document.querySelector('#num_paths') !== null")
        .await;
    page.evaluate(
        "(() => { window.refused = []; \
         addEventListener('securitypolicyviolation', event => refused.push(event.violatedDirective)); })()",
    )
    .await;
}

/// Clicks "Draw" and waits until a drawing is finished.
pub(super) async fn draw(page: &Page) {
    let cards = "document.querySelectorAll('.card:not(.empty)').length";
    let before = page.evaluate(cards).await;
    page.click("button", "Draw").await;
    page.wait_for(&format!("{cards} > {before}")).await;
    wait_for_state(page, "Finished after").await;
}

/// Waits until the chosen drawing says how it is, in words that begin like this.
pub(super) async fn wait_for_state(page: &Page, words: &str) {
    page.wait_for(&format!(
        "document.querySelector('.card.chosen .state')?.textContent.startsWith({words:?})"
    ))
    .await;
}

/// Waits until the server has answered so many requests to stop a drawing.
pub(super) async fn wait_for_stops(page: &Page, count: usize) {
    page.wait_for(&format!(
        "performance.getEntriesByType('resource').filter(entry => entry.name.endsWith('/cancel') && entry.responseEnd > 0).length >= {count}"
    ))
    .await;
}

/// The text of the first element with a selector.
pub(super) async fn text(page: &Page, selector: &str) -> String {
    let found = page
        .evaluate(&format!(
            "document.querySelector({selector:?})?.textContent.trim() ?? ''"
        ))
        .await;
    found.as_str().unwrap_or_default().to_owned()
}

/// The value of a field.
pub(super) async fn value(page: &Page, selector: &str) -> Value {
    page.evaluate(&format!("document.querySelector({selector:?}).value"))
        .await
}

/// Every picture of a server is an image, no policy was broken, and nothing ran that should not.
pub(super) async fn assert_clean(page: &Page) {
    assert_eq!(
        page.evaluate("[refused, window.stolen ?? null]").await,
        serde_json::json!([[], null])
    );
}

/// Waits for a file that the browser saves, until it is complete, and removes it.
pub(super) async fn saved(folder: &Path, ending: &str) -> Vec<u8> {
    let mut length = 0;
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let entries = std::fs::read_dir(folder).unwrap();
        let paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        let is_writing = paths
            .iter()
            .any(|path| path.extension() == Some("crdownload".as_ref()));
        let found = paths
            .iter()
            .find(|path| path.to_string_lossy().ends_with(ending));
        let Some(path) = found.filter(|_| !is_writing) else {
            continue;
        };
        let bytes = std::fs::read(path).unwrap();
        if !bytes.is_empty() && bytes.len() == length {
            std::fs::remove_file(path).unwrap();
            return bytes;
        }
        length = bytes.len();
    }
}

/// Keeps what the page shows in `target/tmp/studio`.
pub(super) async fn screenshot(page: &Page, name: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("studio");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{name}.png")), page.screenshot().await).unwrap();
}
