//! Which messages are sent before `completed`.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_receiver_gets_the_newest_state_once_in_each_interval_and_the_end_at_once() {
    let scenario = Scenario::new(EventFilter::default(), &[]);
    let prediction = &scenario.prediction;
    prediction.start();
    advance(100).await;
    prediction.log();
    advance(50).await;
    prediction.output();
    advance(50).await;
    prediction.output();
    advance(500).await; // 700
    prediction.log();
    advance(800).await; // 1500
    prediction.output();
    advance(1).await;
    prediction.log();
    advance(9).await; // 1510
    prediction.end(Status::Succeeded);
    let expected = [
        message(0, "processing", 0, 0),
        message(500, "processing", 2, 1),
        message(1000, "processing", 2, 2),
        message(1500, "processing", 3, 2),
        message(1510, "succeeded", 3, 3),
    ];
    assert_eq!(scenario.messages().await, expected);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_changes_are_sent_twice_a_second() {
    let scenario = Scenario::new(EventFilter::default(), &[]);
    scenario.prediction.start();
    for _ in 0..10_000 {
        scenario.prediction.log();
        advance(1).await;
    }
    advance(100).await;
    scenario.prediction.end(Status::Succeeded);
    let messages = scenario.times().await;
    assert_eq!(messages.len(), 22);
    let (last, others) = messages.split_last().unwrap();
    assert!(others.windows(2).all(|pair| pair[1] - pair[0] >= 500));
    assert_eq!(*last, 10_100);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_makes_the_server_keep_only_one_state() {
    let scenario = Scenario::new(EventFilter::default(), &[ScriptedReply::Never]);
    scenario.prediction.start();
    scenario.prediction.output();
    let file = Arc::clone(&scenario.prediction.snapshot().output[0]);
    for _ in 0..10_000 {
        scenario.prediction.output();
        tokio::task::yield_now().await;
        // Held by the prediction, by this test, and by a message that is being written.
        assert!(Arc::strong_count(&file) <= 3);
    }
    scenario.prediction.end(Status::Succeeded);
    let messages = scenario.messages().await;
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1], message(2000, "succeeded", 10_001, 0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_misses_states_but_never_the_newest() {
    let slow = ScriptedReply::Slow(Duration::from_millis(1200));
    let scenario = Scenario::new(EventFilter::default(), &[slow, slow]);
    scenario.prediction.start();
    for _ in 0..10 {
        advance(100).await;
        scenario.prediction.output();
    }
    advance(9_000).await;
    scenario.prediction.end(Status::Canceled);
    let expected = [
        message(0, "processing", 0, 0),
        message(1200, "processing", 10, 0),
        message(10_000, "canceled", 10, 0),
    ];
    assert_eq!(scenario.messages().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_hangs_delays_completed_for_two_seconds() {
    let scenario = Scenario::new(EventFilter::default(), &[ScriptedReply::Never]);
    scenario.prediction.start();
    advance(700).await;
    scenario.prediction.end(Status::Failed);
    let expected = [
        message(0, "processing", 0, 0),
        message(2700, "failed", 0, 0),
    ];
    assert_eq!(scenario.messages().await, expected);
}

#[tokio::test(start_paused = true)]
async fn completed_waits_for_a_slow_message_before_it() {
    let slow = ScriptedReply::Slow(Duration::from_secs(1));
    let scenario = Scenario::new(EventFilter::default(), &[slow]);
    scenario.prediction.start();
    advance(100).await;
    scenario.prediction.end(Status::Succeeded);
    assert_eq!(scenario.times().await, [0, 1000]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_not_an_event_is_not_sent() {
    let scenario = Scenario::new(EventFilter::default(), &[]);
    scenario.prediction.start();
    advance(1000).await;
    scenario
        .prediction
        .change(|state| state.metrics = Map::from_iter([("step".to_owned(), 1.into())]));
    advance(1000).await;
    scenario.prediction.end(Status::Succeeded);
    assert_eq!(scenario.times().await, [0, 2000]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_gets_only_the_events_it_wants() {
    use WebhookEvent::{Completed, Logs, Output, Start};
    let cases: [(&[WebhookEvent], &[u64]); 9] = [
        (&[], &[]),
        (&[Start], &[0]),
        (&[Output], &[2000]),
        (&[Logs], &[1000, 3000]),
        (&[Completed], &[4000]),
        (&[Start, Completed], &[0, 4000]),
        (&[Output, Logs], &[1000, 2000, 3000]),
        (&[Logs, Completed], &[1000, 3000, 4000]),
        (
            &[Start, Output, Logs, Completed],
            &[0, 1000, 2000, 3000, 4000],
        ),
    ];
    for (events, expected) in cases {
        let scenario = Scenario::new(EventFilter::only(events), &[]);
        scenario.prediction.start();
        advance(1000).await;
        scenario.prediction.log();
        advance(1000).await;
        scenario.prediction.output();
        advance(1000).await;
        scenario.prediction.log();
        advance(1000).await;
        scenario.prediction.end(Status::Succeeded);
        assert_eq!(scenario.times().await, expected, "{events:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn start_does_not_contain_what_came_right_after_it() {
    let scenario = Scenario::new(EventFilter::default(), &[]);
    scenario.prediction.start();
    scenario.prediction.log();
    scenario.prediction.output();
    advance(1000).await;
    scenario.prediction.end(Status::Succeeded);
    let expected = [
        message(0, "processing", 0, 0),
        message(500, "processing", 1, 1),
        message(1000, "succeeded", 1, 1),
    ];
    assert_eq!(scenario.messages().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_does_not_want_completed_still_gets_the_last_files() {
    let scenario = Scenario::new(EventFilter::only(&[WebhookEvent::Output]), &[]);
    scenario.prediction.start();
    scenario.prediction.output();
    advance(100).await;
    scenario.prediction.output();
    scenario.prediction.change(|state| {
        state.metrics = Map::from_iter([("predict_time".to_owned(), 0.1.into())]);
    });
    scenario.prediction.end(Status::Succeeded);
    let receiver = Arc::clone(&scenario.receiver);
    let expected = [
        message(0, "processing", 1, 0),
        message(100, "processing", 2, 0),
    ];
    assert_eq!(scenario.messages().await, expected);
    let messages = receiver.messages.lock().unwrap();
    assert_eq!(messages[1].1["metrics"], Value::Object(Map::new()));
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_nothing_is_older_than_the_last_message_before_it() {
    let start = message(0, "processing", 0, 0);
    for (last, expected) in [
        (None, vec![start.clone(), message(500, "processing", 3, 1)]),
        (
            Some("a.0.start"),
            vec![start, message(500, "processing", 3, 1)],
        ),
        // Whether these were sent is unknown.
        (Some("a.0.output.3"), vec![message(0, "processing", 3, 1)]),
        (Some("a.0.output.2"), vec![message(0, "processing", 3, 1)]),
        (Some("a.0.logs.1"), vec![message(0, "processing", 3, 1)]),
    ] {
        let scenario = resumed(last);
        advance(1000).await;
        scenario.prediction.end(Status::Succeeded);
        let mut expected = expected;
        expected.push(message(1000, "succeeded", 3, 1));
        assert_eq!(scenario.messages().await, expected, "{last:?}");
    }
    for last in ["a.0.output.3", "a.0.logs.1", "a.0.completed"] {
        let scenario = resumed(Some(last));
        scenario.prediction.end(Status::Succeeded);
        let expected = [message(0, "succeeded", 3, 1)];
        assert_eq!(scenario.messages().await, expected, "{last}");
    }
}

/// A prediction with three files and a line, whose receiver may have got a message of this name before a restart.
fn resumed(last: Option<&str>) -> Scenario {
    let sent = last.map_or_else(Sent::default, Sent::before);
    let config = WebhookConfig::default();
    let scenario = Scenario::resumed(config, EventFilter::default(), &[], sent);
    scenario.prediction.start();
    scenario.prediction.log();
    for _ in 0..3 {
        scenario.prediction.output();
    }
    scenario
}
