//! The life of predictions, with an engine that needs no CLIP.

use std::sync::Arc;
use std::time::Duration;

use clipdraw::cog::{HealthStatus, Status};
use clipdraw::inputs::Input;
use clipdraw::service::{
    CancelPolicy, Destination, Event, Origin, Prediction, RestartPolicy, Service, Snapshot,
    Submission, SubmitError, worker,
};
use serde_json::{Value, json};

use crate::support::fake_engine::{Controls, limits, loader, ready_service, service};
use crate::support::server::known;

fn request(id: &str, values: &Value) -> Submission {
    let mut all = json!({"num_paths": 2, "num_iterations": 3, "display_frequency": 1, "seed": 7});
    let given = values.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(given);
    Submission {
        id: Some(id.to_owned()),
        input: Input::from_values(all.as_object().unwrap()).unwrap(),
        notes: Vec::new(),
        destination: Destination::Inline,
        cancel_policy: CancelPolicy::OnRequest,
        restart_policy: RestartPolicy::Cancel,
        receiver: None,
        origin: Origin::default(),
    }
}

async fn submit(service: &Arc<Service>, id: &str, prompt: &str) -> Arc<Prediction> {
    service
        .submit(request(id, &json!({"prompt": prompt})))
        .await
        .unwrap()
}

fn events(prediction: &Prediction) -> Vec<Event> {
    let first = prediction.first_event(None).unwrap();
    (first..)
        .map_while(|number| prediction.event(number).unwrap())
        .collect()
}

