//! How fast the page is, on recorded frames. The figures of the README come from here:
//! `cargo nextest run -p clipdraw --run-ignored only --no-capture studio::speed`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, Bytes};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clipdraw::output::{Metadata, write_svg};
use clipdraw::scene::Canvas;
use clipdraw::scene::start::random_strokes;
use futures_util::stream;
use serde_json::json;

use super::page::{draw, open, open_address, ready, server};
use super::stub::{self, event};

/// Frames that differ, and that repeat after a while.
const DIFFERENT: u64 = 60;

/// The events of the frames of a drawing, each with its metrics, and then the end.
fn recorded(strokes: usize, frames: u64) -> impl Fn(u64) -> Bytes + Clone + Send + Sync {
    let canvas = Canvas::default();
    let metadata = Metadata {
        title: "recorded".to_owned(),
        provenance: "{}".to_owned(),
    };
    let files: Vec<String> = (0..DIFFERENT)
        .map(|seed| {
            let svg = write_svg(&random_strokes(&canvas, strokes, seed), &canvas, &metadata);
            format!("data:image/svg+xml;base64,{}", STANDARD.encode(svg))
        })
        .collect();
    let files = Arc::new(files);
    move |index| {
        if index == frames {
            return event(3 * frames + 1, "completed", &json!({"status": "succeeded"})).into();
        }
        let file = &files[(index % DIFFERENT) as usize];
        let losses = json!({"total": -1.0 / (index + 1) as f64, "clip": -0.5, "centre": 0.1});
        let text = event(
            3 * index + 1,
            "metric",
            &json!({"name": "step", "value": index}),
        ) + &event(
            3 * index + 2,
            "metric",
            &json!({"name": "losses", "value": losses}),
        ) + &event(
            3 * index + 3,
            "output",
            &json!({"index": index, "chunk": file}),
        );
        text.into()
    }
}

fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs_f64() * 1000.0
}

/// A server that plays frames, with a pause between two of them. The first one has the time of its start as
/// its seed.
async fn play(strokes: usize, frames: u64, pause: Duration) -> String {
    let chunk = recorded(strokes, frames);
    stub::start(Arc::new(move |_| {
        let chunk = chunk.clone();
        let start = tokio::time::Instant::now();
        let began = event(0, "start", &json!({"began": now()}));
        let chunks = stream::unfold(None, move |state: Option<u64>| {
            let (chunk, began) = (chunk.clone(), began.clone());
            async move {
                let Some(index) = state else {
                    return Some((Ok::<Bytes, Infallible>(began.into()), Some(0)));
                };
                if index > frames {
                    return None;
                }
                tokio::time::sleep_until(start + pause * index as u32).await;
                Some((Ok(chunk(index)), Some(index + 1)))
            }
        });
        let headers = [("content-type", "text/event-stream")];
        (headers, Body::from_stream(chunks)).into_response()
    }))
    .await
}

/// Records, for every picture that is ready, the step that it shows and the time.
const RECORD: &str = "(() => { window.shown = []; const decode = HTMLImageElement.prototype.decode; HTMLImageElement.prototype.decode = async function () { const step = Number(this.alt.match(/\\d+$/)?.[0]); await decode.call(this); shown.push([step, Date.now()]); }; })()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures, and asserts nothing about time"]
#[expect(clippy::print_stderr, reason = "these are the figures")]
async fn measure_2048_strokes_at_60_steps_a_second() {
    const FRAMES: u64 = 1200;
    let pause = Duration::from_secs(1) / 60;
    let address = play(2048, FRAMES, pause).await;
    let inputs = format!("#num_paths=2048&num_iterations={FRAMES}&display_frequency=1");
    let Some(page) = open_address(&format!("{address}/studio{inputs}")).await else {
        return;
    };
    page.evaluate(RECORD).await;
    let start = now();
    draw(&page).await;
    let shown = page.evaluate("shown").await;
    let lags: Vec<f64> = shown
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| pair[1].as_f64().unwrap() - start - pair[0].as_f64().unwrap() * 1000.0 / 60.0)
        .collect();
    let worst = lags.iter().copied().fold(0.0, f64::max);
    let mean = lags.iter().sum::<f64>() / lags.len() as f64;
    eprintln!(
        "2,048 strokes, {FRAMES} frames at 60 a second: {} pictures in {:.1} s; behind by {mean:.0} ms on average and {worst:.0} ms at most (from the click on)",
        lags.len(),
        (now() - start) / 1000.0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures, and asserts nothing about memory"]
#[expect(clippy::print_stderr, reason = "these are the figures")]
async fn measure_the_memory_of_10_000_frames() {
    const FRAMES: u64 = 10_000;
    let address = play(256, FRAMES, Duration::ZERO).await;
    let inputs = format!("#num_iterations={FRAMES}&display_frequency=1");
    let Some(page) = open_address(&format!("{address}/studio{inputs}")).await else {
        return;
    };
    let start = now();
    page.click("button", "Draw").await;
    let heap = "performance.memory.usedJSHeapSize / 2 ** 20";
    for step in [1000, 5000, FRAMES - 1] {
        page.wait_for(&format!(
            "Number(document.querySelector('.slider')?.max) >= {step}"
        ))
        .await;
        let heap = page.evaluate(heap).await;
        eprintln!(
            "{step} frames after {:.1} s: {:.0} MiB of JavaScript's heap",
            (now() - start) / 1000.0,
            heap.as_f64().unwrap()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it measures, and asserts nothing about time"]
#[expect(clippy::print_stderr, reason = "these are the figures")]
async fn measure_the_opening_of_20_earlier_drawings() {
    let server = server().await;
    let Some(page) = open(&server, "/studio#num_iterations=60&display_frequency=1").await else {
        return;
    };
    for number in 1..=20 {
        draw(&page).await;
        page.wait_for(&format!(
            "document.querySelectorAll('.earlier').length === {number}"
        ))
        .await;
        page.click(".card button", "Close").await;
    }
    page.reload().await;
    ready(&page).await;
    let time = page
        .evaluate("(async () => { while ([...document.querySelectorAll('.earlier img')].filter(image => image.complete && image.naturalWidth).length < 20) await new Promise(requestAnimationFrame); return performance.now(); })()")
        .await;
    eprintln!(
        "a page with 20 earlier drawings is complete {:.0} ms after it was asked for",
        time.as_f64().unwrap()
    );
}
