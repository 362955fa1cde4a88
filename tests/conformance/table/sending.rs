//! Uploads, tokens, and streams with a short history.

use super::super::case::{Case, Request, Step, cancel, post, predict, put};
use super::super::receiver::Behaviour;
use super::{METRICS, drawn_by_clipdraw, drawn_by_cog};

const FAILED: &str = "the answer has the log, and nothing is drawn after the failure";

pub(super) fn uploads() -> Vec<Case> {
    let behaving = |behaviour, note: &[Step]| {
        let mut steps = vec![Step::Receiver(behaviour), predict("$APART").into()];
        steps.extend_from_slice(note);
        steps
    };
    vec![
        Case::superset(
            "every file is PUT, and its address is answered",
            vec![predict("$APART").into(), Step::Uploads],
        ),
        Case::superset(
            "PNG files",
            vec![
                predict(r#"$APART,"output_format":"png""#).into(),
                Step::Uploads,
            ],
        ),
        Case::superset("as a stream", vec![predict("$APART").stream().into()]),
        Case::superset(
            "the place that the receiver names, without its query",
            behaving(Behaviour::Locates, &[]),
        ),
        Case::superset(
            "a receiver that sends on",
            behaving(Behaviour::SendsOn, &[]),
        ),
        Case::better(
            "how a receiver that sends on is asked",
            behaving(Behaviour::SendsOn, &[Step::Uploads]),
            "`Referer` would tell one receiver the address of another, which may be a secret",
        )
        .answers(
            placed_by_cog("elsewhere/files", [0, 1]) + SENT_ON,
            placed_by_clipdraw("elsewhere/files", [0, 1]) + SENT_ON,
        ),
        Case::better(
            "a receiver that is slow with the first file",
            vec![
                Step::Receiver(Behaviour::TakesTheFirstSlowly),
                predict("$TINY").into(),
            ],
            "files are answered in the order in which they were drawn",
        )
        .answers(
            placed_by_cog("files", [1, 0]),
            placed_by_clipdraw("files", [0, 1]),
        ),
        Case::better(
            "a receiver that refuses",
            behaving(Behaviour::Refuses(403), &[]),
            FAILED,
        )
        .answers(
            failed_by_cog("403 Forbidden"),
            failed_by_clipdraw("403 Forbidden"),
        ),
        Case::better(
            "a receiver that fails",
            behaving(Behaviour::Refuses(500), &[]),
            FAILED,
        )
        .answers(
            failed_by_cog("500 Internal Server Error"),
            failed_by_clipdraw("500 Internal Server Error"),
        ),
        Case::better(
            "a receiver that fails twice",
            behaving(Behaviour::FailsTwice, &[]),
            "a drawing does not fail for a hiccup",
        )
        .answers(
            failed_by_cog("500 Internal Server Error"),
            placed_by_clipdraw("files", [0, 1]),
        ),
    ]
}

const SENT_ON: &str = "\nuploads: PUT /elsewhere/files/drawing-00000.svg \"<svg>\", PUT /elsewhere/files/drawing-00001.svg \"<svg>\", PUT /files/drawing-00000.svg \"<svg>\", PUT /files/drawing-00001.svg \"<svg>\"";

fn placed_by_cog(folder: &str, order: [usize; 2]) -> String {
    placed(&drawn_by_cog("$ID"), folder, order)
}

fn placed_by_clipdraw(folder: &str, order: [usize; 2]) -> String {
    placed(&drawn_by_clipdraw("$ID"), folder, order)
}

/// An answer with the addresses of two files instead of their contents.
fn placed(answer: &str, folder: &str, order: [usize; 2]) -> String {
    let files = order.map(|step| format!("\"$RECEIVER/{folder}/drawing-{step:05}.svg\""));
    answer.replace(r#""<svg>","<svg>""#, &files.join(","))
}

fn failed_by_cog(status: &str) -> String {
    format!(
        r#"200 {{"error":"Failed to upload output: upload returned status {status}","id":"$ID","logs":"","metrics":{METRICS},"status":"failed"}}"#
    )
}

fn failed_by_clipdraw(status: &str) -> String {
    format!(
        r#"200 {{"completed_at":"<time>","created_at":"<time>","error":"Failed to upload output: upload returned status {status}","id":"$ID","input":{{…}},"logs":"<2 lines>","metrics":{{"predict_time":"<number>","seed":1}},"started_at":"<time>","status":"failed","version":"<version>"}}"#
    )
}

pub(super) fn token() -> Vec<Case> {
    let request = post("/predictions").json(
        r#"{"id":"$ID","input":{$TINY},"webhook":"$RECEIVER/hook/$ID","webhook_events_filter":["completed"]}"#,
    );
    vec![Case::superset(
        "webhooks carry the token",
        vec![request.into(), Step::Webhooks],
    )]
}

pub(super) fn short_history() -> Vec<Case> {
    let join: Request = put("/predictions/$ID").stream().json("{}");
    vec![Case::superset(
        "who comes late to a stream learns that it has missed something",
        vec![
            Step::Begin(predict("$LONG").respond_async()),
            Step::UntilFirstFile,
            join.into(),
            cancel().into(),
        ],
    )]
}