async fn ready(service: &Service) {
    while service.health().await.status != HealthStatus::Ready {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_prediction_outputs_every_frame_and_ends_with_its_drawing() {
    let (service, _) = ready_service(limits(1, 0)).await;
    let mut asked = request("one", &json!({"prompt": "a cat"}));
    asked.notes.push("a note".to_owned());
    let prediction = service.submit(asked).await.unwrap();
    let end = prediction.finished().await;
    assert_eq!(end.status, Status::Succeeded);
    assert_eq!(end.output.len(), 4);
    assert!(end.output[0].starts_with("data:image/svg+xml;base64,"));
    let logs: Vec<_> = end.logs.lines().collect();
    assert_eq!(logs[1], "a note");
    assert!(
        logs[0].starts_with("drawing `a cat` (weight 1) with 2 strokes, seed 7, CLIP fake on cpu")
    );
    assert!(logs[2].starts_with("step 0/3"), "{}", logs[2]);
    assert!(
        logs[5].ends_with("loss 0.2500 = clip -0.2500 + centre 0.5000"),
        "{}",
        logs[5]
    );
    assert_eq!(end.metrics["seed"], 7);
    assert_eq!(end.metrics["losses"]["centre"], 0.5);
    assert!(end.metrics["predict_time"].as_f64().unwrap() > 0.0);
    let events = events(&prediction);
    assert!(matches!(events[0], Event::Start { .. }));
    assert!(matches!(events.last(), Some(Event::Completed(_))));
    let outputs = events.iter().filter_map(|event| match event {
        Event::Output { index, .. } => Some(*index),
        _ => None,
    });
    assert!(outputs.eq(0..4));
}

#[tokio::test]
async fn the_slot_is_free_before_the_response_arrives() {
    let (service, _) = ready_service(limits(1, 0)).await;
    for number in 0..200 {
        let end = submit(&service, "again", &format!("cat {number}"))
            .await
            .finished()
            .await;
        assert_eq!(end.status, Status::Succeeded);
        assert_eq!(service.health().await.status, HealthStatus::Ready);
    }
    assert_eq!(
        known(&service).await.len(),
        1,
        "one prediction of that id is remembered"
    );
}

#[tokio::test]
async fn a_full_server_refuses_and_a_queue_lets_predictions_wait_in_order() {
    let (service, controls) = ready_service(limits(1, 2)).await;
    let first = submit(&service, "first", "hold at 1").await;
    controls.wait_for_hold();
    let second = submit(&service, "second", "a cat").await;
    assert_eq!(service.health().await.status, HealthStatus::Ready);
    let third = submit(&service, "third", "a dog").await;
    assert_eq!(service.health().await.status, HealthStatus::Busy);
    assert_eq!(
        (
            service.health().await.running,
            service.health().await.waiting
        ),
        (1, 2)
    );
    let refused = service.submit(request("fourth", &json!({}))).await;
    assert!(matches!(refused, Err(SubmitError::AtCapacity)));
    let twice = service.submit(request("second", &json!({}))).await;
    assert!(matches!(twice, Err(SubmitError::AlreadyRunning(running)) if running.id() == "second"));
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
    let (service, controls) = ready_service(limits(1, 1)).await;
    let running = submit(&service, "running", "hold at 0").await;
    controls.wait_for_hold();
    let waiting = submit(&service, "waiting", "a cat").await;
    waiting.cancel();
    let end = waiting.finished().await;
    assert_eq!((end.status, end.started_at), (Status::Canceled, None));
    assert_eq!(
        service.health().await.status,
        HealthStatus::Ready,
        "its place is free"
    );
    assert!(!running.status().is_terminal());
    controls.release();
    assert_eq!(running.finished().await.status, Status::Succeeded);
}

#[tokio::test]
async fn a_running_prediction_is_cancelled_with_the_files_that_it_has() {
    let (service, controls) = ready_service(limits(1, 0)).await;
    let prediction = submit(&service, "long", "hold at 2").await;
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
    ready(&service).await;
}

#[tokio::test]
async fn drawings_share_their_steps() {
    let (service, controls) = ready_service(limits(3, 0)).await;
    let first = submit(&service, "first", "hold at 1").await;
    controls.wait_for_hold();
    let others = [
        submit(&service, "second", "sleep 1").await,
        submit(&service, "third", "sleep 1").await,
    ];
    controls.release();
    assert_eq!(first.finished().await.status, Status::Succeeded);
    for other in others {
        assert_eq!(other.finished().await.status, Status::Succeeded);
    }
    assert!(controls.most_together() > 1);
}

#[tokio::test]
async fn an_engine_that_returns_after_several_steps_publishes_the_same_events() {
    let (service, controls) = ready_service(limits(2, 0)).await;
    let submit = async |id: &str, prompt: &str| {
        let values = json!({"prompt": prompt, "num_iterations": 7, "display_frequency": 3});
        let prediction = service.submit(request(id, &values)).await.unwrap();
        prediction.finished().await
    };
    let single = submit("single", "a cat").await;
    let steps = controls.steps();
    let several = submit("several", "a cat in runs of 5").await;
    assert_eq!(controls.steps(), 2 * steps);
    assert_eq!(several.status, Status::Succeeded);
    // The files show the prompt in their metadata.
    assert_eq!(several.output.len(), single.output.len());
    let steps_of = |end: &Snapshot| -> Vec<String> {
        let lines = end.logs.lines().filter(|line| line.starts_with("step "));
        lines
            .map(|line| line.split(' ').nth(1).unwrap().to_owned())
            .collect()
    };
    assert_eq!(steps_of(&several), ["0/7", "3/7", "6/7", "7/7"]);
    assert_eq!(steps_of(&several), steps_of(&single));
}

#[tokio::test]
async fn a_failure_in_the_middle_of_several_steps_comes_after_the_frames_before_it() {
    let (service, _) = ready_service(limits(1, 0)).await;
    let values =
        json!({"prompt": "fail at 5 in runs of 9", "num_iterations": 9, "display_frequency": 4});
    let prediction = service.submit(request("one", &values)).await.unwrap();
    let end = prediction.finished().await;
    assert_eq!((end.status, end.output.len()), (Status::Failed, 2));
    assert!(end.error.unwrap().contains("step 5"));
}

#[tokio::test]
async fn a_prediction_for_which_there_is_no_memory_waits_for_the_others_and_keeps_its_turn() {
    let (service, controls) = ready_service(limits(3, 4)).await;
    let values = json!({"prompt": "sleep 1 hold at 30", "num_iterations": 40});
    let first = service.submit(request("first", &values)).await.unwrap();
    let large = submit(&service, "large", "wait for memory").await;
    let canceled = submit(&service, "canceled", "wait for memory").await;
    let last = submit(&service, "last", "a cat").await;
    controls.wait_for_hold();
    // Two slots have been free for many steps.
    for waiting in [&large, &canceled, &last] {
        assert_eq!(waiting.snapshot().status, Status::Starting);
    }
    canceled.cancel();
    controls.release();
    assert_eq!(first.finished().await.status, Status::Succeeded);
    assert_eq!(large.finished().await.status, Status::Succeeded);
    assert_eq!(canceled.finished().await.status, Status::Canceled);
    assert_eq!(last.finished().await.status, Status::Succeeded);
    let began = |prediction: &Prediction| prediction.snapshot().started_at.unwrap();
    assert!(began(&last) >= began(&large), "nobody overtakes it");
    ready(&service).await;
}

#[tokio::test]
async fn a_held_prediction_can_be_cancelled() {
    let (service, controls) = ready_service(limits(2, 0)).await;
    let first = submit(&service, "first", "sleep 1 hold at 2").await;
    let held = submit(&service, "held", "wait for memory").await;
    held.cancel();
    controls.wait_for_hold();
    controls.release();
    assert_eq!(held.finished().await.status, Status::Canceled);
    assert_eq!(first.finished().await.status, Status::Succeeded);
    ready(&service).await;
}

#[tokio::test]
async fn a_panic_fails_its_own_prediction_only() {
    let (service, controls) = ready_service(limits(3, 0)).await;
    let first = submit(&service, "first", "hold at 0").await;
    controls.wait_for_hold();
    let guilty = submit(&service, "guilty", "panic at 2").await;
    let crowded = submit(&service, "crowded", "panic together").await;
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
    ready(&service).await;
    assert_eq!(controls.loads(), 1, "the engine still worked");
}

#[tokio::test]
async fn every_failure_says_what_happened_and_frees_the_slot() {
    let (service, _) = ready_service(limits(1, 0)).await;
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
        let end = submit(&service, "bad", prompt).await.finished().await;
        assert_eq!(end.error.as_deref(), Some(expected));
        assert_eq!(
            service.health().await.status,
            HealthStatus::Ready,
            "{prompt}"
        );
        let next = submit(&service, "next", "a cat").await.finished().await;
        assert_eq!(next.status, Status::Succeeded);
    }
}

#[tokio::test]
async fn a_broken_engine_is_loaded_again_and_health_says_so_meanwhile() {
    let (service, controls) = ready_service(limits(1, 1)).await;
    controls.fail_loads(1);
    let guilty = submit(&service, "guilty", "break at 1").await;
    let end = guilty.finished().await;
    assert_eq!(end.status, Status::Failed);
    while service.health().await.status != HealthStatus::Unhealthy {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(service.health().await.fault.is_some());
    let refused = service.submit(request("early", &json!({}))).await;
    assert!(matches!(refused, Err(SubmitError::NotReady)));
    ready(&service).await;
    assert_eq!(controls.loads(), 3, "at the start, in vain, and again");
    let next = submit(&service, "next", "a cat").await.finished().await;
    assert_eq!(next.status, Status::Succeeded);
}

#[tokio::test]
async fn a_failed_setup_is_reported_and_nothing_is_accepted() {
    let controls = Arc::new(Controls::default());
    controls.fail_loads(1);
    let service = service(limits(1, 0));
    assert_eq!(service.health().await.status, HealthStatus::Starting);
    worker::start(Arc::clone(&service), loader(&controls))
        .unwrap()
        .join()
        .unwrap();
    let health = service.health().await;
    assert_eq!(health.status, HealthStatus::SetupFailed);
    assert_eq!(health.setup.logs, "worker setup failed: told to fail\n");
    let refused = service.submit(request("early", &json!({}))).await;
    assert!(matches!(refused, Err(SubmitError::NotReady)));
}

#[tokio::test]
async fn after_closing_accepted_predictions_still_finish() {
    let (service, controls) = ready_service(limits(1, 2)).await;
    let running = submit(&service, "running", "hold at 1").await;
    controls.wait_for_hold();
    let waiting = submit(&service, "waiting", "a cat").await;
    service.close().await;
    assert_eq!(service.health().await.status, HealthStatus::Defunct);
    let refused = service.submit(request("late", &json!({}))).await;
    assert!(matches!(refused, Err(SubmitError::Closed)));
    controls.release();
    service.drained().await;
    assert_eq!(running.status(), Status::Succeeded);
    assert_eq!(waiting.status(), Status::Succeeded);
}

#[tokio::test]
async fn every_prediction_ends_when_the_time_is_up() {
    let (service, controls) = ready_service(limits(1, 2)).await;
    let stuck = submit(&service, "stuck", "hold at 1").await;
    controls.wait_for_hold();
    let waiting = submit(&service, "waiting", "a cat").await;
    service.close().await;
    service.cancel_all().await;
    assert_eq!(waiting.finished().await.status, Status::Canceled);
    assert!(!stuck.status().is_terminal(), "its worker does not answer");
    service.cancel_now();
    service.drained().await;
    assert_eq!(stuck.status(), Status::Canceled);
    controls.release();
}

#[tokio::test]
async fn a_prediction_that_lives_for_its_subscribers_ends_with_the_last_of_them() {
    let (service, controls) = ready_service(limits(1, 0)).await;
    let mut asked = request("watched", &json!({"prompt": "hold at 1"}));
    asked.cancel_policy = CancelPolicy::WithoutSubscribers;
    let prediction = service.submit(asked).await.unwrap();
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
    let (service, _) = ready_service(bounds).await;
    for number in 0..5 {
        submit(&service, &format!("p{number}"), "a cat")
            .await
            .finished()
            .await;
    }
    let known = known(&service).await;
    let ids: Vec<&str> = known.iter().map(|state| &*state.id).collect();
    assert_eq!(ids, ["p4", "p3", "p2"]);
    assert!(
        service.find("p1").await.unwrap().is_none() && service.find("p4").await.unwrap().is_some()
    );
    assert!(service.unfinished("p4").await.is_none());
}
