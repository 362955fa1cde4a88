//! Webhooks.

use super::super::case::{Case, Request, Step, cancel, post, predict};
use super::super::receiver::Behaviour;
use super::{drawn_by_clipdraw, drawn_by_cog};

fn with_webhook(inputs: &str, more: &str) -> Request {
    let body =
        format!(r#"{{"id":"$ID","input":{{{inputs}}},"webhook":"$RECEIVER/hook/$ID"{more}}}"#);
    post("/predictions").json(body)
}

fn filtered(events: &str) -> String {
    format!(r#","webhook_events_filter":{events}"#)
}

/// Files in the course of about a second.
const FRAMES: &str = r#"$SHORT,"num_iterations":60,"display_frequency":20"#;

pub(super) fn cases() -> Vec<Case> {
    let completed = filtered(r#"["completed"]"#);
    let trace = with_webhook("$TINY", &completed)
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .header("tracestate", "a=b")
        .header("cookie", "c=d");
    let answer_and = |request: Request, note: Step| vec![request.into(), note];
    let behaving =
        |behaviour, request: Request, note| vec![Step::Receiver(behaviour), request.into(), note];
    vec![
        Case::superset(
            "everything",
            answer_and(with_webhook(FRAMES, ""), Step::FirstAndLastWebhook),
        ),
        Case::superset(
            "the start",
            answer_and(with_webhook(FRAMES, &filtered(r#"["start"]"#)), Step::Webhooks),
        ),
        Case::superset(
            "the end",
            answer_and(with_webhook("$TINY", &completed), Step::Webhooks),
        ),
        Case::superset(
            "the files",
            answer_and(
                with_webhook(FRAMES, &filtered(r#"["output"]"#)),
                Step::FirstAndLastWebhook,
            ),
        ),
        Case::superset(
            "start and end",
            answer_and(
                with_webhook("$TINY", &filtered(r#"["start","completed"]"#)),
                Step::Webhooks,
            ),
        ),
        Case::superset(
            "the end, named twice",
            answer_and(
                with_webhook("$TINY", &filtered(r#"["completed","completed"]"#)),
                Step::Webhooks,
            ),
        ),
        Case::superset(
            "nothing",
            answer_and(with_webhook("$TINY", &filtered("[]")), Step::Webhooks),
        ),
        Case::superset(
            "in the background",
            answer_and(with_webhook("$TINY", &completed).respond_async(), Step::Webhooks),
        ),
        Case::superset(
            "of a stream",
            answer_and(with_webhook("$TINY", &completed).stream(), Step::Webhooks),
        ),
        Case::superset(
            "of a training",
            answer_and(
                Request {
                    path: "/trainings".to_owned(),
                    ..with_webhook("$TINY", &completed)
                },
                Step::Webhooks,
            ),
        ),
        Case::superset(
            "nothing of what is refused",
            answer_and(with_webhook(r#""seed":"x""#, ""), Step::Webhooks),
        ),
        Case::superset(
            "the trace, and no other header",
            answer_and(trace, Step::Webhooks),
        ),
        Case::superset(
            "of a prediction that is cancelled",
            vec![
                Step::Begin(with_webhook("$LONG", &completed).respond_async()),
                Step::UntilFirstFile,
                cancel().into(),
                Step::Webhooks,
            ],
        ),
        Case::superset(
            "the end, to a receiver that fails twice",
            behaving(
                Behaviour::FailsTwice,
                with_webhook("$TINY", &completed),
                Step::Webhooks,
            ),
        ),
        Case::superset(
            "the end, to a receiver that refuses",
            behaving(
                Behaviour::Refuses(400),
                with_webhook("$TINY", &completed),
                Step::Webhooks,
            ),
        ),
        Case::superset(
            "the start, to a receiver that fails",
            behaving(
                Behaviour::Refuses(500),
                with_webhook("$TINY", &filtered(r#"["start"]"#)),
                Step::Webhooks,
            ),
        ),
        Case::better(
            "to a slow receiver",
            behaving(
                Behaviour::TakesSlowly,
                with_webhook(FRAMES, ""),
                Step::WebhooksAtOnce,
            ),
            "messages arrive in order, the end last",
        )
        .answers(
            frames_by_cog() + "\nwebhooks under way at once: several",
            frames_by_clipdraw() + "\nwebhooks under way at once: one",
        ),
        Case::better(
            "to no address",
            vec![predict_with_webhook("not a url")],
            "a mistake that would cost the caller every message is told",
        )
        .answers(
            drawn_by_cog("$ID"),
            r#"422 {"detail":[{"loc":["body","webhook"],"msg":"webhook: `not a url` is not a web address, expected one like https://host/path (relative URL without a base)","type":"value_error"}]}"#,
        ),
        Case::superset("to an empty address", vec![predict_with_webhook("")]),
        Case::better(
            "to another scheme",
            vec![predict_with_webhook("ftp://127.0.0.1/x")],
            "nothing can be sent there",
        )
        .answers(
            drawn_by_cog("$ID"),
            r#"422 {"detail":[{"loc":["body","webhook"],"msg":"webhook: only http and https addresses are allowed, not `ftp`","type":"value_error"}]}"#,
        ),
        Case::superset(
            "to nobody",
            vec![predict_with_webhook("http://127.0.0.1:9/")],
        ),
    ]
}

/// What Cog's server answers when it has drawn [`FRAMES`].
fn frames_by_cog() -> String {
    frames(&drawn_by_cog("$ID"))
}

/// The same for this server.
fn frames_by_clipdraw() -> String {
    frames(&drawn_by_clipdraw("$ID"))
}

fn frames(tiny: &str) -> String {
    tiny.replace("<3 lines>", "<5 lines>")
        .replace(r#""step":1"#, r#""step":60"#)
        .replace(
            r#"["<svg>","<svg>"]"#,
            r#"["<svg>","<svg>","<svg>","<svg>"]"#,
        )
}

fn predict_with_webhook(address: &str) -> Step {
    let request = predict("$TINY");
    let body =
        format!(r#"{{"input":{{$TINY}},"webhook":"{address}","webhook_events_filter":["start"]}}"#);
    Step::Send(Request {
        body: Some(body),
        ..request
    })
}
