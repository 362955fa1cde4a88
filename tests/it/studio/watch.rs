//! A person watches drawings, through interruptions.

use serde_json::json;

use super::page::{
    assert_clean, open, open_address, ready, screenshot, server, small, text, wait_for_state,
    wait_for_stops,
};
use crate::support::proxy::Proxy;
use crate::support::server::{Choices, TestServer, with_id};

/// How many frames the slider of the page has.
const FRAMES: &str = "Number(document.querySelector('.slider')?.max) + 1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_are_drawn_at_once_a_third_waits_and_one_is_stopped_and_kept() {
    let server = server().await;
    let Some(page) = open(&server, &format!("/studio{}", small("hold at 2"))).await else {
        return;
    };
    page.click("button", "Draw").await;
    wait_for_state(&page, "Step 1 of 3").await;
    page.click("button", "Draw").await;
    page.wait_for("document.querySelectorAll('.card').length === 2")
        .await;
    page.click("button", "Draw").await;
    page.wait_for("document.querySelectorAll('.card').length === 3")
        .await;
    let states = "[...document.querySelectorAll('.card .state')].map(state => state.textContent)";
    page.wait_for(&format!(
        "{states}.filter(text => text.startsWith('Waiting in the queue: it is next')).length >= 1"
    ))
    .await;
    page.click("button", "Draw").await;
    page.wait_for(&format!(
        "{states}.some(text => text.startsWith('Waiting in the queue: 1 before it'))"
    ))
    .await;
    screenshot(&page, "queue").await;
    // The newest waits, and is stopped without having been drawn.
    page.click(".card.chosen .stop", "").await;
    wait_for_state(&page, "Stopped").await;
    // The first one is stopped in the middle; its frames stay.
    page.click(".card:last-child button", "Look closer").await;
    page.click(".card.chosen .stop", "").await;
    wait_for_stops(&page, 2).await;
    server.controls.release();
    page.wait_for(
        "[...document.querySelectorAll('.card')].every(card => !card.querySelector('.stop'))",
    )
    .await;
    assert!(
        text(&page, ".card:last-child .state")
            .await
            .starts_with("Stopped at step")
    );
    page.wait_for("document.querySelector('.card:last-child img').naturalWidth === 224")
        .await;
    assert_clean(&page).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drawing_goes_on_where_the_connection_was_cut() {
    let server = server().await;
    let proxy = Proxy::before(server.address).await;
    let address = format!("{}/studio{}", proxy.address, small("hold at 2"));
    let Some(page) = open_address(&address).await else {
        return;
    };
    page.click("button", "Draw").await;
    page.wait_for(&format!("{FRAMES} === 2")).await;
    proxy.disconnect();
    server.controls.release();
    wait_for_state(&page, "Finished after 3 steps").await;
    assert_eq!(page.evaluate(FRAMES).await, 4);
    let resumed = proxy.resumptions();
    assert!(resumed.contains(&13), "after two frames: {resumed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaving_the_page_and_coming_back_loses_nothing() {
    let server = server().await;
    let Some(page) = open(&server, &format!("/studio{}", small("hold at 2"))).await else {
        return;
    };
    page.click("button", "Draw").await;
    page.wait_for(&format!("{FRAMES} === 2")).await;
    page.reload().await;
    ready(&page).await;
    page.wait_for(&format!("{FRAMES} === 2")).await;
    assert_eq!(text(&page, ".card h3").await, "hold at 2");
    server.controls.release();
    wait_for_state(&page, "Finished after 3 steps").await;
    assert_eq!(page.evaluate(FRAMES).await, 4);
    // Reloaded after the end, it is in the history.
    page.reload().await;
    ready(&page).await;
    page.click(".earlier .picture", "").await;
    wait_for_state(&page, "Finished after 3 steps").await;
    assert_eq!(page.evaluate(FRAMES).await, 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_the_server_no_longer_replays_are_read_from_the_state() {
    let server = TestServer::start(Choices {
        replay: 4,
        ..Choices::default()
    })
    .await;
    let mut request = with_id("long", "hold at 290");
    request["input"]["num_iterations"] = json!(300);
    server.post_async(&request).await;
    server.hold().await;
    let Some(page) = open(&server, "/studio").await else {
        return;
    };
    page.click("button", "Watch").await;
    page.wait_for(&format!("{FRAMES} === 290")).await;
    server.controls.release();
    wait_for_state(&page, "Finished after 300 steps").await;
    assert_eq!(page.evaluate(FRAMES).await, 301);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_forgotten_a_drawing_does_not_take_it_from_the_page() {
    let server = server().await;
    let Some(page) = open(&server, &format!("/studio{}", small("hold at 2"))).await else {
        return;
    };
    page.click("button", "Draw").await;
    page.wait_for(&format!("{FRAMES} === 2")).await;
    server.closing.cancel();
    page.wait_for("document.querySelector('.card .state').textContent.startsWith('Step 1')")
        .await;
    assert_eq!(page.evaluate(FRAMES).await, 2);
    server.controls.release();
}
