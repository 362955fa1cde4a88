//! Somebody removes or changes keys of the broker.

use std::time::Duration;

use serde_json::json;

use crate::cluster::{Cluster, Node, drawing, has_redis, wait_until};
use crate::receiver::Receiver;

/// A command for the broker; `{drawn}`, `{first}` and `{second}` are the ids of predictions.
type Change = &'static [&'static str];

/// A cluster in which one prediction is drawn while two wait, again and again.
struct Busy {
    cluster: Cluster,
    front_end: Node,
    worker: Node,
    rounds: std::cell::Cell<usize>,
}

impl Busy {
    fn start() -> Self {
        let cluster = Cluster::new();
        let front_end = cluster.front_end(&[]);
        let worker = cluster.worker(&[]);
        Self {
            cluster,
            front_end,
            worker,
            rounds: std::cell::Cell::default(),
        }
    }

    /// Changes something while one prediction is drawn and two wait, and returns how they end; nothing for one that is gone.
    fn change(&self, changes: &[Change]) -> [Option<String>; 3] {
        let round = self.rounds.replace(self.rounds.get() + 1);
        let ids = ["drawn", "first", "second"].map(|name| format!("{name}{round}"));
        self.front_end.put(&ids[0], &drawing(100));
        wait_until("it is drawn", || self.front_end.files(&ids[0]) > 1);
        self.front_end.put(&ids[1], &drawing(3));
        self.front_end.put(&ids[2], &drawing(3));
        for change in changes {
            let command = change.iter().map(|part| {
                ["drawn", "first", "second"]
                    .iter()
                    .fold(part.replace('@', "cd:{0}:"), |part, name| {
                        part.replace(&format!("{{{name}}}"), &format!("{name}{round}"))
                    })
            });
            let command: Vec<String> = command.collect();
            let command: Vec<&str> = command.iter().map(String::as_str).collect();
            self.cluster.broker.cli(&command);
        }
        // What comes later is drawn as well.
        let later = format!("later{round}");
        wait_until("it is accepted", || {
            self.front_end.put(&later, &drawing(3)).0 == 202
        });
        assert_eq!(self.front_end.finished(&later)["status"], "succeeded");
        ids.map(|id| self.end(&id))
    }

    fn end(&self, id: &str) -> Option<String> {
        let mut found = (0, serde_json::Value::Null);
        wait_until("it has ended", || {
            found = self.front_end.get(&format!("/predictions/{id}"));
            let status = found.1["status"].as_str().unwrap_or_default();
            found.0 == 404 || ["succeeded", "failed", "canceled"].contains(&status)
        });
        found.1["status"]
            .as_str()
            .filter(|_| found.0 == 200)
            .map(str::to_owned)
    }

    fn assert_empty(&self) {
        let cli = |command: &[&str]| self.cluster.broker.cli(command);
        wait_until("the queue is empty", || {
            cli(&["XLEN", "cd:{0}:q:normal"]) == "0"
        });
        assert_eq!(self.worker.metric("clipdraw_predictions_running"), 0.0);
        assert_eq!(self.front_end.get("/predictions").0, 200);
        assert_eq!(self.front_end.get("/ready").0, 200);
    }
}

#[test]
fn no_prediction_is_lost_when_the_queue_is_removed_or_replaced() {
    if !has_redis() {
        return;
    }
    let busy = Busy::start();
    let changes: [&[Change]; 12] = [
        &[&["DEL", "@q:normal"]],
        &[&["SET", "@q:normal", "what"]],
        &[&["XTRIM", "@q:normal", "MAXLEN", "0"]],
        &[&["XGROUP", "DESTROY", "@q:normal", "workers"]],
        &[&[
            "XGROUP",
            "SETID",
            "@q:normal",
            "workers",
            "99999999999999-0",
        ]],
        &[&[
            "XADD",
            "@q:normal",
            "18446744073709551615-18446744073709551615",
            "id",
            "x",
        ]],
        &[&["DEL", "@tickets"]],
        &[&["SET", "@tickets", "what"]],
        &[&["SET", "@turn:normal", "what"]],
        &[&["DEL", "@wait:normal:"], &["SET", "@wait:normal:", "what"]],
        &[&[
            "DEL",
            "@q:normal",
            "@tickets",
            "@turn:normal",
            "@wait:normal:",
        ]],
        &[
            &["SET", "@q:high", "what"],
            &["SET", "@dead", "what"],
            &["SET", "@ended", "what"],
        ],
    ];
    for change in changes {
        let ends = busy.change(change);
        assert!(
            ends.iter().flatten().all(|end| end == "succeeded"),
            "{change:?} {ends:?}"
        );
        assert_eq!(ends.iter().flatten().count(), 3, "{change:?} {ends:?}");
    }
    busy.assert_empty();
}

