//! Event streams.

use super::super::case::{Case, Step, cancel, get, post, predict, put};
use super::{drawn_by_clipdraw, drawn_by_cog};

/// The events of the smallest drawing.
const EVENTS: &str = "200 start metric log metric metric metric log output metric metric metric log output completed (succeeded)";

/// A stream that joins a drawing which runs, and the end of that drawing.
fn joined() -> Vec<Step> {
    vec![
        Step::Begin(predict("$LONG").respond_async()),
        Step::UntilFirstFile,
        Step::Begin(put("/predictions/$ID").stream().json("{}")),
        cancel().into(),
        Step::Join,
    ]
}

pub(super) fn cases() -> Vec<Case> {
    let tiny = || post("/predictions").json(r#"{"input":{$TINY}}"#);
    let accept = |accepted: &'static str| vec![predict("$TINY").header("accept", accepted).into()];
    vec![
        Case::superset("under no id", vec![tiny().stream().into()]),
        Case::superset("under an id", vec![predict("$TINY").stream().into()]),
        Case::superset(
            "with a file after every step",
            vec![
                predict(r#"$TINY,"num_iterations":3,"display_frequency":1"#)
                    .stream()
                    .into(),
            ],
        ),
        Case::superset(
            "of PNG files",
            vec![predict(r#"$TINY,"output_format":"png""#).stream().into()],
        ),
        Case::superset(
            "among other types",
            accept("application/json, text/event-stream;q=0.9"),
        ),
        Case::better(
            "in capitals",
            accept("Text/Event-Stream"),
            "types have no case (RFC 9110)",
        )
        .answers(drawn_by_cog("$ID"), EVENTS),
        Case::superset("of any text", accept("text/*")),
        Case::superset(
            "with `Prefer: respond-async`",
            vec![predict("$TINY").stream().respond_async().into()],
        ),
        Case::superset(
            "with wrong inputs",
            vec![predict(r#""seed":"x""#).stream().into()],
        ),
        Case::equal(
            "with a body that cannot be read",
            vec![post("/predictions").stream().json("{").into()],
        ),
        Case::equal(
            "with the id of another",
            vec![
                put("/predictions/$ID")
                    .stream()
                    .json(r#"{"id":"x"}"#)
                    .into(),
            ],
        ),
        Case::equal(
            "of a training",
            vec![
                post("/trainings")
                    .stream()
                    .json(r#"{"input":{$TINY}}"#)
                    .into(),
            ],
        ),
        Case::equal(
            "of a training under an id",
            vec![
                put("/trainings/$ID")
                    .stream()
                    .json(r#"{"input":{$TINY}}"#)
                    .into(),
            ],
        ),
        Case::superset("of a drawing that runs, until it is cancelled", joined()),
        Case::better(
            "of a finished prediction",
            vec![
                predict("$TINY").into(),
                get("/predictions/$ID").stream().into(),
            ],
            "a browser's `EventSource` can only GET, and may come late",
        )
        .answers(
            drawn_by_cog("$ID") + "\n405 allow: PUT",
            drawn_by_clipdraw("$ID") + "\n" + EVENTS,
        ),
    ]
}

pub(super) fn no_history() -> Vec<Case> {
    vec![
        Case::superset("a stream that joins a drawing", joined()),
        Case::superset(
            "a stream from the beginning",
            vec![predict("$TINY").stream().into()],
        ),
    ]
}
