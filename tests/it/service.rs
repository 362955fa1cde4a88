//! The life of predictions, with an engine that needs no CLIP.

use std::sync::Arc;
use std::time::Duration;

use clipdraw::inputs::Input;
use clipdraw::service::{
    Destination, Event, HealthStatus, Lifeline, Prediction, Refusal, Registry, Request, Snapshot,
    Status, worker,
};
use serde_json::{Value, json};

use crate::support::fake_engine::{Controls, limits, loader, ready_registry};

fn request(id: &str, values: &Value) -> Request {
    let mut all = json!({"num_paths": 2, "num_iterations": 3, "display_frequency": 1, "seed": 7});
    let given = values.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(given);
    Request {
        id: Some(id.to_owned()),
        input: Input::from_values(all.as_object().unwrap()).unwrap(),
        notes: Vec::new(),
        destination: Destination::Response,
        lifeline: Lifeline::None,
    }
}

fn submit(registry: &Arc<Registry>, id: &str, prompt: &str) -> Arc<Prediction> {
    registry
        .submit(request(id, &json!({"prompt": prompt})))
        .unwrap()
}

fn events(prediction: &Prediction) -> Vec<Event> {
    let first = prediction.first_event(None).unwrap();
    (first..)
        .map_while(|number| prediction.event(number).unwrap())
        .collect()
}

