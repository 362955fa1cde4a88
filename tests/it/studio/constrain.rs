//! A person moves the centre circle.

use super::page::{draw, open, screenshot, server, small, value};

async fn number(page: &crate::support::devtools::Page, selector: &str) -> f64 {
    let text = value(page, selector).await;
    text.as_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dragging_the_circle_changes_its_inputs() {
    let server = server().await;
    let Some(page) = open(&server, &format!("/studio{}", small("a cat"))).await else {
        return;
    };
    page.click("label", "Show the circle over the drawing")
        .await;
    let width = page
        .evaluate("document.querySelector('.overlay').clientWidth")
        .await;
    let width = width.as_f64().unwrap();
    page.drag(".handle.middle", [-0.25 * width, 0.125 * width])
        .await;
    page.wait_for("document.querySelector('.setting.changed #centre_x') !== null")
        .await;
    assert!((number(&page, "#centre_x").await - 0.25).abs() < 0.01);
    assert!((number(&page, "#centre_y").await - 0.625).abs() < 0.01);
    page.drag(".handle.rim", [-0.1 * width, 0.0]).await;
    page.wait_for(
        "document.querySelector('.setting.changed #distance_from_centre_threshold') !== null",
    )
    .await;
    let radius = number(&page, "#distance_from_centre_threshold").await;
    assert!((radius - (75.0 - 22.4)).abs() < 1.5, "{radius}");
    screenshot(&page, "circle").await;
    // With the keyboard too.
    page.evaluate("document.querySelector('.handle.rim').focus()")
        .await;
    let before = number(&page, "#distance_from_centre_threshold").await;
    page.press("ArrowRight").await;
    page.wait_for(&format!(
        "Number(document.querySelector('#distance_from_centre_threshold').value) > {before}"
    ))
    .await;
    page.evaluate("document.querySelector('.handle.middle').focus()")
        .await;
    page.press("ArrowDown").await;
    page.wait_for("Number(document.querySelector('#centre_y').value) > 0.63")
        .await;
    draw(&page).await;
    let list = server.get("/predictions").await.json();
    let input = &list["results"][0]["input"];
    assert_eq!(input["centre_x"], number(&page, "#centre_x").await);
    assert_eq!(input["centre_y"], number(&page, "#centre_y").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_regions_have_their_outline_and_their_field() {
    let server = server().await;
    for (kind, outline, inside) in [
        ("ellipse", "ellipse", "[24, 24]"),
        ("rectangle", "rect", "[24, 24]"),
        ("frame", "rect", "[1, 1]"),
    ] {
        let inputs = format!(
            "#region_shape={kind}&region_width=120&region_height=60&region_rotation=90&distance_from_centre_threshold=0&distance_from_centre_weight=1"
        );
        let Some(page) = open(&server, &format!("/studio{inputs}")).await else {
            return;
        };
        page.click("label", &format!("Show the {kind} over the drawing"))
            .await;
        let alpha = "(([column, row]) => document.querySelector('.overlay canvas').getContext('2d').getImageData(column, row, 1, 1).data[3])";
        // Turned by a quarter, it is higher than wide: 60 of 224 pixels are 13 of 48 columns.
        let [above, beside] = ["[24, 14]", "[14, 24]"].map(|place| format!("{alpha}({place})"));
        let [free, penalised] = if kind == "frame" {
            [&beside, &above]
        } else {
            [&above, &beside]
        };
        page.wait_for(&format!(
            "document.querySelector('.overlay {outline}') !== null && {penalised} > 0 && {free} === 0 && {alpha}({inside}) === 0"
        ))
        .await;
        let turned = page
            .evaluate(&format!(
                "(() => {{ const box = document.querySelector('.overlay {outline}').getBoundingClientRect(); return box.height / box.width; }})()"
            ))
            .await;
        let turned = turned.as_f64().unwrap();
        assert!((turned - 2.0).abs() < 0.05, "{kind}: {turned}");
        assert_eq!(
            page.evaluate("document.querySelectorAll('.handle').length")
                .await,
            1
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_region_than_the_circle_has_no_margin_unless_one_is_set() {
    let server = server().await;
    let address = format!("/studio{}&region_shape=frame", small("a cat"));
    let Some(page) = open(&server, &address).await else {
        return;
    };
    let threshold = "#distance_from_centre_threshold";
    assert_eq!(value(&page, threshold).await, "0");
    let is_changed = format!("document.querySelector('.setting.changed {threshold}') !== null");
    assert_eq!(page.evaluate(&is_changed).await, false);
    draw(&page).await;
    // The default of the circle is a choice for a frame.
    page.fill(threshold, "75").await;
    page.wait_for(&is_changed).await;
    draw(&page).await;
    let list = server.get("/predictions").await.json();
    let mut sent = [0, 1].map(|place| {
        list["results"][place]["input"]["distance_from_centre_threshold"]
            .as_f64()
            .unwrap()
    });
    sent.sort_by(f64::total_cmp);
    assert_eq!(sent, [0.0, 75.0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_field_grows_with_the_distance_and_the_weight() {
    let server = server().await;
    let Some(page) = open(&server, "/studio").await else {
        return;
    };
    page.click("label", "Show the circle over the drawing")
        .await;
    let field = "(() => { const canvas = document.querySelector('.overlay canvas'); const at = place => canvas.getContext('2d').getImageData(place, 24, 1, 1).data[3]; return [at(24), at(6), at(0)]; })()";
    page.wait_for(&format!("{field}[2] > 0")).await;
    let [inside, near, far] = values(&page.evaluate(field).await);
    assert!(
        inside == 0.0 && near > 0.0 && far > near,
        "{inside} {near} {far}"
    );
    page.fill("#distance_from_centre_weight", "0").await;
    page.wait_for(&format!("{field}.every(alpha => alpha === 0)"))
        .await;
}

fn values(value: &serde_json::Value) -> [f64; 3] {
    [0, 1, 2].map(|place| value[place].as_f64().unwrap())
}
