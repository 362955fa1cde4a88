//! A broker that goes away, and wrong data in it.

use std::thread::sleep;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::cluster::{Cluster, Node, drawing, has_redis, wait_until};
use crate::event_log::EventLog;

#[test]
fn nothing_is_lost_when_the_broker_is_killed_and_started_again() {
    if !has_redis() {
        return;
    }
    let mut cluster = Cluster::new();
    let front_end = cluster.front_end(&["--history", "100000"]);
    let worker = cluster.worker(&[]);
    front_end.put("drawn", &drawing(150));
    front_end.put("waiting", &drawing(3));
    wait_until("it is drawn", || front_end.files("drawn") > 3);
    cluster.broker.kill();
    wait_until("it is not ready", || front_end.get("/ready").0 == 503);
    let refused = front_end
        .request("PUT", "/predictions/refused")
        .header("prefer", "respond-async")
        .json(&drawing(3))
        .send()
        .unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(worker.get("/ready").0, 503);
    sleep(Duration::from_millis(500));
    cluster.broker.restart();
    wait_until("it is ready", || front_end.get("/ready").0 == 200);
    let mut log = EventLog::default();
    log.read(front_end.events("drawn", None), usize::MAX);
    log.assert_complete();
    assert_eq!(front_end.finished("waiting")["status"], "succeeded");
    // It was not drawn again: nobody could renew a lease meanwhile.
    assert_eq!(worker.metric("clipdraw_predictions_redrawn_total"), 0.0);
    assert_eq!(worker.metric("clipdraw_leases_lost_total"), 0.0);
    for node in [&front_end, &worker] {
        assert_one_outage(node);
    }
}

/// The log says once that the broker could not be used, and once that it can be used again.
#[track_caller]
fn assert_one_outage(node: &Node) {
    let count = |line: &str| node.log().matches(line).count();
    wait_until("the end of the outage is said", || {
        count("the broker can be used again") > 0
    });
    let log = node.log();
    assert_eq!(count("the broker can be used again"), 1, "{log}");
    assert_eq!(count("the broker cannot be used"), 1, "{log}");
}

#[test]
fn processes_wait_for_a_broker_that_starts_later() {
    if !has_redis() {
        return;
    }
    let mut cluster = Cluster::new();
    cluster.broker.kill();
    let front_end = cluster.start({
        let mut command = cluster.command("serve");
        command.args(["--slots", "0"]);
        command
    });
    assert_eq!(front_end.get("/ready").0, 503);
    cluster.broker.restart();
    front_end.wait_until_ready();
    let _worker = cluster.worker(&[]);
    front_end.put("a", &drawing(3));
    assert_eq!(front_end.finished("a")["status"], "succeeded");
}

#[test]
fn a_prediction_is_accepted_only_once_a_replica_has_it() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let replica = cluster.replica();
    let front_end = cluster.front_end(&[]);
    let (status, _) = front_end.put("a", &drawing(3));
    assert_eq!(status, 202);
    assert_eq!(replica.cli(&["HGET", "cd:{0}:job:a", "status"]), "starting");
    replica.stop();
    let (status, _) = front_end.put("b", &drawing(3));
    assert_eq!(status, 503);
    replica.go_on();
    wait_until("the replica confirms again", || {
        front_end.put("c", &drawing(3)).0 == 202
    });
}

#[test]
fn a_broker_without_memory_accepts_nothing_and_loses_nothing() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::with(&["--maxmemory-policy", "noeviction"]);
    let front_end = cluster.front_end(&["--history", "100000"]);
    let _worker = cluster.worker(&[]);
    // The record of a finished prediction gives way to one with its id.
    front_end.put("again", &drawing(3));
    front_end.finished("again");
    front_end.put("drawn", &drawing(150));
    front_end.put("waiting", &drawing(3));
    wait_until("it is drawn", || front_end.files("drawn") > 3);
    let set_memory = |bytes: &str| cluster.broker.cli(&["CONFIG", "SET", "maxmemory", bytes]);
    // Less than any broker needs.
    assert_eq!(set_memory("1"), "OK");
    let length = || cluster.broker.cli(&["XLEN", "cd:{0}:q:normal"]);
    let before = length();
    for id in ["new", "again"].into_iter().cycle().take(20) {
        let request = front_end.request("PUT", &format!("/predictions/{id}"));
        let request = request.header("prefer", "respond-async");
        let answer = request.json(&drawing(3)).send().unwrap();
        assert_eq!(answer.status(), 503, "{id}");
        assert!(answer.headers().contains_key("retry-after"));
        let text = answer.text().unwrap();
        assert!(text.contains("memory is full"), "{text}");
    }
    assert_eq!(length(), before);
    assert_eq!(front_end.get("/predictions/new").0, 404);
    assert_eq!(front_end.finished("again")["status"], "succeeded");
    assert_eq!(set_memory("0"), "OK");
    let mut log = EventLog::default();
    log.read(front_end.events("drawn", None), usize::MAX);
    log.assert_complete();
    assert_eq!(front_end.finished("waiting")["status"], "succeeded");
    wait_until("it is accepted", || {
        front_end.put("new", &drawing(3)).0 == 202
    });
    assert_eq!(front_end.finished("new")["status"], "succeeded");
    assert_one_outage(&front_end);
}

#[test]
fn wrong_data_fails_the_prediction_or_the_request_and_no_process() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&[]);
    let ids = ["type", "json", "stream", "gone", "fine"];
    for id in ids {
        front_end.put(id, &drawing(3));
    }
    let cli = |arguments: &[&str]| cluster.broker.cli(arguments);
    cli(&["SET", "cd:{0}:job:type", "what"]);
    cli(&["HSET", "cd:{0}:job:json", "job", "{broken"]);
    cli(&["SET", "cd:{0}:ev:stream", "what"]);
    cli(&["DEL", "cd:{0}:job:gone"]);
    cli(&["ZADD", "cd:{0}:recent", "0", "nonsense"]);
    cli(&["XADD", "cd:{0}:q:normal", "*", "id", "nobody"]);
    cli(&["SET", "cd:{0}:wake", "what"]);
    cli(&["SET", "cd:{0}:model", "what"]);
    let worker = cluster.worker(&[]);
    assert_eq!(front_end.finished("fine")["status"], "succeeded");
    wait_until("the queue is empty", || {
        cli(&["XLEN", "cd:{0}:q:normal"]) == "0"
    });
    // With 503, a client would ask again until the record expires.
    for id in ["type", "json", "stream"] {
        let (status, state) = front_end.get(&format!("/predictions/{id}"));
        assert!(
            status == 404 || state["status"] == "failed",
            "{id} {status} {state}"
        );
    }
    assert_eq!(front_end.get("/predictions/gone").0, 404);
    assert_eq!(front_end.get("/predictions").0, 200);
    // While it is drawn.
    front_end.put("late", &drawing(300));
    wait_until("it is drawn", || front_end.files("late") > 3);
    cli(&["DEL", "cd:{0}:ev:late"]);
    cli(&["SET", "cd:{0}:ev:late", "what"]);
    wait_until("it has failed", || {
        cli(&["HGET", "cd:{0}:job:late", "status"]) == "failed"
    });
    front_end.put("after", &drawing(3));
    assert_eq!(front_end.finished("after")["status"], "succeeded");
    assert_eq!(worker.get("/ready").0, 200);
    worker.signal(Signal::SIGTERM);
}
