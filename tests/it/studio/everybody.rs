//! The page for everybody: axe-core, the keyboard alone, screen readers, phones, dark mode, less motion.

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use super::page::{draw, open, screenshot, server, small, wait_for_state, wait_for_stops};
use crate::support::devtools::Page;
use crate::support::server::{Choices, TestServer};

const AXE: &[u8] = include_bytes!("../data/axe.min.js.gz");

/// Checks what the page shows against WCAG 2.2, levels A and AA.
async fn assert_accessible(page: &Page, state: &str) {
    let mut axe = String::new();
    GzDecoder::new(AXE).read_to_string(&mut axe).unwrap();
    page.evaluate(&format!("(() => {{ {axe} }})()")).await;
    let found = page
        .evaluate(
            "axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }).then(results => \
             results.violations.map(({ id, nodes }) => [id, nodes.map(({ html, failureSummary }) => [html, failureSummary])]))",
        )
        .await;
    assert_eq!(found, json!([]), "{state}: {found:#}");
    screenshot(page, &format!("axe-{state}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_no_violation_in_any_state_of_the_page() {
    let server = server().await;
    let Some(page) = open(
        &server,
        &format!("/studio{}", small("hold at 2 | text:-0.3")),
    )
    .await
    else {
        return;
    };
    assert_accessible(&page, "empty").await;
    page.click("label", "Show the circle over the drawing")
        .await;
    page.click("button", "What is Radius?").await;
    page.fill("#num_paths", "5000").await;
    page.wait_for("document.querySelector('#num_paths-problem').textContent !== ''")
        .await;
    assert_accessible(&page, "wrong").await;
    page.fill("#num_paths", "5").await;
    page.click("button", "Draw").await;
    wait_for_state(&page, "Step 1 of 3").await;
    assert_accessible(&page, "drawing").await;
    server.controls.release();
    wait_for_state(&page, "Finished").await;
    page.click("summary", "The same request as a command or a program")
        .await;
    assert_accessible(&page, "finished").await;
    draw(&page).await;
    page.wait_for("document.querySelectorAll('.card').length === 2")
        .await;
    page.click(".card:nth-child(1) button", "Compare").await;
    page.click(".card:nth-child(2) button", "Compare with this")
        .await;
    assert_accessible(&page, "compared").await;
    page.prefer("prefers-color-scheme", "dark").await;
    assert_accessible(&page, "dark").await;
    page.resize([390, 844], true).await;
    assert_accessible(&page, "phone").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn axe_finds_no_violation_where_the_token_is_asked_for() {
    let server = TestServer::start(Choices {
        token: Some("s3cret"),
        ..Choices::default()
    })
    .await;
    let Some(page) = open(&server, "/studio").await else {
        return;
    };
    page.wait_for("document.querySelector('dialog').open").await;
    assert_accessible(&page, "token").await;
}

/// What has the focus: its id, or its text.
const FOCUS: &str = "document.activeElement.id || document.activeElement.textContent.trim()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keyboard_alone_draws_and_stops() {
    let server = server().await;
    let Some(page) = open(&server, &format!("/studio{}", small("hold at 2"))).await else {
        return;
    };
    let mut visited = Vec::new();
    while visited.last() != Some(&json!("Draw")) {
        page.press("Tab").await;
        visited.push(page.evaluate(FOCUS).await);
        assert!(visited.len() < 30, "{visited:?}");
    }
    assert!(visited.contains(&json!("prompt")), "{visited:?}");
    let outline = page
        .evaluate("getComputedStyle(document.activeElement).outlineStyle")
        .await;
    assert_eq!(outline, "solid", "the focus is visible");
    page.press("Enter").await;
    wait_for_state(&page, "Step 1 of 3").await;
    while page.evaluate(FOCUS).await != "Stop and keep" {
        page.press("Tab").await;
    }
    page.press(" ").await;
    wait_for_stops(&page, 1).await;
    server.controls.release();
    wait_for_state(&page, "Stopped").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_reader_finds_names_and_hears_the_progress() {
    let server = server().await;
    let Some(page) = open(&server, &format!("/studio{}", small("a cat"))).await else {
        return;
    };
    draw(&page).await;
    let tree = page.accessibility_tree().await;
    for (role, name) in [
        ("heading", "clipdraw studio"),
        ("textbox", "What shall I draw?"),
        ("button", "Draw"),
        ("spinbutton", "Seed"),
        ("spinbutton", "Thinnest stroke"),
        ("article", "Drawing: a cat"),
        ("image", "Drawing of a cat, step 3"),
        ("slider", "Frame"),
        ("progressbar", "Steps drawn"),
    ] {
        assert!(
            tree.contains(&(role.to_owned(), name.to_owned())),
            "{role} {name}: {tree:#?}"
        );
    }
    let unnamed = |role: &str| {
        tree.iter()
            .any(|(found, name)| found == role && name.trim().is_empty())
    };
    for role in [
        "button",
        "textbox",
        "spinbutton",
        "slider",
        "combobox",
        "checkbox",
        "link",
    ] {
        assert!(!unnamed(role), "{role}");
    }
    assert!(tree.iter().any(|(role, _)| role == "status"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_phone_everything_fits_and_can_be_hit() {
    let server = server().await;
    let Some(page) = open(&server, &format!("/studio{}", small("a cat"))).await else {
        return;
    };
    page.resize([360, 740], true).await;
    page.reload().await;
    super::page::ready(&page).await;
    assert_eq!(
        page.evaluate("document.querySelector('.settings').open")
            .await,
        false
    );
    draw(&page).await;
    screenshot(&page, "phone").await;
    let wide = page
        .evaluate("[...document.querySelectorAll('body *')].filter(element => element.checkVisibility() && element.getBoundingClientRect().right > innerWidth + 1 && !element.closest('pre')).map(element => element.outerHTML.slice(0, 80))")
        .await;
    assert_eq!(wide, json!([]));
    let small = page
        .evaluate("[...document.querySelectorAll('button, input, select, a, summary, [role=slider]')].filter(element => { const box = element.getBoundingClientRect(); return element.checkVisibility() && (box.width < 24 || box.height < 24); }).map(element => element.outerHTML.slice(0, 80))")
        .await;
    assert_eq!(small, json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_wants_less_motion_sees_fewer_frames() {
    let server = server().await;
    let Some(page) = open(&server, "/studio").await else {
        return;
    };
    page.prefer("prefers-reduced-motion", "reduce").await;
    page.evaluate("(() => { window.shown = 0; new MutationObserver(changes => { for (const { target } of changes) if (target.className === 'drawing') shown += 1; }).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['src'] }); })()")
        .await;
    page.fill("#prompt", "sleep 20").await;
    page.fill("#num_paths", "5").await;
    page.fill("#num_iterations", "80").await;
    page.fill("#display_frequency", "1").await;
    draw(&page).await;
    let shown: Value = page.evaluate("shown").await;
    let shown = shown.as_u64().unwrap();
    assert!((1..=10).contains(&shown), "{shown} pictures in 81 frames");
}
