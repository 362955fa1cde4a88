//! The list of requests, by topic. Every case says how the two responses compare.

#![allow(clippy::too_many_lines, reason = "a list is as long as it is")]

mod bodies;
mod endings;
mod inputs;
mod predictions;
mod routes;
mod sending;
mod streams;
mod webhooks;

use super::case::Case;
use super::server::Stage;

/// The settings under which servers are started, one after the other.
pub(super) const STAGES: [Stage; 5] = [
    Stage::Plain,
    Stage::Sending,
    Stage::Forgetful,
    Stage::Starting,
    Stage::Failed,
];

/// Cases of one topic.
pub(super) struct Group {
    pub(super) title: &'static str,
    pub(super) stage: Stage,
    pub(super) cases: Vec<Case>,
}

/// What Cog's server answers when it has drawn the smallest drawing.
fn drawn_by_cog(id: &str) -> String {
    format!(
        r#"200 {{"id":"{id}","logs":"<3 lines>","metrics":{METRICS},"output":["<svg>","<svg>"],"status":"succeeded"}}"#
    )
}

/// The same for this server.
fn drawn_by_clipdraw(id: &str) -> String {
    format!(
        r#"200 {{"completed_at":"<time>","created_at":"<time>","id":"{id}","input":{{…}},"logs":"<3 lines>","metrics":{METRICS},"output":["<svg>","<svg>"],"started_at":"<time>","status":"succeeded","version":"<version>"}}"#
    )
}

/// What this server answers when it has accepted a drawing in the background.
fn accepted_by_clipdraw(id: &str) -> String {
    format!(
        r#"202 {{"created_at":"<time>","id":"{id}","input":{{…}},"logs":"","metrics":{{}},"status":"starting","version":"<version>"}}"#
    )
}

const METRICS: &str =
    r#"{"losses":{…},"predict_time":"<number>","seed":1,"step":1,"steps_per_second":"<number>"}"#;

/// `/health-check` of Cog's server; `setup` is the rest of that member.
fn health_of_cog(status: &str, setup: &str) -> String {
    format!(
        r#"200 {{"setup":{{{setup}}},"status":"{status}","version":{{"build_time":"<time>","coglet":"0.23.1","git_sha":"9b9f6339","python":"<version>","python_sdk":"0.23.1"}}}}"#
    )
}

/// The same for this server.
fn health_of_clipdraw(status: &str, setup: &str) -> String {
    format!(
        r#"200 {{"setup":{{{setup}}},"status":"{status}","version":{{"clipdraw":"<version>","coglet":"0.23.1"}}}}"#
    )
}

/// A model that is there, or could not be loaded.
fn ended(status: &str) -> String {
    format!(r#""completed_at":"<time>","logs":"<lines>","started_at":"<time>","status":"{status}""#)
}

const NO_PYTHON: &str =
    "there is no Python whose version could be told, and clipdraw's own stands in its place";

/// All cases. The last group of a stage ends its server.
pub(super) fn groups() -> Vec<Group> {
    let group = |title, stage, cases| Group {
        title,
        stage,
        cases,
    };
    vec![
        group("Paths and methods", Stage::Plain, routes::cases()),
        group("Bodies", Stage::Plain, bodies::cases()),
        group("Inputs", Stage::Plain, inputs::cases()),
        group("Predictions", Stage::Plain, predictions::cases()),
        group("Cancelling", Stage::Plain, predictions::cancelling()),
        group("A busy server", Stage::Plain, predictions::busy()),
        group("Streams", Stage::Plain, streams::cases()),
        group("Webhooks", Stage::Plain, webhooks::cases()),
        group("Connections", Stage::Plain, endings::connections()),
        group("POST /shutdown", Stage::Plain, endings::shutdown()),
        group(
            "Files elsewhere (--upload-url)",
            Stage::Sending,
            sending::uploads(),
        ),
        group("With WEBHOOK_AUTH_TOKEN", Stage::Sending, sending::token()),
        group(
            "With COG_STREAM_HISTORY_CAPACITY=2",
            Stage::Sending,
            sending::short_history(),
        ),
        group(
            "With --await-explicit-shutdown",
            Stage::Sending,
            endings::explicit(),
        ),
        group(
            "With COG_STREAM_HISTORY_CAPACITY=0",
            Stage::Forgetful,
            streams::no_history(),
        ),
        group("SIGTERM", Stage::Forgetful, endings::sigterm()),
        group(
            "While the model is loaded",
            Stage::Starting,
            routes::starting(),
        ),
        group(
            "When the model could not be loaded",
            Stage::Failed,
            routes::failed(),
        ),
        group(
            "SIGTERM when the model could not be loaded",
            Stage::Failed,
            endings::sigterm_when_failed(),
        ),
    ]
}
