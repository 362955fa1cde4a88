//! What is told before the end.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_receiver_is_told_the_newest_state_once_in_each_interval_and_the_end_at_once() {
    let scene = Scene::new(EventFilter::default(), &[]);
    let drawing = &scene.drawing;
    drawing.start();
    pass(100).await;
    drawing.log();
    pass(50).await;
    drawing.output();
    pass(50).await;
    drawing.output();
    pass(500).await; // 700
    drawing.log();
    pass(800).await; // 1500
    drawing.output();
    pass(1).await;
    drawing.log();
    pass(9).await; // 1510
    drawing.end(Status::Succeeded);
    let expected = [
        message(0, "processing", 0, 0),
        message(500, "processing", 2, 1),
        message(1000, "processing", 2, 2),
        message(1500, "processing", 3, 2),
        message(1510, "succeeded", 3, 3),
    ];
    assert_eq!(scene.told().await, expected);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_changes_are_told_twice_a_second() {
    let scene = Scene::new(EventFilter::default(), &[]);
    scene.drawing.start();
    for _ in 0..10_000 {
        scene.drawing.log();
        pass(1).await;
    }
    pass(100).await;
    scene.drawing.end(Status::Succeeded);
    let told = scene.times().await;
    assert_eq!(told.len(), 22);
    let (last, others) = told.split_last().unwrap();
    assert!(others.windows(2).all(|pair| pair[1] - pair[0] >= 500));
    assert_eq!(*last, 10_100);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_hangs_makes_nobody_keep_more_than_one_state() {
    let scene = Scene::new(EventFilter::default(), &[Reply::Never]);
    scene.drawing.start();
    scene.drawing.output();
    let file = Arc::clone(&scene.drawing.snapshot().output[0]);
    for _ in 0..10_000 {
        scene.drawing.output();
        tokio::task::yield_now().await;
        // The prediction's, this one, and that of a message which is being written.
        assert!(Arc::strong_count(&file) <= 3);
    }
    scene.drawing.end(Status::Succeeded);
    let told = scene.told().await;
    assert_eq!(told.len(), 2);
    assert_eq!(told[1], message(2000, "succeeded", 10_001, 0));
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_misses_states_but_never_the_newest() {
    let slow = Reply::Slow(Duration::from_millis(1200));
    let scene = Scene::new(EventFilter::default(), &[slow, slow]);
    scene.drawing.start();
    for _ in 0..10 {
        pass(100).await;
        scene.drawing.output();
    }
    pass(9_000).await;
    scene.drawing.end(Status::Canceled);
    let expected = [
        message(0, "processing", 0, 0),
        message(1200, "processing", 10, 0),
        message(10_000, "canceled", 10, 0),
    ];
    assert_eq!(scene.told().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_hangs_holds_up_the_last_one_for_two_seconds() {
    let scene = Scene::new(EventFilter::default(), &[Reply::Never]);
    scene.drawing.start();
    pass(700).await;
    scene.drawing.end(Status::Failed);
    let expected = [
        message(0, "processing", 0, 0),
        message(2700, "failed", 0, 0),
    ];
    assert_eq!(scene.told().await, expected);
}

#[tokio::test(start_paused = true)]
async fn the_last_message_waits_for_a_slow_one_before_it() {
    let slow = Reply::Slow(Duration::from_secs(1));
    let scene = Scene::new(EventFilter::default(), &[slow]);
    scene.drawing.start();
    pass(100).await;
    scene.drawing.end(Status::Succeeded);
    assert_eq!(scene.times().await, [0, 1000]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_nobody_asked_for_is_not_told() {
    let scene = Scene::new(EventFilter::default(), &[]);
    scene.drawing.start();
    pass(1000).await;
    scene
        .drawing
        .change(|state| state.metrics = Map::from_iter([("step".to_owned(), 1.into())]));
    pass(1000).await;
    scene.drawing.end(Status::Succeeded);
    assert_eq!(scene.times().await, [0, 2000]);
}

#[tokio::test(start_paused = true)]
async fn a_receiver_is_told_only_what_it_wants_to_hear() {
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
        let scene = Scene::new(EventFilter::only(events), &[]);
        scene.drawing.start();
        pass(1000).await;
        scene.drawing.log();
        pass(1000).await;
        scene.drawing.output();
        pass(1000).await;
        scene.drawing.log();
        pass(1000).await;
        scene.drawing.end(Status::Succeeded);
        assert_eq!(scene.times().await, expected, "{events:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_start_is_told_without_what_came_right_after_it() {
    let scene = Scene::new(EventFilter::default(), &[]);
    scene.drawing.start();
    scene.drawing.log();
    scene.drawing.output();
    pass(1000).await;
    scene.drawing.end(Status::Succeeded);
    let expected = [
        message(0, "processing", 0, 0),
        message(500, "processing", 1, 1),
        message(1000, "succeeded", 1, 1),
    ];
    assert_eq!(scene.told().await, expected);
}

#[tokio::test(start_paused = true)]
async fn who_does_not_want_to_hear_of_the_end_gets_the_last_files_all_the_same() {
    let scene = Scene::new(EventFilter::only(&[WebhookEvent::Output]), &[]);
    scene.drawing.start();
    scene.drawing.output();
    pass(100).await;
    scene.drawing.output();
    scene.drawing.change(|state| {
        state.metrics = Map::from_iter([("predict_time".to_owned(), 0.1.into())]);
    });
    scene.drawing.end(Status::Succeeded);
    let receiver = Arc::clone(&scene.receiver);
    let expected = [
        message(0, "processing", 1, 0),
        message(100, "processing", 2, 0),
    ];
    assert_eq!(scene.told().await, expected);
    let told = receiver.told.lock().unwrap();
    assert_eq!(told[1].1["metrics"], Value::Object(Map::new()));
}
