//! Workers that are killed, stopped, or told to end.

use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::cluster::{Cluster, LEASE, drawing, has_redis, wait_until};
use crate::event_log::EventLog;

#[test]
fn a_prediction_goes_on_when_its_worker_is_killed_and_its_events_are_complete() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&["--history", "100000"]);
    let mut first = cluster.worker(&[]);
    front_end.put("undisturbed", &drawing(60));
    let mut expected = EventLog::default();
    expected.read(front_end.events("undisturbed", None), usize::MAX);
    front_end.put("a", &drawing(60));
    let mut log = EventLog::default();
    log.read(front_end.events("a", None), 60);
    first.kill();
    let _second = cluster.worker(&[]);
    log.read(front_end.events("a", Some(log.last())), usize::MAX);
    log.assert_complete();
    assert_eq!(log.files(), expected.files());
}

#[test]
fn a_worker_that_was_stopped_beyond_its_lease_publishes_nothing_more() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&["--history", "100000"]);
    let stopped = cluster.worker(&[]);
    front_end.put("a", &drawing(150));
    wait_until("it is drawn", || front_end.files("a") > 3);
    stopped.signal(Signal::SIGSTOP);
    let _other = cluster.worker(&[]);
    let taken_over = || cluster.broker.cli(&["HGET", "cd:{0}:job:a", "fence"]) == "2";
    wait_until("the other one has it", taken_over);
    stopped.signal(Signal::SIGCONT);
    let mut log = EventLog::default();
    log.read(front_end.events("a", None), usize::MAX);
    log.assert_complete();
    assert_eq!(log.files().len(), 151);
    wait_until("it knows", || {
        stopped.metric("clipdraw_leases_lost_total") == 1.0
    });
    // It goes on with other predictions.
    front_end.put("b", &drawing(3));
    front_end.put("c", &drawing(3));
    assert_eq!(front_end.finished("b")["status"], "succeeded");
    assert_eq!(front_end.finished("c")["status"], "succeeded");
}

#[test]
fn a_worker_that_is_to_end_gives_its_prediction_back_at_once() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&["--history", "100000"]);
    let mut leaving = cluster.worker(&[]);
    front_end.put("a", &drawing(100));
    wait_until("it is drawn", || front_end.files("a") > 3);
    let staying = cluster.worker(&[]);
    let began = Instant::now();
    leaving.signal(Signal::SIGTERM);
    wait_until("the other one has it", || {
        cluster
            .broker
            .cli(&["HGET", "cd:{0}:job:a", "worker"])
            .len()
            > 1
            && staying.metric("clipdraw_predictions_running") == 1.0
    });
    assert!(began.elapsed() < Duration::from_secs_f64(LEASE));
    assert_eq!(leaving.ended(), Some(0));
    let mut log = EventLog::default();
    log.read(front_end.events("a", None), usize::MAX);
    log.assert_complete();
    assert_eq!(
        cluster.broker.cli(&["HGET", "cd:{0}:job:a", "attempts"]),
        "1"
    );
    assert_eq!(staying.metric("clipdraw_predictions_redrawn_total"), 0.0);
}

#[test]
fn a_prediction_that_loses_its_worker_three_times_fails_and_can_be_retried() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&["--history", "100000"]);
    front_end.put("a", &drawing(400));
    for attempt in 1..=3 {
        let mut worker = cluster.worker(&[]);
        let attempts = attempt.to_string();
        wait_until("it is begun", || {
            cluster.broker.cli(&["HGET", "cd:{0}:job:a", "attempts"]) == attempts
        });
        worker.kill();
    }
    let _worker = cluster.worker(&[]);
    let state = front_end.finished("a");
    assert_eq!(state["status"], "failed");
    assert!(
        state["error"].as_str().unwrap().contains("3 workers"),
        "{state}"
    );
    let queue = |arguments: &[&str]| {
        let mut command = cluster.command("queue");
        let output = command.args(arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (status, list) = queue(&["list"]);
    assert!(status == Some(0) && list.starts_with("a\t"), "{list}");
    let (_, shown) = queue(&["show", "a"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(shown["job"]["input"]["num_iterations"], 400);
    assert_eq!(queue(&["drop", "unknown"]).0, Some(1));
    assert_eq!(queue(&["retry", "a"]).0, Some(0));
    assert_eq!(queue(&["list"]), (Some(0), String::new()));
    sleep(Duration::from_millis(100));
    assert_eq!(front_end.finished("a")["status"], "succeeded");
}
