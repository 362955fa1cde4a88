//! When `completed` is sent, and how often.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_prediction_that_never_started_sends_only_completed() {
    let scenario = Scenario::new(EventFilter::default(), &[]);
    advance(100).await;
    scenario.prediction.log();
    advance(100).await;
    scenario.prediction.end(Status::Canceled);
    assert_eq!(scenario.messages().await, [message(200, "canceled", 0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_prediction_that_ends_at_once_sends_start_and_completed() {
    let scenario = Scenario::new(EventFilter::default(), &[]);
    scenario.prediction.start();
    scenario.prediction.log();
    scenario.prediction.output();
    scenario
        .prediction
        .change(|state| state.error = Some("broke".into()));
    scenario.prediction.end(Status::Failed);
    let receiver = Arc::clone(&scenario.receiver);
    let expected = [message(0, "processing", 0, 0), message(0, "failed", 1, 1)];
    assert_eq!(scenario.messages().await, expected);
    let messages = receiver.messages.lock().unwrap();
    assert_eq!(messages[0].1.get("error"), None);
    assert_eq!(messages[1].1["error"], "broke");
}

#[tokio::test(start_paused = true)]
async fn a_message_before_completed_is_tried_once_whatever_the_response() {
    let replies = [
        ScriptedReply::Status(500),
        ScriptedReply::Forbidden,
        ScriptedReply::Status(404),
    ];
    let scenario = Scenario::new(EventFilter::default(), &replies);
    scenario.prediction.start();
    advance(1000).await;
    scenario.prediction.output();
    advance(1000).await;
    scenario.prediction.output();
    advance(1000).await;
    scenario.prediction.end(Status::Succeeded);
    assert_eq!(scenario.times().await, [0, 1000, 2000, 3000]);
}

#[tokio::test(start_paused = true)]
async fn completed_is_retried_until_it_is_delivered() {
    for status in [429, 500, 502, 503, 504] {
        let scenario = ended(only_completed(), &[ScriptedReply::Status(status); 9]);
        let expected = [
            0, 200, 600, 1400, 3000, 6200, 12_600, 25_400, 51_000, 102_200,
        ];
        assert_eq!(scenario.times().await, expected, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn completed_is_given_up_after_thirteen_attempts() {
    let scenario = ended(only_completed(), &[ScriptedReply::Status(503); 20]);
    let messages = scenario.times().await;
    assert_eq!(messages.len(), 13);
    assert_eq!(messages[12], 409_400);
}

#[tokio::test(start_paused = true)]
async fn completed_is_not_retried_after_a_permanent_error() {
    for reply in [301, 303, 400, 401, 404, 410, 501].map(ScriptedReply::Status) {
        assert_eq!(ended(only_completed(), &[reply]).times().await, [0]);
    }
    let forbidden = ended(only_completed(), &[ScriptedReply::Forbidden]);
    assert_eq!(forbidden.times().await, [0]);
}

#[tokio::test(start_paused = true)]
async fn during_shutdown_the_attempts_are_a_second_apart() {
    let scenario = ended(only_completed(), &[ScriptedReply::Status(500); 20]);
    advance(1500).await;
    scenario.stopping.cancel();
    let expected = [
        0, 200, 600, 1400, 2500, 3500, 4500, 5500, 6500, 7500, 8500, 9500, 10_500,
    ];
    assert_eq!(scenario.times().await, expected);
}

#[tokio::test(start_paused = true)]
async fn completed_is_given_up_if_the_backlog_is_full() {
    let config = WebhookConfig {
        backlog: 100 * 1024,
        ..WebhookConfig::default()
    };
    for (bytes, attempts) in [(90 * 1024, 13), (110 * 1024, 1)] {
        let scenario =
            Scenario::configured(config, only_completed(), &[ScriptedReply::Status(500); 20]);
        scenario
            .prediction
            .change(|state| state.output.push("x".repeat(bytes).into()));
        scenario.prediction.end(Status::Succeeded);
        assert_eq!(scenario.times().await.len(), attempts, "{bytes}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_prediction_is_dropped_before_completed_is_retried() {
    let scenario = ended(only_completed(), &[ScriptedReply::Status(500); 3]);
    let prediction = Arc::downgrade(&scenario.prediction);
    let Scenario {
        task,
        prediction: kept,
        ..
    } = scenario;
    drop(kept);
    advance(100).await;
    assert_eq!(prediction.strong_count(), 0);
    task.await.unwrap();
}
