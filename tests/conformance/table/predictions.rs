//! Predictions: starting, joining and cancelling them, and rejections by a busy server.

use super::super::case::{Case, Request, Step, cancel, get, post, predict, put};
use super::{
    NO_PYTHON, accepted_by_clipdraw, drawn_by_cog, ended, health_of_clipdraw, health_of_cog,
};

/// What this server says of an id that it does not take.
const WRONG_ID: &str = r#"422 {"detail":[{"loc":["body","id"],"msg":"prediction ID must be 1 to 128 characters from A-Z a-z 0-9 _ . - : and not only dots","type":"value_error"}]}"#;

const SHOWN: &str = "what was drawn and logged until then is not thrown away";

pub(super) fn cases() -> Vec<Case> {
    let named =
        |id: &str| post("/predictions").json(format!(r#"{{"id":"{id}","input":{{$TINY}}}}"#));
    vec![
        Case::superset(
            "no id",
            vec![post("/predictions").json(r#"{"input":{$TINY}}"#).into()],
        ),
        Case::superset("an id in the body", vec![named("$ID").into()]),
        Case::superset("an id in the path", vec![predict("$TINY").into()]),
        Case::superset(
            "an id of a finished prediction once more",
            vec![
                predict("$TINY").into(),
                Step::UntilReady,
                predict("$TINY").into(),
            ],
        ),
        Case::better(
            "an empty id",
            vec![named("").into()],
            "an id has to fit into a path",
        )
        .answers(drawn_by_cog(""), WRONG_ID),
        Case::better(
            "an id that leads out of a folder",
            vec![named("../../../x-$ID").into()],
            "Cog makes a folder of that name",
        )
        .answers(drawn_by_cog("../../../x-$ID"), WRONG_ID),
        Case::better(
            "an id with a space in the path",
            vec![
                put("/predictions/a%20b")
                    .json(r#"{"input":{$TINY}}"#)
                    .into(),
            ],
            "an id has to fit into a path",
        )
        .answers(drawn_by_cog("a b"), WRONG_ID),
        Case::superset(
            "in the background",
            vec![predict("$TINY").respond_async().into()],
        ),
        Case::superset(
            "in the background under no id",
            vec![
                post("/predictions")
                    .respond_async()
                    .json(r#"{"input":{$TINY}}"#)
                    .into(),
            ],
        ),
        Case::superset(
            "in the background with wrong inputs",
            vec![predict(r#""seed":"x""#).respond_async().into()],
        ),
        Case::better(
            "in the background, with another preference beside it",
            vec![
                predict("$TINY")
                    .header("prefer", "respond-async, wait=5")
                    .into(),
            ],
            "`Prefer` is a list (RFC 7240)",
        )
        .answers(drawn_by_cog("$ID"), accepted_by_clipdraw("$ID")),
        Case::better(
            "in the background, in capitals",
            vec![predict("$TINY").header("prefer", "Respond-Async").into()],
            "preferences have no case (RFC 7240)",
        )
        .answers(drawn_by_cog("$ID"), accepted_by_clipdraw("$ID")),
        Case::superset(
            "another preference",
            vec![predict("$TINY").header("prefer", "wait=1").into()],
        ),
        Case::superset(
            "every answer is welcome",
            vec![predict("$TINY").header("accept", "*/*").into()],
        ),
        Case::superset(
            "JSON is wanted",
            vec![predict("$TINY").header("accept", "application/json").into()],
        ),
        Case::superset(
            "text is wanted",
            vec![predict("$TINY").header("accept", "text/plain").into()],
        ),
        Case::superset(
            "as a training",
            vec![post("/trainings").json(r#"{"input":{$TINY}}"#).into()],
        ),
        Case::superset(
            "as a training under an id",
            vec![put("/trainings/$ID").json(r#"{"input":{$TINY}}"#).into()],
        ),
        Case::superset(
            "as a training in the background",
            vec![
                put("/trainings/$ID")
                    .respond_async()
                    .json(r#"{"input":{$TINY}}"#)
                    .into(),
            ],
        ),
        Case::superset(
            "a training with wrong inputs",
            vec![post("/trainings").json(r#"{"input":{"seed":"x"}}"#).into()],
        ),
        Case::equal(
            "a training whose body names another id",
            vec![
                put("/trainings/$ID")
                    .json(r#"{"id":"x","input":{$TINY}}"#)
                    .into(),
            ],
        ),
    ]
}

/// A drawing that runs, then what is done to it, then its end.
fn running(inputs: &str, then: Vec<Step>) -> Vec<Step> {
    let mut steps = vec![
        Step::Begin(predict(inputs).respond_async()),
        Step::UntilFirstFile,
    ];
    steps.extend(then);
    steps
}

pub(super) fn cancelling() -> Vec<Case> {
    let twice = put("/predictions/$ID").json("{}");
    let training = post("/trainings/$ID/cancel");
    vec![
        Case::equal("nobody", vec![post("/predictions/nobody/cancel").into()]),
        Case::equal("no training", vec![post("/trainings/nobody/cancel").into()]),
        Case::equal(
            "with a body that nobody reads",
            vec![post("/predictions/nobody/cancel").json("{").into()],
        ),
        Case::equal(
            "a prediction that runs",
            running("$LONG", vec![cancel().into()]),
        ),
        Case::equal(
            "twice",
            running("$HEAVY", vec![cancel().into(), cancel().into()]),
        ),
        Case::superset(
            "and then ask again for it",
            running("$HEAVY", vec![cancel().into(), twice.into()]),
        ),
        Case::equal(
            "a prediction as a training",
            running("$LONG", vec![training.into()]),
        ),
        Case::better(
            "a prediction that somebody waits for",
            vec![
                Step::Begin(predict("$LONG")),
                Step::UntilFirstFile,
                cancel().into(),
                Step::Join,
            ],
            SHOWN,
        )
        .answers(
            r#"200 {}
200 {"id":"$ID","logs":"","metrics":{"losses":{…},"predict_time":"<number>","seed":1,"step":0,"steps_per_second":"<number>"},"status":"canceled"}"#,
            r#"200 {}
200 {"completed_at":"<time>","created_at":"<time>","id":"$ID","input":{…},"logs":"<2 lines>","metrics":{"losses":{…},"predict_time":"<number>","seed":1,"step":0,"steps_per_second":"<number>"},"output":["<svg>"],"started_at":"<time>","status":"canceled","version":"<version>"}"#,
        ),
        Case::superset(
            "a finished prediction",
            vec![predict("$TINY").into(), Step::UntilReady, cancel().into()],
        ),
    ]
}

pub(super) fn busy() -> Vec<Case> {
    let other = |request: Request| running("$LONG", vec![request.into(), cancel().into()]);
    let again = |body: &str| put("/predictions/$ID").json(body);
    let tiny = || post("/predictions").json(r#"{"input":{$TINY}}"#);
    vec![
        Case::equal("a second prediction", other(tiny())),
        Case::equal(
            "a second prediction in the background",
            other(tiny().respond_async()),
        ),
        Case::equal("a second prediction as a stream", other(tiny().stream())),
        Case::equal(
            "a second prediction under an id",
            other(put("/predictions/other").json(r#"{"input":{$TINY}}"#)),
        ),
        Case::equal(
            "a training",
            other(post("/trainings").json(r#"{"input":{$TINY}}"#)),
        ),
        Case::superset(
            "wrong inputs",
            other(post("/predictions").json(r#"{"input":{"seed":"x"}}"#)),
        ),
        Case::superset("the same PUT again", other(predict("$LONG"))),
        Case::superset(
            "the same PUT again in the background",
            other(predict("$LONG").respond_async()),
        ),
        Case::superset(
            "the same PUT with other inputs",
            other(again(r#"{"input":{"prompt":"other"}}"#)),
        ),
        Case::superset(
            "the same PUT with wrong inputs",
            other(again(r#"{"input":{"seed":"x"}}"#)),
        ),
        Case::equal(
            "the same PUT with the id of another",
            other(again(r#"{"id":"x"}"#)),
        ),
        Case::superset(
            "the same PUT as a training",
            other(put("/trainings/$ID").json("{}")),
        ),
        Case::better(
            "a POST with the id of what runs",
            other(post("/predictions").json(r#"{"id":"$ID","input":{$TINY}}"#)),
            "the caller learns that it is the id",
        )
        .answers(
            r#"409 {"error":"At capacity - all prediction slots busy","status":"failed"}
200 {}"#,
            r#"409 {"error":"A prediction with the id $ID is running already. PUT /predictions/$ID joins it.","status":"failed"}
200 {}"#,
        ),
        Case::better(
            "the state of what runs",
            other(get("/predictions/$ID")),
            "the state of a prediction can be asked for",
        )
        .answers(
            "405 allow: PUT\n200 {}",
            r#"200 {"created_at":"<time>","id":"$ID","input":{…},"logs":"<2 lines>","metrics":{"losses":{…},"seed":1,"step":0,"steps_per_second":"<number>"},"output":["<svg>"],"started_at":"<time>","status":"processing","version":"<version>"}
200 {}"#,
        ),
        Case::better("health", other(get("/health-check")), NO_PYTHON).answers(
            health_of_cog("BUSY", &ended("succeeded")) + "\n200 {}",
            health_of_clipdraw("BUSY", &ended("succeeded")) + "\n200 {}",
        ),
    ]
}
