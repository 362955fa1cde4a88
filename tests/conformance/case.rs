//! One case of the comparison: what is sent, and how the two responses should compare.

use super::receiver::Behaviour;

/// The inputs of the smallest drawing: two files in some milliseconds.
const TINY: &str = r#""prompt":"a cat","num_paths":1,"num_iterations":1,"num_augmentations":1,"canvas_width":64,"canvas_height":64,"seed":1"#;

/// Inputs of a drawing that gives one file at once and outlasts every case.
const LONG: &str = r#""num_paths":1,"num_iterations":10000,"display_frequency":10000,"num_augmentations":1,"canvas_width":64,"canvas_height":64,"seed":1"#;

/// The same, but over in a few seconds.
const SHORT: &str = r#""num_paths":40,"num_iterations":100,"display_frequency":100,"num_augmentations":1,"canvas_width":64,"canvas_height":64,"seed":1"#;

/// Inputs of a drawing of which every single step takes long.
const HEAVY: &str = r#""num_paths":2048,"num_iterations":10000,"display_frequency":10000,"num_augmentations":4,"canvas_width":1024,"canvas_height":1024,"seed":1"#;

/// Inputs of two files with some time between them.
const APART: &str = r#""num_paths":1000,"num_iterations":1,"num_augmentations":1,"canvas_width":64,"canvas_height":64,"seed":1"#;

/// What stands in requests for these texts; see [`Names`] for the others.
pub(super) const INPUTS: [(&str, &str); 5] = [
    ("$TINY", TINY),
    ("$LONG", LONG),
    ("$SHORT", SHORT),
    ("$HEAVY", HEAVY),
    ("$APART", APART),
];

/// What is different from case to case and from server to server, and so has a name in the table.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// `$ID`: the prediction's.
    pub(super) id: String,
    /// `$RECEIVER`: the address of what takes webhooks and files.
    pub(super) receiver: String,
}

impl Names {
    /// Replaces names by what they stand for.
    pub(super) fn resolve(&self, text: &str) -> String {
        let inputs = INPUTS.iter().fold(text.to_owned(), |text, (name, inputs)| {
            text.replace(name, inputs)
        });
        inputs
            .replace("$ID", &self.id)
            .replace("$RECEIVER", &self.receiver)
    }

    /// Puts the names back.
    pub(super) fn hide(&self, text: &str) -> String {
        text.replace(&self.receiver, "$RECEIVER")
            .replace(&self.id, "$ID")
    }
}

/// How the answers of the two servers compare.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// They are the same.
    Equal,
    /// Everything that Cog's server says is in ours, which says more.
    Superset,
    /// They differ, for a reason. Both are given as they stand in the table.
    Better {
        because: &'static str,
        cog: String,
        clipdraw: String,
    },
}

/// A request as the table shows it, with names in it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<String>,
    pub(super) http2: bool,
}

/// How a client leaves in the middle of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaving {
    /// It closes the connection.
    Closes,
    /// It closes its own half and reads on.
    ClosesItsHalf,
}

/// One thing that is done to a server.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// Sends a request and notes the answer.
    Send(Request),
    /// Sends a request and does not wait for the end of the answer; a stream has begun afterwards.
    Begin(Request),
    /// Notes the answer to what was begun.
    Join,
    /// Waits until the prediction `$ID` has given its first file.
    UntilFirstFile,
    /// Waits until the server has a free slot, which Cog's has only some time after an answer.
    UntilReady,
    /// Sends a request, leaves when the server is busy, and notes what was received.
    Leave(Request, Leaving),
    /// Sends a request again and again on one connection, so many times at most, until it is
    /// refused, and notes the refusal.
    Repeat(Request, usize),
    /// Changes what the receiver does.
    Receiver(Behaviour),
    /// Records all messages that the receiver got about `$ID`.
    Webhooks,
    /// Records the first and the last message that the receiver got about `$ID`, since how many messages
    /// are between them depends on the machine.
    FirstAndLastWebhook,
    /// Notes how many messages about `$ID` the receiver had to answer at the same moment at most.
    WebhooksAtOnce,
    /// Notes all files that were uploaded for `$ID`.
    Uploads,
    /// Sends SIGTERM.
    Terminate,
    /// Notes whether a new connection is accepted.
    Connect,
    /// Waits until the server has ended and notes its exit status.
    Exit,
}

/// A case.
#[derive(Debug, Clone)]
pub(super) struct Case {
    pub(super) about: String,
    pub(super) steps: Vec<Step>,
    pub(super) verdict: Verdict,
}

impl Request {
    pub(super) fn new(method: &'static str, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            headers: Vec::new(),
            body: None,
            http2: false,
        }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A body without a content type.
    pub(super) fn body(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self
    }

    pub(super) fn json(self, body: impl Into<String>) -> Self {
        self.header("content-type", "application/json").body(body)
    }

    pub(super) fn respond_async(self) -> Self {
        self.header("prefer", "respond-async")
    }

    pub(super) fn stream(self) -> Self {
        self.header("accept", "text/event-stream")
    }

    pub(super) fn wants_a_stream(&self) -> bool {
        self.headers
            .contains(&("accept", "text/event-stream".to_owned()))
    }

    /// Over HTTP/2 from the first byte.
    pub(super) fn http2(self) -> Self {
        Self {
            http2: true,
            ..self
        }
    }
}

pub(super) fn get(path: &str) -> Request {
    Request::new("GET", path)
}

pub(super) fn post(path: &str) -> Request {
    Request::new("POST", path)
}

pub(super) fn put(path: &str) -> Request {
    Request::new("PUT", path)
}

/// A request for the prediction `$ID` with these inputs.
pub(super) fn predict(inputs: &str) -> Request {
    put("/predictions/$ID").json(format!(r#"{{"input":{{{inputs}}}}}"#))
}

pub(super) fn cancel() -> Request {
    post("/predictions/$ID/cancel")
}

impl From<Request> for Step {
    fn from(request: Request) -> Self {
        Self::Send(request)
    }
}

impl Case {
    pub(super) fn equal(about: impl Into<String>, steps: Vec<Step>) -> Self {
        Self {
            about: about.into(),
            steps,
            verdict: Verdict::Equal,
        }
    }

    pub(super) fn superset(about: impl Into<String>, steps: Vec<Step>) -> Self {
        Self {
            verdict: Verdict::Superset,
            ..Self::equal(about, steps)
        }
    }

    /// A case whose answers differ; [`Case::answers`] has to follow.
    pub(super) fn better(
        about: impl Into<String>,
        steps: Vec<Step>,
        because: &'static str,
    ) -> Self {
        Self {
            verdict: Verdict::Better {
                because,
                cog: String::new(),
                clipdraw: String::new(),
            },
            ..Self::equal(about, steps)
        }
    }

    /// What the two servers answer, as it stands in the table.
    pub(super) fn answers(mut self, cog: impl Into<String>, clipdraw: impl Into<String>) -> Self {
        if let Verdict::Better { because, .. } = self.verdict {
            self.verdict = Verdict::Better {
                because,
                cog: cog.into(),
                clipdraw: clipdraw.into(),
            };
        }
        self
    }
}
