//! Whose turn it is: priorities, callers, and the limit.

use serde_json::json;

use crate::cluster::{Cluster, drawing, has_redis, wait_until};

#[test]
fn higher_priorities_are_first_and_callers_take_turns() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&[]);
    let submit = |id: &str, token: &str, priority: Option<&str>| {
        let mut body = drawing(2);
        if let Some(priority) = priority {
            body["priority"] = json!(priority);
        }
        let request = front_end
            .request("PUT", &format!("/predictions/{id}"))
            .header("prefer", "respond-async")
            .header("authorization", format!("Bearer {token}"));
        assert_eq!(request.json(&body).send().unwrap().status(), 202);
    };
    submit("low", "x", Some("low"));
    for number in 0..6 {
        submit(&format!("many{number}"), "busy", None);
    }
    submit("few0", "quiet", None);
    submit("few1", "quiet", Some("normal"));
    submit("urgent", "x", Some("high"));
    let refused = front_end
        .request("PUT", "/predictions/odd")
        .json(&json!({"priority": "odd", "input": {}}));
    assert_eq!(refused.send().unwrap().status(), 422);
    let _worker = cluster.worker(&[]);
    let all = [
        "low", "many0", "many1", "many2", "many3", "many4", "many5", "few0", "few1", "urgent",
    ];
    let mut states: Vec<_> = all.iter().map(|id| front_end.finished(id)).collect();
    states.sort_by_key(|state| state["started_at"].as_str().unwrap().to_owned());
    let order: Vec<_> = states
        .iter()
        .map(|state| state["id"].as_str().unwrap())
        .collect();
    assert_eq!(
        order,
        [
            "urgent", "many0", "few0", "many1", "few1", "many2", "many3", "many4", "many5", "low"
        ]
    );
}

#[test]
fn a_full_queue_refuses_more() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&["--broker-queue", "2"]);
    assert_eq!(front_end.put("a", &drawing(2)).0, 202);
    assert_eq!(front_end.put("b", &drawing(2)).0, 202);
    let (status, answer) = front_end.put("c", &drawing(2));
    assert_eq!(status, 409, "{answer}");
    wait_until("it says so", || {
        front_end.get("/ready").1["status"] == "BUSY"
    });
    let other = cluster.front_end(&["--broker-queue", "2", "--full-status", "429"]);
    assert_eq!(other.put("c", &drawing(2)).0, 429);
    assert_eq!(front_end.cancel("a"), 200);
    assert_eq!(front_end.put("c", &drawing(2)).0, 202);
}

#[test]
fn the_state_of_the_queue_is_measured() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&[]);
    front_end.put("a", &drawing(2));
    wait_until("it waits", || {
        front_end.metric("clipdraw_broker_predictions_waiting") == 1.0
    });
    assert!(front_end.metric("clipdraw_broker_oldest_prediction_seconds") > 0.0);
    let worker = cluster.worker(&[]);
    wait_until("it is drawn", || {
        front_end.metric("clipdraw_broker_predictions_waiting") == 0.0
    });
    assert_eq!(front_end.finished("a")["status"], "succeeded");
    assert!(worker.metric("clipdraw_broker_request_duration_seconds_count") > 0.0);
}
