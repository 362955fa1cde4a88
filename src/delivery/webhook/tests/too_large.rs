//! Messages that are too large for their receiver.

use super::*;
use crate::replicate::Api;
use crate::secret::Secret;
use crate::service::{NamedModel, Origin, OutputShape};

const FILE_BYTES: usize = 10_000;

impl Scenario {
    /// A prediction whose receiver accepts messages of up to `max_bytes`.
    fn limited(events: EventFilter, max_bytes: usize) -> Self {
        let scenario = Self::new(events, &[]);
        *scenario.receiver.max_bytes.lock().unwrap() = max_bytes;
        scenario
    }

    fn large_output(&self) {
        let file = "x".repeat(FILE_BYTES).into();
        self.prediction.change(|state| state.output.push(file));
    }
}

/// The number of files in each message, and whether its log explains why some are missing.
fn files(receiver: &FakeReceiver) -> Vec<(usize, bool)> {
    let messages = receiver.messages.lock().unwrap();
    let files = messages.iter().map(|(_, message)| {
        let logs = message["logs"].as_str().unwrap();
        let count = message["output"].as_array().map_or(0, Vec::len);
        (count, logs.contains("too large for the receiver"))
    });
    files.collect()
}

#[tokio::test(start_paused = true)]
async fn completed_is_sent_again_at_once_with_less_output_until_it_is_accepted() {
    for (max_bytes, expected) in [
        (usize::MAX, vec![(3, false)]),
        (2 * FILE_BYTES, vec![(3, false), (1, true)]),
        (FILE_BYTES, vec![(3, false), (1, true), (0, true)]),
        (10, vec![(3, false), (1, true), (0, true)]),
    ] {
        let scenario = Scenario::limited(only_completed(), max_bytes);
        scenario.prediction.start();
        (0..3).for_each(|_| scenario.large_output());
        scenario.prediction.end(Status::Succeeded);
        let receiver = Arc::clone(&scenario.receiver);
        let notes = Arc::clone(&scenario.notes);
        assert_eq!(scenario.times().await, vec![0; expected.len()]);
        assert_eq!(files(&receiver), expected, "{max_bytes}");
        assert_eq!(notes.lock().unwrap().len(), expected.len() - 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_file_is_the_one_that_stays() {
    let scenario = Scenario::limited(only_completed(), FILE_BYTES);
    scenario.prediction.start();
    scenario.large_output();
    scenario.prediction.output();
    scenario.prediction.end(Status::Succeeded);
    let receiver = Arc::clone(&scenario.receiver);
    scenario.task.await.unwrap();
    let messages = receiver.messages.lock().unwrap();
    assert_eq!(
        messages.last().unwrap().1["output"],
        serde_json::json!(["data:,"])
    );
}

#[tokio::test(start_paused = true)]
async fn messages_before_completed_are_reduced_too_and_later_ones_begin_with_less() {
    let scenario = Scenario::limited(EventFilter::default(), 2 * FILE_BYTES);
    scenario.prediction.start();
    for _ in 0..3 {
        advance(1000).await;
        scenario.large_output();
    }
    advance(1000).await;
    scenario.prediction.end(Status::Succeeded);
    let receiver = Arc::clone(&scenario.receiver);
    let notes = Arc::clone(&scenario.notes);
    let times = scenario.times().await;
    assert_eq!(times, [0, 1000, 2000, 2000, 3000, 4000]);
    let counts: Vec<_> = files(&receiver).iter().map(|message| message.0).collect();
    assert_eq!(counts, [0, 1, 2, 1, 1, 1]);
    let notes = notes.lock().unwrap();
    assert_eq!(notes.len(), 1);
    assert!(
        notes[0].ends_with("it gets the last file only"),
        "{}",
        notes[0]
    );
}

/// What the server is to Replicate's clients.
fn site() -> Site {
    let secret = Secret::from_bytes(vec![1; 32]).unwrap();
    let api = Api::new("a/b".parse().unwrap(), &secret, None);
    Site::new(&Arc::new(api), "http://c.example".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_message_with_the_finished_drawing_alone_is_sent_again_without_it() {
    let scenario = Scenario::sending(
        WebhookConfig::default(),
        only_completed(),
        &[ScriptedReply::Status(413)],
        Sent::default(),
        Some(site()),
    );
    let model = NamedModel {
        name: "a/b-final".to_owned(),
        deployment: None,
        output: OutputShape::FinishedDrawing,
    };
    let origin = Origin {
        model: Some(model),
        ..Origin::default()
    };
    let origin = Arc::new(origin);
    scenario.prediction.change(|state| state.origin = origin);
    scenario.prediction.succeed();
    let receiver = Arc::clone(&scenario.receiver);
    scenario.task.await.unwrap();
    let messages = receiver.messages.lock().unwrap();
    let outputs: Vec<_> = messages.iter().map(|(_, json)| &json["output"]).collect();
    assert_eq!(outputs, [&Value::from("data:,"), &Value::Null]);
}

#[tokio::test(start_paused = true)]
async fn a_reduced_message_is_retried_as_any_other() {
    let scenario = Scenario::new(
        only_completed(),
        &[
            ScriptedReply::Status(503),
            ScriptedReply::Status(413),
            ScriptedReply::Status(503),
        ],
    );
    scenario.prediction.succeed();
    let receiver = Arc::clone(&scenario.receiver);
    assert_eq!(scenario.times().await, [0, 200, 200, 600]);
    let counts: Vec<_> = files(&receiver).iter().map(|message| message.0).collect();
    assert_eq!(counts, [2, 2, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn webhooks_have_as_little_output_from_the_start_as_is_configured() {
    for (output, expected) in [
        (WebhookOutput::All, 2),
        (WebhookOutput::Last, 1),
        (WebhookOutput::None, 0),
    ] {
        let config = WebhookConfig {
            output,
            ..WebhookConfig::default()
        };
        let scenario = Scenario::configured(config, only_completed(), &[]);
        scenario.prediction.succeed();
        let receiver = Arc::clone(&scenario.receiver);
        scenario.task.await.unwrap();
        assert_eq!(files(&receiver), [(expected, false)], "{output:?}");
    }
}
