//! Webhooks of predictions that any machine draws.

use serde_json::json;

use crate::cluster::{Cluster, drawing, has_redis, wait_until};
use crate::receiver::Receiver;

/// The kinds of the messages about a prediction, in order.
fn kinds(receiver: &Receiver, id: &str) -> Vec<String> {
    let about = receiver
        .messages()
        .into_iter()
        .filter(|message| message.state["id"] == id);
    about
        .map(|message| {
            let mut parts = message.name.rsplit('.');
            let last = parts.next().unwrap().to_owned();
            if last.parse::<u64>().is_ok() {
                parts.next().unwrap().to_owned()
            } else {
                last
            }
        })
        .collect()
}

#[test]
fn the_messages_of_a_prediction_come_in_order_and_completed_last_also_when_their_sender_is_killed()
{
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let options = ["--webhook-interval", "0.05"];
    let mut front_ends = vec![cluster.front_end(&options)];
    let _worker = cluster.worker(&[]);
    let receiver = Receiver::start();
    for id in ["a", "b", "c"] {
        let mut body = drawing(80);
        body["webhook"] = json!(receiver.url);
        front_ends[0].put(id, &body);
    }
    wait_until("the first messages are there", || {
        receiver.messages().len() > 3
    });
    front_ends.push(cluster.front_end(&options));
    front_ends[0].kill();
    wait_until("all are completed", || {
        ["a", "b", "c"]
            .iter()
            .all(|id| kinds(&receiver, id).iter().any(|kind| kind == "completed"))
    });
    wait_until("nothing is left to be sent", || {
        cluster.broker.cli(&["XLEN", "cd:{0}:hooks"]) == "0"
    });
    for id in ["a", "b", "c"] {
        let kinds = kinds(&receiver, id);
        let first_end = kinds.iter().position(|kind| kind == "completed").unwrap();
        assert!(
            kinds[first_end..].iter().all(|kind| kind == "completed"),
            "{kinds:?}"
        );
        let mut starts = kinds
            .iter()
            .enumerate()
            .filter(|(_, kind)| *kind == "start");
        assert!(starts.all(|(index, _)| index <= 1), "{kinds:?}");
        let messages = receiver.messages();
        let last = messages
            .iter()
            .rfind(|message| message.state["id"] == id)
            .unwrap();
        assert_eq!(last.state["status"], "succeeded");
        assert_eq!(last.state["output"].as_array().unwrap().len(), 81);
    }
}