#[test]
fn a_prediction_whose_data_is_changed_ends_and_the_others_go_on() {
    if !has_redis() {
        return;
    }
    let busy = Busy::start();
    let changes: [Change; 16] = [
        &["HSET", "@job:{first}", "fence", "what"],
        &["HSET", "@job:{first}", "events", "7"],
        &["HSET", "@job:{first}", "place", "leased"],
        &["HSET", "@job:{first}", "entry", "what"],
        &["HDEL", "@job:{first}", "job"],
        &["HDEL", "@job:{first}", "priority", "caller", "entry"],
        &["XADD", "@ev:{first}", "*", "k", "log", "d", "what"],
        &[
            "XADD",
            "@ev:{first}",
            "18446744073709551615-18446744073709551615",
            "k",
            "log",
            "d",
            "x",
        ],
        &["HSET", "@job:{drawn}", "drawn", "0"],
        &["HSET", "@job:{drawn}", "events", "0"],
        &["HDEL", "@job:{drawn}", "priority", "caller", "entry"],
        &["DEL", "@job:{drawn}"],
        &["DEL", "@ev:{drawn}"],
        &["XTRIM", "@ev:{drawn}", "MAXLEN", "1"],
        &["XADD", "@ev:{drawn}", "*", "k", "odd", "d", "what"],
        &[
            "XADD",
            "@ev:{drawn}",
            "18446744073709551615-18446744073709551615",
            "k",
            "log",
            "d",
            "x",
        ],
    ];
    for change in changes {
        let ends = busy.change(&[change]);
        let changed = usize::from(change[1].contains("first"));
        for (index, end) in ends.iter().enumerate() {
            let is_fine = end.as_deref() == Some("succeeded");
            assert!(is_fine || index == changed, "{change:?} {ends:?}");
        }
    }
    busy.assert_empty();
    // Nothing stays for ever.
    let keys = busy.cluster.broker.cli(&["KEYS", "cd:{0}:ev:*"]);
    for name in keys.lines() {
        assert_ne!(busy.cluster.broker.cli(&["TTL", name]), "-1", "{name}");
    }
}

#[test]
fn finished_predictions_are_forgotten_when_their_events_are_removed() {
    if !has_redis() {
        return;
    }
    let busy = Busy::start();
    busy.change(&[]);
    busy.cluster.broker.cli(&["DEL", "cd:{0}:ev:first0"]);
    busy.cluster
        .broker
        .cli(&["XTRIM", "cd:{0}:ev:drawn0", "MAXLEN", "1"]);
    assert_eq!(busy.front_end.get("/predictions/first0").0, 404);
    let (status, state) = busy.front_end.get("/predictions/drawn0");
    assert_eq!((status, state["status"].as_str()), (200, Some("failed")));
    busy.front_end.put("first0", &drawing(3));
    assert_eq!(busy.front_end.finished("first0")["status"], "succeeded");
}

#[test]
fn webhooks_are_sent_although_their_queue_is_removed() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&[]);
    let receiver = Receiver::start();
    let mut body = drawing(3);
    body["webhook"] = json!(receiver.url);
    body["webhook_events_filter"] = json!(["completed"]);
    for id in ["a", "b"] {
        front_end.put(id, &body);
    }
    cluster.broker.cli(&["DEL", "cd:{0}:hooks"]);
    let _worker = cluster.worker(&[]);
    wait_until("both are completed", || {
        let messages = receiver.messages();
        ["a", "b"]
            .iter()
            .all(|id| messages.iter().any(|message| message.state["id"] == **id))
    });
    assert_eq!(cluster.broker.cli(&["XLEN", "cd:{0}:hooks"]), "0");
}

#[test]
fn the_last_webhook_is_sent_although_a_new_prediction_has_the_id() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let mut first = cluster.front_end(&[]);
    let _worker = cluster.worker(&[]);
    let receiver = Receiver::start();
    receiver.refuse(true);
    let mut body = drawing(3);
    body["webhook"] = json!(receiver.url);
    body["webhook_events_filter"] = json!(["completed"]);
    first.put("a", &body);
    assert_eq!(first.finished("a")["status"], "succeeded");
    wait_until("it was refused", || !receiver.messages().is_empty());
    // Another front end takes over what the first one has not delivered.
    first.kill();
    let front_end = cluster.front_end(&[]);
    body["input"]["num_iterations"] = json!(4);
    assert_eq!(front_end.put("a", &body).0, 202);
    assert_eq!(
        front_end.finished("a")["output"].as_array().unwrap().len(),
        5
    );
    receiver.refuse(false);
    let accepted = |files: usize| {
        let messages = receiver.messages();
        messages.iter().any(|message| {
            message.is_accepted && message.state["output"].as_array().map(Vec::len) == Some(files)
        })
    };
    wait_until("both are delivered", || accepted(4) && accepted(5));
    wait_until("nothing is left", || {
        cluster.broker.cli(&["KEYS", "cd:{0}:replaced*"]).is_empty()
    });
}

#[test]
fn finished_predictions_beyond_the_limits_are_deleted_the_oldest_first() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&[]);
    let options = ["--broker-remember", "3"];
    let _worker = cluster.worker(&options);
    let draw = |id: &str| {
        front_end.put(id, &drawing(3));
        assert_eq!(front_end.finished(id)["status"], "succeeded");
    };
    for id in ["a", "b", "c", "d"] {
        draw(id);
    }
    // None of them has just ended.
    std::thread::sleep(Duration::from_secs(3));
    draw("e");
    let known = |id: &str| front_end.get(&format!("/predictions/{id}")).0;
    assert_eq!(
        ["a", "b", "c", "d", "e"].map(known),
        [404, 404, 200, 200, 200]
    );
    assert_eq!(
        front_end.get("/predictions").1["results"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let memory: u64 = cluster
        .broker
        .cli(&["GET", "cd:{0}:ended_bytes"])
        .parse()
        .unwrap();
    assert!((3_000..300_000).contains(&memory), "{memory}");
    let _other = cluster.worker(&["--broker-remember-bytes", "1"]);
    // A new prediction with the id of a finished one takes its place.
    draw("e");
    assert_eq!(cluster.broker.cli(&["ZCARD", "cd:{0}:ended"]), "3");
}
