//! Processes of different versions on one broker.
//!
//! There is only one version to test with, so the tests write into the broker what a newer one might write.

use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{Cluster, drawing, has_redis, wait_until};
use crate::event_log::EventLog;
use crate::receiver::Receiver;

/// The format of a newer version.
const NEWER: &str = "999";

/// The key of a prediction.
fn job(id: &str) -> String {
    format!("cd:{{0}}:job:{id}")
}

/// Replaces the data of a prediction; returns what it was.
fn change_job(cluster: &Cluster, id: &str, change: impl FnOnce(&mut Value)) -> String {
    let before = cluster.broker.cli(&["HGET", &job(id), "job"]);
    let mut data: Value = serde_json::from_str(&before).unwrap();
    change(&mut data);
    let data = data.to_string();
    cluster.broker.cli(&["HSET", &job(id), "job", &data]);
    before
}

#[test]
fn predictions_of_a_newer_version_are_left_to_its_processes_and_hold_up_no_others() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let receiver = Receiver::start();
    let front_end = cluster.front_end(&[]);
    let mut body = drawing(3);
    body["webhook"] = json!(receiver.url);
    for id in ["new", "unreadable", "old", "older"] {
        front_end.put(id, &body);
    }
    let set_format = |id: &str, format: &str| {
        cluster.broker.cli(&["HSET", &job(id), "format", format]);
    };
    set_format("new", NEWER);
    set_format("unreadable", NEWER);
    let before = change_job(&cluster, "unreadable", |data| {
        data["input"]["new_input"] = json!("anything");
    });
    change_job(&cluster, "new", |data| data["new_field"] = json!(1));
    let worker = cluster.worker(&[]);
    for id in ["old", "older"] {
        assert_eq!(front_end.finished(id)["status"], "succeeded");
    }
    // It has looked for work again meanwhile.
    sleep(Duration::from_secs(3));
    // The front end that has accepted a prediction still knows it; another one has to read it.
    let other = cluster.front_end(&[]);
    let (status, state) = other.get("/predictions/new");
    assert_eq!((status, &state["status"]), (200, &json!("starting")));
    let answer = other.request("GET", "/predictions/unreadable");
    let answer = answer.send().unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(other.put("unreadable", &body).0, 503);
    assert_eq!(other.get("/predictions").0, 200);
    assert_eq!(other.get("/ready").0, 200);
    assert!(worker.log().contains("wait for workers of a newer version"));

    // Newer processes have come.
    cluster
        .broker
        .cli(&["HSET", &job("unreadable"), "job", &before]);
    for id in ["new", "unreadable"] {
        set_format(id, "1");
        assert_eq!(front_end.finished(id)["status"], "succeeded");
    }
    wait_until("all webhooks have come", || {
        let messages = receiver.messages();
        let ends = messages
            .iter()
            .filter(|message| message.state["status"] == "succeeded");
        let mut ids: Vec<_> = ends.map(|end| end.state["id"].as_str().unwrap()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len() == 4
    });
    wait_until("nothing is left", || {
        ["q:normal", "hooks"]
            .iter()
            .all(|name| cluster.broker.cli(&["XLEN", &format!("cd:{{0}}:{name}")]) == "0")
    });
}

#[test]
fn a_drawing_that_a_newer_worker_has_begun_has_every_frame_once() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&["--history", "100000"]);
    let mut newer = cluster.worker(&[]);
    front_end.put("whole", &drawing(100));
    front_end.finished("whole");
    let mut whole = EventLog::default();
    whole.read(front_end.events("whole", None), usize::MAX);
    front_end.put("a", &drawing(100));
    wait_until("it is drawn", || front_end.files("a") > 5);
    newer.kill();
    // The newer worker publishes events that this version does not know.
    let count = |field: &str| -> u64 {
        let count = cluster.broker.cli(&["HGET", &job("a"), field]);
        count.parse().unwrap()
    };
    let (events, drawn) = (count("events"), count("drawn"));
    for number in events + 1..=events + 3 {
        let entry = format!("{number}-0");
        let event = ["k", "preview", "d", "anything"];
        let add = [&["XADD", "cd:{0}:ev:a", &entry][..], &event].concat();
        cluster.broker.cli(&add);
    }
    let counts = [("events", events + 3), ("drawn", drawn + 3)];
    for (field, count) in counts {
        cluster
            .broker
            .cli(&["HSET", &job("a"), field, &count.to_string()]);
    }
    let _worker = cluster.worker(&[]);
    let mut log = EventLog::default();
    log.read(front_end.events("a", None), usize::MAX);
    log.assert_complete();
    assert_eq!(log.files(), whole.files());
    let (_, state) = front_end.get("/predictions/a");
    assert_eq!(state["status"], "succeeded");
}

#[test]
fn a_broker_whose_keys_only_a_newer_version_knows_is_refused_and_left_as_it_is() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&[]);
    let layout = |layout: &str| cluster.broker.cli(&["SET", "cd:{0}:layout", layout]);
    assert_eq!(cluster.broker.cli(&["GET", "cd:{0}:layout"]), "1");
    layout(NEWER);
    wait_until("it is refused", || front_end.get("/ready").0 == 503);
    let worker = cluster.start(cluster.command("work"));
    let (status, answer) = front_end.put("a", &drawing(3));
    assert_eq!(status, 503);
    let error = answer["error"].as_str().unwrap();
    assert!(error.contains("a newer version of clipdraw"), "{error}");
    assert_eq!(worker.get("/ready").0, 503);
    assert_eq!(cluster.broker.cli(&["KEYS", "*job*"]), "");
    assert_eq!(cluster.broker.cli(&["GET", "cd:{0}:layout"]), NEWER);
    for wrong in ["what", "1"] {
        layout(wrong);
        front_end.wait_until_ready();
        worker.wait_until_ready();
    }
    front_end.put("a", &drawing(3));
    assert_eq!(front_end.finished("a")["status"], "succeeded");
}
