//! How the end is told.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_prediction_that_never_started_is_told_as_completed_only() {
    let scene = Scene::new(EventFilter::default(), &[]);
    pass(100).await;
    scene.drawing.log();
    pass(100).await;
    scene.drawing.end(Status::Canceled);
    assert_eq!(scene.told().await, [message(200, "canceled", 0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_prediction_that_is_over_at_once_is_told_as_started_and_completed() {
    let scene = Scene::new(EventFilter::default(), &[]);
    scene.drawing.start();
    scene.drawing.log();
    scene.drawing.output();
    scene
        .drawing
        .change(|state| state.error = Some("broke".into()));
    scene.drawing.end(Status::Failed);
    let receiver = Arc::clone(&scene.receiver);
    let expected = [message(0, "processing", 0, 0), message(0, "failed", 1, 1)];
    assert_eq!(scene.told().await, expected);
    let told = receiver.told.lock().unwrap();
    assert_eq!(told[0].1.get("error"), None);
    assert_eq!(told[1].1["error"], "broke");
}

#[tokio::test(start_paused = true)]
async fn a_message_on_the_way_is_tried_once_whatever_the_answer() {
    let replies = [Reply::Status(500), Reply::Forbidden, Reply::Status(404)];
    let scene = Scene::new(EventFilter::default(), &replies);
    scene.drawing.start();
    pass(1000).await;
    scene.drawing.output();
    pass(1000).await;
    scene.drawing.output();
    pass(1000).await;
    scene.drawing.end(Status::Succeeded);
    assert_eq!(scene.times().await, [0, 1000, 2000, 3000]);
}

#[tokio::test(start_paused = true)]
async fn completed_is_repeated_until_it_is_delivered_and_not_again() {
    for status in [429, 500, 502, 503, 504] {
        let scene = ended(only_completed(), &[Reply::Status(status); 9]);
        let expected = [
            0, 200, 600, 1400, 3000, 6200, 12_600, 25_400, 51_000, 102_200,
        ];
        assert_eq!(scene.times().await, expected, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn completed_is_given_up_after_thirteen_attempts() {
    let scene = ended(only_completed(), &[Reply::Status(503); 20]);
    let told = scene.times().await;
    assert_eq!(told.len(), 13);
    assert_eq!(told[12], 409_400);
}

#[tokio::test(start_paused = true)]
async fn completed_is_not_repeated_after_an_answer_that_stays() {
    for reply in [301, 303, 400, 401, 404, 410, 501].map(Reply::Status) {
        assert_eq!(ended(only_completed(), &[reply]).times().await, [0]);
    }
    let forbidden = ended(only_completed(), &[Reply::Forbidden]);
    assert_eq!(forbidden.times().await, [0]);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_wants_to_stop_waits_a_second_between_attempts() {
    let scene = ended(only_completed(), &[Reply::Status(500); 20]);
    pass(1500).await;
    scene.stopping.cancel();
    let expected = [
        0, 200, 600, 1400, 2500, 3500, 4500, 5500, 6500, 7500, 8500, 9500, 10_500,
    ];
    assert_eq!(scene.times().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_last_message_that_finds_no_room_to_wait_is_given_up() {
    let config = WebhookConfig {
        backlog: 100 * 1024,
        ..WebhookConfig::default()
    };
    for (bytes, attempts) in [(90 * 1024, 13), (110 * 1024, 1)] {
        let scene = Scene::configured(config, only_completed(), &[Reply::Status(500); 20]);
        scene
            .drawing
            .change(|state| state.output.push("x".repeat(bytes).into()));
        scene.drawing.end(Status::Succeeded);
        assert_eq!(scene.times().await.len(), attempts, "{bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_prediction_is_let_go_before_its_last_message_is_repeated() {
    let scene = ended(only_completed(), &[Reply::Status(500); 3]);
    let drawing = Arc::downgrade(&scene.drawing);
    let Scene {
        task,
        drawing: kept,
        ..
    } = scene;
    drop(kept);
    pass(100).await;
    assert_eq!(drawing.strong_count(), 0);
    task.await.unwrap();
}
