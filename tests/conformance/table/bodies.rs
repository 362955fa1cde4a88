//! Valid and invalid bodies of requests.

use super::super::case::{Case, Step, cancel, post, predict, put};
use super::drawn_by_clipdraw;

/// Cog's answer to a body whose first byte is not JSON.
const NOT_JSON: &str =
    "400 text/plain: Failed to parse the request body as JSON: expected value at line 1 column 1";

const WRONG_TYPE: &str = "text/plain";

fn raw(about: &str, body: &str) -> Case {
    Case::equal(about, vec![post("/predictions").json(body).into()])
}

fn accepted(about: &str, body: &str) -> Case {
    Case::superset(about, vec![post("/predictions").json(body).into()])
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = vec![
        raw("JSON that breaks off", r#"{"input": "#),
        raw("an empty body that says it is JSON", ""),
        raw("no JSON", "prompt=a"),
        raw("JSON with something behind it", "{} {}"),
        raw("a comma too many", r#"{"input":{},}"#),
        raw("a number that is none", r#"{"input":{"seed":NaN}}"#),
        raw("an array", "[1,2]"),
        raw("a text", r#""abc""#),
        raw("a number", "7"),
        raw("null", "null"),
        raw("true", "true"),
        raw("an id that is a number", r#"{"id":5}"#),
        raw("an id that is an object", r#"{"id":{}}"#),
        raw("the same field twice", r#"{"id":"a","id":"b"}"#),
        raw("a context that is null", r#"{"context":null}"#),
        raw("a context that is a text", r#"{"context":"x"}"#),
        raw("a context with a number", r#"{"context":{"k":1}}"#),
        raw("a webhook that is a number", r#"{"webhook":1}"#),
        raw(
            "a filter with an unknown event",
            r#"{"webhook_events_filter":["bogus"]}"#,
        ),
        raw("a filter that is null", r#"{"webhook_events_filter":null}"#),
        raw(
            "a filter that is a text",
            r#"{"webhook_events_filter":"completed"}"#,
        ),
        raw("a filter with a number", r#"{"webhook_events_filter":[1]}"#),
        raw(
            "an event in capitals",
            r#"{"webhook_events_filter":["Completed"]}"#,
        ),
        raw("an input that is a text", r#"{"input":"str"}"#),
        raw("an input that is an array", r#"{"input":[1]}"#),
        raw("an input that is a number", r#"{"input":1.50}"#),
        raw("an input that is false", r#"{"input":false}"#),
        accepted("an id that is null", r#"{"id":null,"input":{$TINY}}"#),
        accepted("a context", r#"{"input":{$TINY},"context":{"k":"v"}}"#),
        accepted(
            "a webhook that is null",
            r#"{"input":{$TINY},"webhook":null}"#,
        ),
        accepted(
            "fields that nobody reads",
            r#"{"input":{$TINY},"created_at":"2024-01-01T00:00:00Z","version":"x","stream":true}"#,
        ),
    ];
    cases.extend(content_types());
    cases.extend(read_differently());
    cases.push(Case::equal(
        "a PUT whose body names another id",
        vec![
            put("/predictions/$ID")
                .json(r#"{"id":"other","input":{$TINY}}"#)
                .into(),
        ],
    ));
    cases.push(Case::equal(
        "a PUT whose body names another id and wrong inputs",
        vec![
            put("/predictions/$ID")
                .json(r#"{"id":"other","input":{"seed":"x"}}"#)
                .into(),
        ],
    ));
    cases.push(Case::superset(
        "a PUT whose body names its id",
        vec![
            put("/predictions/$ID")
                .json(r#"{"id":"$ID","input":{$TINY}}"#)
                .into(),
        ],
    ));
    cases
}

fn content_types() -> Vec<Case> {
    const BODY: &str = r#"{"input":{$TINY}}"#;
    let typed = |content_type: &str| {
        vec![
            post("/predictions")
                .header("content-type", content_type)
                .body(BODY)
                .into(),
        ]
    };
    let mut cases: Vec<_> = [
        WRONG_TYPE,
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "text/json",
        "application/jsonp",
        "",
    ]
    .map(|wrong| Case::equal(format!("content type `{wrong}`"), typed(wrong)))
    .into();
    cases.extend(
        [
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/vnd.api+json",
        ]
        .map(|fine| Case::superset(format!("content type `{fine}`"), typed(fine))),
    );
    cases.push(Case::superset(
        "a body without a content type is not read",
        vec![
            put("/predictions/$ID")
                .body(r#"{"input":{"seed":"x"}}"#)
                .respond_async()
                .into(),
            Step::UntilFirstFile,
            cancel().into(),
        ],
    ));
    cases
}

/// Bodies that Cog ignores or refuses, and of which this server says what is wrong or what they mean.
fn read_differently() -> Vec<Case> {
    vec![
        Case::better(
            "inputs outside of `input`",
            vec![
                put("/predictions/$ID")
                    .json(r#"{"prompt":"a cat"}"#)
                    .respond_async()
                    .into(),
                cancel().into(),
            ],
            "Cog draws something else, with the defaults",
        )
        .answers(
            "202 {\"id\":\"$ID\",\"status\":\"starting\"}\n200 {}",
            concat!(
                r#"422 {"detail":[{"loc":["body","prompt"],"msg":"`prompt` is an input; put the inputs under `input`, "#,
                r#"as in {\"input\": {\"prompt\": \"a cat\"}}","type":"value_error"}]}"#,
                "\n404 {}",
            ),
        ),
        Case::better(
            "a byte order mark before the body",
            vec![
                put("/predictions/$ID")
                    .json("\u{feff}{\"input\":{$TINY}}")
                    .into(),
            ],
            "parsers may ignore it (RFC 8259)",
        )
        .answers(NOT_JSON, drawn_by_clipdraw("$ID")),
        Case::better(
            "a body compressed by gzip",
            vec![predict("$TINY").header("content-encoding", "gzip").into()],
            "the error says what is wrong with it",
        )
        .answers(
            NOT_JSON,
            "415 text/plain: The body has the content encoding `gzip`; send it without compression",
        ),
    ]
}
