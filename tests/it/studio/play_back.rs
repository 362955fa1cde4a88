//! A person plays a drawing back, and reads the terms of its loss.

use serde_json::json;

use super::page::{draw, open, screenshot, server, small, text};

const STEP: &str = "document.querySelector('.place').textContent.trim()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_and_strokes_are_played_in_their_order() {
    let server = server().await;
    let address = small("a cat").replace("num_iterations=3", "num_iterations=30");
    let Some(page) = open(&server, &format!("/studio{address}")).await else {
        return;
    };
    draw(&page).await;
    assert_eq!(page.evaluate(STEP).await, "step 30 of 30");
    page.evaluate("document.querySelector('.slider').focus()")
        .await;
    page.press("ArrowLeft").await;
    page.wait_for(&format!("{STEP} === 'step 29 of 30'")).await;
    page.click("button", "Play").await;
    page.wait_for(&format!("{STEP} === 'step 30 of 30'")).await;
    page.click("button", "Play").await;
    page.wait_for(&format!("/^step ([1-9]|1[0-9]) of/.test({STEP})"))
        .await;
    page.click("button", "Pause").await;
    page.click("button", "Show the finished drawing").await;
    page.wait_for(&format!("{STEP} === 'step 30 of 30'")).await;
    page.click("label", "Stroke by stroke").await;
    page.wait_for(&format!("{STEP} === '5 of 5 strokes'")).await;
    page.evaluate("document.querySelector('.slider').focus()")
        .await;
    page.press("ArrowLeft").await;
    page.wait_for(&format!("{STEP} === '4 of 5 strokes'")).await;
    screenshot(&page, "strokes").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_plot_shows_every_term_and_the_frame_under_the_pointer() {
    let server = server().await;
    let address = small("a cat").replace("num_iterations=3", "num_iterations=20");
    let Some(page) = open(&server, &format!("/studio{address}")).await else {
        return;
    };
    draw(&page).await;
    let rows = "[...document.querySelectorAll('.terms tbody tr')].map(row => [row.querySelector('th').textContent.trim(), row.querySelector('td:last-child').textContent.trim()])";
    // The fake engine's terms do not change, and one sees it.
    assert_eq!(
        page.evaluate(rows).await,
        json!([
            ["total", ""],
            ["clip", "does nothing"],
            ["contrast", "does nothing"],
            ["centre", "does nothing"],
        ])
    );
    let [x, y] = page.find(".plot .u-over", "").await;
    page.hover([x, y]).await;
    page.wait_for(&format!("/^step (9|10|11) of 20$/.test({STEP})"))
        .await;
    assert!(text(&page, ".terms thead").await.contains("Here"));
    screenshot(&page, "plot").await;
    page.hover([x, 5.0]).await;
    page.wait_for(&format!("{STEP} === 'step 20 of 20'")).await;
}
