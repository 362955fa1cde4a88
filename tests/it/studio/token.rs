//! A server with an access token.

use super::page::{assert_clean, open, ready, screenshot, text, wait_for_state};
use crate::support::devtools::{Page, browser};
use crate::support::server::{Choices, TestServer};

async fn server() -> TestServer {
    TestServer::start(Choices {
        slots: 2,
        token: Some("s3cret"),
        ..Choices::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_asks_for_the_token_once_and_draws_with_it() {
    let server = server().await;
    let Some(page) = open(&server, "/#num_iterations=3&num_paths=4").await else {
        return;
    };
    page.wait_for("document.querySelector('dialog').open").await;
    page.fill("#token", "wrong").await;
    page.click("button", "Continue").await;
    page.wait_for("document.querySelector('dialog .problem').textContent.length > 0")
        .await;
    screenshot(&page, "token").await;
    page.fill("#token", "s3cret").await;
    page.press("Enter").await;
    page.wait_for("!document.querySelector('dialog').open")
        .await;
    page.click("button", "Draw").await;
    wait_for_state(&page, "Finished after 3 steps").await;
    page.click("summary", "The same request as a command or a program")
        .await;
    let snippet = text(&page, ".requests code").await;
    assert!(
        snippet.contains("$CLIPDRAW_TOKEN") && !snippet.contains("s3cret"),
        "{snippet}"
    );
    page.reload().await;
    ready(&page).await;
    page.wait_for("document.querySelectorAll('.earlier').length === 1")
        .await;
    assert_eq!(
        page.evaluate("document.querySelector('dialog').open").await,
        false
    );
    let kept = page.evaluate("JSON.stringify(localStorage)").await;
    assert!(!kept.as_str().unwrap().contains("s3cret"));
    assert_clean(&page).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documentation_opens_and_takes_the_token() {
    let Some(browser) = browser() else { return };
    let server = server().await;
    let page = Page::open(browser, &server.url("/docs")).await;
    page.click("button.authorize", "").await;
    page.fill(".auth-container input", "s3cret").await;
    page.click(".auth-btn-wrapper .authorize", "").await;
    page.click(".btn-done", "").await;
    page.click("[id$='list_predictions_get'] .opblock-summary-control", "")
        .await;
    page.click("[id$='list_predictions_get'] .try-out__btn", "")
        .await;
    page.click("[id$='list_predictions_get'] .execute", "")
        .await;
    page.wait_for("document.querySelector('.live-responses-table tbody .response-col_status')?.textContent.trim() === '200'")
        .await;
}