async fn ready(registry: &Registry) {
    while registry.health().status != HealthStatus::Ready {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_prediction_gives_out_every_frame_and_ends_with_its_drawing() {
    let (registry, _) = ready_registry(limits(1, 0)).await;
    let mut asked = request("one", &json!({"prompt": "a cat"}));
    asked.notes.push("a note".to_owned());
    let prediction = registry.submit(asked).unwrap();
    let end = prediction.finished().await;
    assert_eq!(end.status, Status::Succeeded);
    assert_eq!(end.output.len(), 4);
    assert!(end.output[0].starts_with("data:image/svg+xml;base64,"));
    let logs: Vec<_> = end.logs.lines().collect();
    assert_eq!(logs[0], "a note");
    assert!(logs[1].starts_with("drawing `a cat` with 2 strokes, seed 7, CLIP fake on cpu"));
    assert!(logs[2].starts_with("step 0/3"), "{}", logs[2]);
    assert!(
        logs[5].ends_with("loss 0.2500 = clip -0.2500 + centre 0.5000"),
        "{}",
        logs[5]
    );
    assert_eq!(end.metrics["seed"], 7);
    assert_eq!(end.metrics["losses"]["centre"], 0.5);
    assert!(end.metrics["predict_time"].as_f64().unwrap() > 0.0);
    let told = events(&prediction);
    assert_eq!(told[1], Event::Start);
    assert_eq!(told.last(), Some(&Event::Completed));
    let outputs = told.iter().filter_map(|event| match event {
        Event::Output { index, .. } => Some(*index),
        _ => None,
    });
    assert!(outputs.eq(0..4));
}

#[tokio::test]
async fn the_slot_is_free_when_the_answer_is_there() {
    let (registry, _) = ready_registry(limits(1, 0)).await;
    for number in 0..200 {
        let end = submit(&registry, "again", &format!("cat {number}"))
            .finished()
            .await;
        assert_eq!(end.status, Status::Succeeded);
        assert_eq!(registry.health().status, HealthStatus::Ready);
    }
    assert_eq!(
        registry.recent().len(),
        1,
        "one prediction of that id is remembered"
    );
}

#[tokio::test]
async fn a_full_server_refuses_and_a_queue_lets_predictions_wait_in_order() {
    let (registry, controls) = ready_registry(limits(1, 2)).await;
    let first = submit(&registry, "first", "hold at 1");
    controls.wait_for_hold();
    let second = submit(&registry, "second", "a cat");
    assert_eq!(registry.health().status, HealthStatus::Ready);
    let third = submit(&registry, "third", "a dog");
    assert_eq!(registry.health().status, HealthStatus::Busy);
    assert_eq!(
        (registry.health().running, registry.health().waiting),
        (1, 2)
    );
    let refused = registry.submit(request("fourth", &json!({})));
    assert!(matches!(refused, Err(Refusal::AtCapacity)));
    let twice = registry.submit(request("second", &json!({})));
    assert!(matches!(twice, Err(Refusal::AlreadyRunning(running)) if running.id() == "second"));
    assert_eq!(second.status(), Status::Starting);
    controls.release();
    let ends: Vec<Snapshot> = [
        first.finished().await,
        second.finished().await,
        third.finished().await,
    ]
    .into();
    assert!(ends.iter().all(|end| end.status == Status::Succeeded));
    assert!(ends.is_sorted_by_key(|end| end.started_at));
}

#[tokio::test]
async fn a_waiting_prediction_is_cancelled_at_once() {
    let (registry, controls) = ready_registry(limits(1, 1)).await;
    let running = submit(&registry, "running", "hold at 0");
    controls.wait_for_hold();
    let waiting = submit(&registry, "waiting", "a cat");
    waiting.cancel();
    let end = waiting.finished().await;
    assert_eq!((end.status, end.started_at), (Status::Canceled, None));
    assert_eq!(
        registry.health().status,
        HealthStatus::Ready,
        "its place is free"
    );
    assert!(!running.status().is_terminal());
    controls.release();
    assert_eq!(running.finished().await.status, Status::Succeeded);
}

#[tokio::test]
async fn a_running_prediction_is_cancelled_with_the_files_that_it_has() {
    let (registry, controls) = ready_registry(limits(1, 0)).await;
    let prediction = submit(&registry, "long", "hold at 2");
    controls.wait_for_hold();
    let mut changes = prediction.changes();
    changes
        .wait_for(|_| prediction.snapshot().output.len() == 2)
        .await
        .unwrap();
    prediction.cancel();
    prediction.cancel();
    controls.release();
    let end = prediction.finished().await;
    assert_eq!((end.status, end.output.len()), (Status::Canceled, 2));
    ready(&registry).await;
}

#[tokio::test]
async fn drawings_share_their_steps() {
    let (registry, controls) = ready_registry(limits(3, 0)).await;
    let first = submit(&registry, "first", "hold at 1");
    controls.wait_for_hold();
    let others = ["second", "third"].map(|id| submit(&registry, id, "sleep 1"));
    controls.release();
    assert_eq!(first.finished().await.status, Status::Succeeded);
    for other in others {
        assert_eq!(other.finished().await.status, Status::Succeeded);
    }
    assert!(controls.most_together() > 1);
}

#[tokio::test]
async fn a_panic_fails_its_own_prediction_and_spares_the_company() {
    let (registry, controls) = ready_registry(limits(3, 0)).await;
    let first = submit(&registry, "first", "hold at 0");
    controls.wait_for_hold();
    let guilty = submit(&registry, "guilty", "panic at 2");
    let crowded = submit(&registry, "crowded", "panic together");
    controls.release();
    let end = guilty.finished().await;
    assert_eq!(end.status, Status::Failed);
    let error = end.error.unwrap();
    assert_eq!(
        &*error,
        "Prediction failed: the worker panicked: told to panic"
    );
    assert!(end.logs.ends_with(&format!("{error}\n")));
    assert_eq!(end.output.len(), 2, "what was drawn before is kept");
    for spared in [first, crowded] {
        let end = spared.finished().await;
        assert_eq!((end.status, end.output.len()), (Status::Succeeded, 4));
    }
    ready(&registry).await;
    assert_eq!(controls.loads(), 1, "the engine still worked");
}

#[tokio::test]
async fn every_failure_says_what_happened_and_frees_the_slot() {
    let (registry, _) = ready_registry(limits(1, 0)).await;
    for (prompt, expected) in [
        (
            "fail at 1",
            "Prediction failed: the loss of the centre term is not finite in step 1",
        ),
        (
            "panic at start",
            "Prediction failed: the worker panicked: told to panic",
        ),
    ] {
        let end = submit(&registry, "bad", prompt).finished().await;
        assert_eq!(end.error.as_deref(), Some(expected));
        assert_eq!(registry.health().status, HealthStatus::Ready, "{prompt}");
        let next = submit(&registry, "next", "a cat").finished().await;
        assert_eq!(next.status, Status::Succeeded);
    }
}

#[tokio::test]
async fn a_broken_engine_is_loaded_again_and_health_says_so_meanwhile() {
    let (registry, controls) = ready_registry(limits(1, 1)).await;
    controls.fail_loads(1);
    let guilty = submit(&registry, "guilty", "break at 1");
    let end = guilty.finished().await;
    assert_eq!(end.status, Status::Failed);
    while registry.health().status != HealthStatus::Unhealthy {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(registry.health().trouble.is_some());
    let refused = registry.submit(request("early", &json!({})));
    assert!(matches!(refused, Err(Refusal::NotReady)));
    ready(&registry).await;
    assert_eq!(controls.loads(), 3, "at the start, in vain, and again");
    let next = submit(&registry, "next", "a cat").finished().await;
    assert_eq!(next.status, Status::Succeeded);
}

#[tokio::test]
async fn a_failed_setup_is_told_and_nothing_is_accepted() {
    let controls = Arc::new(Controls::default());
    controls.fail_loads(1);
    let registry = Registry::new(limits(1, 0));
    assert_eq!(registry.health().status, HealthStatus::Starting);
    worker::start(Arc::clone(&registry), loader(&controls))
        .unwrap()
        .join()
        .unwrap();
    let health = registry.health();
    assert_eq!(health.status, HealthStatus::SetupFailed);
    assert_eq!(health.setup.logs, "worker setup failed: told to fail\n");
    let refused = registry.submit(request("early", &json!({})));
    assert!(matches!(refused, Err(Refusal::NotReady)));
}

#[tokio::test]
async fn closing_lets_everything_accepted_come_to_its_end() {
    let (registry, controls) = ready_registry(limits(1, 2)).await;
    let running = submit(&registry, "running", "hold at 1");
    controls.wait_for_hold();
    let waiting = submit(&registry, "waiting", "a cat");
    registry.close();
    assert_eq!(registry.health().status, HealthStatus::Defunct);
    let refused = registry.submit(request("late", &json!({})));
    assert!(matches!(refused, Err(Refusal::Closed)));
    controls.release();
    registry.drained().await;
    assert_eq!(running.status(), Status::Succeeded);
    assert_eq!(waiting.status(), Status::Succeeded);
}

#[tokio::test]
async fn nobody_is_left_without_a_final_word_when_time_is_up() {
    let (registry, controls) = ready_registry(limits(1, 2)).await;
    let stuck = submit(&registry, "stuck", "hold at 1");
    controls.wait_for_hold();
    let waiting = submit(&registry, "waiting", "a cat");
    registry.close();
    registry.cancel_all();
    assert_eq!(waiting.finished().await.status, Status::Canceled);
    assert!(!stuck.status().is_terminal(), "its worker does not answer");
    registry.abandon();
    registry.drained().await;
    assert_eq!(stuck.status(), Status::Canceled);
    controls.release();
}

#[tokio::test]
async fn a_prediction_that_lives_for_its_subscribers_ends_with_the_last_of_them() {
    let (registry, controls) = ready_registry(limits(1, 0)).await;
    let mut asked = request("watched", &json!({"prompt": "hold at 1"}));
    asked.lifeline = Lifeline::Subscribers;
    let prediction = registry.submit(asked).unwrap();
    let subscribers = [prediction.subscriber(), prediction.subscriber()];
    controls.wait_for_hold();
    let [first, last] = subscribers;
    drop(first);
    assert!(!prediction.is_cancel_requested());
    drop(last);
    assert!(prediction.is_cancel_requested());
    controls.release();
    assert_eq!(prediction.finished().await.status, Status::Canceled);
}

#[tokio::test]
async fn finished_predictions_are_remembered_within_bounds() {
    let mut bounds = limits(1, 0);
    bounds.remember = 3;
    let (registry, _) = ready_registry(bounds).await;
    for number in 0..5 {
        submit(&registry, &format!("p{number}"), "a cat")
            .finished()
            .await;
    }
    let known: Vec<String> = registry
        .recent()
        .iter()
        .map(|p| p.id().to_owned())
        .collect();
    assert_eq!(known, ["p4", "p3", "p2"]);
    assert!(registry.find("p1").is_none() && registry.find("p4").is_some());
    assert!(registry.running("p4").is_none());
}
