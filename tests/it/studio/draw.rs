//! A person draws.

use serde_json::json;

use super::page::{
    assert_clean, draw, open, ready, screenshot, server, small, text, value, wait_for_state,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_click_on_an_empty_page_draws() {
    let server = server().await;
    let Some(page) = open(&server, "/").await else {
        return;
    };
    screenshot(&page, "empty").await;
    page.click("button", "Draw").await;
    wait_for_state(&page, "Finished after 600 steps").await;
    assert_eq!(
        text(&page, ".card h3").await,
        "Watercolor painting of an underwater submarine."
    );
    page.wait_for("document.querySelector('.card img').naturalWidth === 224")
        .await;
    assert_eq!(
        text(&page, "[role=status]").await,
        "The drawing is finished."
    );
    screenshot(&page, "finished").await;
    assert_clean(&page).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prompt_is_typed_and_edited_as_chips_and_drawn_with_the_keyboard() {
    let server = server().await;
    let Some(page) = open(&server, &format!("/studio{}", small("a cat"))).await else {
        return;
    };
    page.fill("#prompt", "route 66 | watercolor:0.5 | text:-0.3")
        .await;
    page.wait_for("document.querySelectorAll('.chip').length === 3")
        .await;
    let chips = "[...document.querySelectorAll('.chip')].map(chip => [...chip.querySelectorAll('input')].map(input => input.value))";
    assert_eq!(
        page.evaluate(chips).await,
        json!([["route 66", "1"], ["watercolor", "0.5"], ["text", "-0.3"]])
    );
    screenshot(&page, "chips").await;
    page.fill(".chip:nth-child(1) .chip-weight", "2").await;
    page.press("Tab").await;
    // Without the space, the colon would belong to the text.
    page.wait_for("document.querySelector('#prompt').value.startsWith('route 66 :2 | ')")
        .await;
    page.wait_for("document.querySelector('.chip:nth-child(1) .chip-weight').value === '2'")
        .await;
    page.click("button", "Remove part 3").await;
    page.wait_for("document.querySelectorAll('.chip').length === 2")
        .await;
    assert_eq!(
        value(&page, "#prompt").await,
        "route 66 :2 | watercolor:0.5"
    );
    page.click("button", "− something to avoid").await;
    page.click("#prompt", "").await;
    page.press_with_control("Enter").await;
    wait_for_state(&page, "Finished after 3 steps").await;
    let list = server.get("/predictions").await.json();
    assert_eq!(
        list["results"][0]["input"]["prompt"],
        "route 66 :2 | watercolor:0.5 | text:-0.3"
    );
    assert_eq!(list["results"][0]["input"]["seed"], 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_drawings_the_first_is_played_back_and_the_others_show_their_newest_frame() {
    let server = server().await;
    let address = format!(
        "/studio{}&num_outputs=3&animation=svg",
        small("a cat:1:0.5")
    );
    let Some(page) = open(&server, &address).await else {
        return;
    };
    page.click("button", "Draw").await;
    wait_for_state(&page, "Finished after 3 steps").await;
    page.wait_for("document.querySelectorAll('.others img').length === 2")
        .await;
    page.wait_for(
        "[...document.querySelectorAll('.others img')].every(image => image.naturalWidth === 224)",
    )
    .await;
    let labels = "[...document.querySelectorAll('.others img')].map(image => image.alt)";
    assert_eq!(
        page.evaluate(labels).await,
        json!(["Drawing 2 of 3, step 3", "Drawing 3 of 3, step 3"])
    );
    assert_eq!(
        text(&page, ".card .hint").await,
        "Drawing 1 of 3; the newest frames of the others are below."
    );
    // The four frames of the first drawing, and the place of its animation.
    let steps = "[...document.querySelectorAll('.card.chosen .drawing')][0].alt";
    assert_eq!(page.evaluate(steps).await, "Drawing of a cat:1:0.5, step 3");
    assert_eq!(
        page.evaluate("document.querySelector('.slider').max").await,
        "4"
    );
    assert_eq!(text(&page, ".place").await, "step 3 of 3");
    assert_clean(&page).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_inputs_are_explained_at_their_field_and_nothing_is_sent() {
    let server = server().await;
    let Some(page) = open(&server, "/studio").await else {
        return;
    };
    page.fill("#num_paths", "5000").await;
    page.wait_for("document.querySelector('#num_paths-problem').textContent.includes('2048')")
        .await;
    page.fill("#prompt", &"very ".repeat(100)).await;
    page.wait_for("document.querySelector('#prompt-problem').textContent.includes('tokens')")
        .await;
    page.wait_for("document.querySelector('.chip.wrong') !== null")
        .await;
    page.click("button", "Draw").await;
    page.wait_for("document.activeElement.id === 'num_paths'")
        .await;
    assert_eq!(
        server.get("/predictions").await.json()["results"],
        json!([])
    );
    screenshot(&page, "wrong").await;
    let range = server
        .post(&json!({"input": {"num_paths": 5000}}))
        .await
        .json();
    assert_eq!(
        text(&page, "#num_paths-problem").await,
        range["detail"][0]["msg"]
    );
    // Back to the default, by its button.
    page.click("button", "Number of strokes: reset to 256")
        .await;
    page.wait_for("document.querySelector('#num_paths-problem').textContent === ''")
        .await;
    assert_eq!(value(&page, "#num_paths").await, "256");
    page.click("button", "a red fox").await;
    page.wait_for("document.querySelector('#prompt-problem').textContent === ''")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seed_changes_with_every_drawing_unless_it_is_locked() {
    let server = server().await;
    let Some(page) = open(&server, "/studio#num_iterations=1&num_paths=2").await else {
        return;
    };
    draw(&page).await;
    let first = value(&page, "#seed").await;
    assert_ne!(first, "");
    page.click("button", "Keep this seed").await;
    page.click("button", "Draw").await;
    page.wait_for("document.querySelectorAll('.card').length === 2")
        .await;
    assert_eq!(value(&page, "#seed").await, first);
    page.click("button", "Another seed").await;
    assert_ne!(value(&page, "#seed").await, first);
    page.reload().await;
    ready(&page).await;
    assert_eq!(value(&page, "#num_iterations").await, "1");
}
