//! A person goes on from a drawing: other seeds, other settings, the history, a comparison.

use serde_json::json;

use super::page::{draw, open, ready, screenshot, server, small, value, wait_for_state};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_drawing_leads_to_others_and_two_are_compared() {
    let server = server().await;
    let Some(page) = open(&server, &format!("/studio{}", small("a cat"))).await else {
        return;
    };
    draw(&page).await;
    page.click("button", "Again with another seed").await;
    page.wait_for("document.querySelectorAll('.card').length === 2")
        .await;
    wait_for_state(&page, "Finished").await;
    page.click("button", "This seed with other settings").await;
    page.fill("#num_paths", "6").await;
    page.wait_for("document.querySelector('#num_paths').value === '6'")
        .await;
    page.click("button", "Draw").await;
    page.wait_for("document.querySelectorAll('.card').length === 3")
        .await;
    wait_for_state(&page, "Finished").await;
    let list = server.get("/predictions").await.json();
    let results = list["results"].as_array().unwrap();
    let of = |name: &str| -> Vec<_> {
        results
            .iter()
            .map(|one| one["input"][name].clone())
            .collect()
    };
    let seeds = of("seed");
    assert_eq!(seeds[2], 7);
    assert_ne!(seeds[1], 7);
    assert_eq!(seeds[0], seeds[1]);
    assert_eq!(of("num_paths"), [6, 5, 5]);

    page.click(".card:nth-child(1) button", "Compare").await;
    page.click(".card:nth-child(2) button", "Compare with this")
        .await;
    let rows = "[...document.querySelectorAll('.differences tbody tr')].map(row => [...row.children].map(cell => cell.textContent.trim()))";
    page.wait_for("document.querySelector('.differences') !== null")
        .await;
    assert_eq!(page.evaluate(rows).await, json!([["num_paths", "6", "5"]]));
    page.wait_for(
        "[...document.querySelectorAll('.pair img')].every(image => image.naturalWidth === 224)",
    )
    .await;
    screenshot(&page, "compare").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_history_survives_a_reload_and_is_cleared() {
    let server = server().await;
    let Some(page) = open(&server, &format!("/studio{}", small("a cat"))).await else {
        return;
    };
    draw(&page).await;
    page.wait_for("document.querySelectorAll('.earlier').length === 1")
        .await;
    page.reload().await;
    ready(&page).await;
    page.wait_for("document.querySelectorAll('.earlier').length === 1")
        .await;
    assert_eq!(
        page.evaluate("document.querySelectorAll('.card:not(.empty)').length")
            .await,
        0
    );
    page.click(".earlier .picture", "Open: a cat").await;
    wait_for_state(&page, "Finished after 3 steps").await;
    page.click("button", "This seed with other settings").await;
    assert_eq!(value(&page, "#seed").await, "7");
    page.click("button", "Delete all of them").await;
    page.click("button", "Really delete all of them").await;
    page.wait_for("document.querySelectorAll('.earlier').length === 0")
        .await;
    page.reload().await;
    ready(&page).await;
    assert_eq!(
        page.evaluate("document.querySelectorAll('.earlier').length")
            .await,
        0
    );
}
