//! Clients that disconnect, connections that are reused, and servers that shut down.

use super::super::case::{Case, Leaving, Request, Step, get, post, predict};

/// A prediction with a webhook of its end.
fn with_webhook(inputs: &str) -> Request {
    let body = format!(
        r#"{{"id":"$ID","input":{{{inputs}}},"webhook":"$RECEIVER/hook/$ID","webhook_events_filter":["completed"]}}"#
    );
    post("/predictions").json(body)
}

pub(super) fn connections() -> Vec<Case> {
    let leave = |request, leaving| vec![Step::Leave(request, leaving), Step::Webhooks];
    vec![
        Case::superset(
            "a client that hangs up cancels",
            leave(with_webhook("$LONG"), Leaving::Closes),
        ),
        Case::superset(
            "a client that closes its half",
            leave(with_webhook("$LONG"), Leaving::ClosesItsHalf),
        ),
        Case::superset(
            "a subscriber that hangs up cancels",
            leave(with_webhook("$LONG").stream(), Leaving::Closes),
        ),
        Case::better(
            "posts back to back",
            vec![Step::Repeat(
                post("/predictions").json(r#"{"input":{$TINY}}"#),
                200,
            )],
            "the slot is free before the answer is sent",
        )
        .answers(
            r#"409 {"error":"At capacity - all prediction slots busy","status":"failed"}"#,
            "refused: none of 200",
        ),
    ]
}

pub(super) fn shutdown() -> Vec<Case> {
    vec![Case::better(
        "during a prediction in the background",
        vec![
            Step::Begin(with_webhook("$SHORT").respond_async()),
            Step::UntilFirstFile,
            post("/shutdown").into(),
            Step::Connect,
            Step::Exit,
            Step::Webhooks,
        ],
        "what was accepted is finished, and everybody hears of it",
    )
    .answers(
        "200 {}\na new connection: refused\nexit status: 0\nwebhooks: ",
        r#"200 {}
a new connection: refused
exit status: 0
webhooks: POST /hook/$ID {"completed_at":"<time>","created_at":"<time>","id":"$ID","input":{…},"logs":"<3 lines>","metrics":{"losses":{…},"predict_time":"<number>","seed":1,"step":100,"steps_per_second":"<number>"},"output":["<svg>","<svg>"],"started_at":"<time>","status":"succeeded","version":"<version>"}"#,
    )]
}

pub(super) fn explicit() -> Vec<Case> {
    vec![
        Case::equal(
            "SIGTERM is ignored",
            vec![Step::Terminate, Step::Connect, get("/openapi.json").into()],
        ),
        Case::equal(
            "POST /shutdown",
            vec![post("/shutdown").into(), Step::Exit, Step::Connect],
        ),
    ]
}

pub(super) fn sigterm() -> Vec<Case> {
    vec![Case::superset(
        "during a prediction that somebody waits for",
        vec![
            Step::Begin(predict("$SHORT")),
            Step::UntilFirstFile,
            Step::Terminate,
            Step::Connect,
            Step::Join,
            Step::Exit,
        ],
    )]
}

pub(super) fn sigterm_when_failed() -> Vec<Case> {
    vec![Case::equal(
        "the server ends",
        vec![Step::Terminate, Step::Exit],
    )]
}
