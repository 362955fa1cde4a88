//! Any front end answers everything about every prediction.

use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cluster::{Cluster, drawing, has_redis, wait_until};
use crate::event_log::EventLog;

#[test]
fn a_prediction_is_accepted_by_one_front_end_drawn_elsewhere_and_shown_by_another() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_ends = [cluster.front_end(&[]), cluster.front_end(&[])];
    let _workers = [cluster.worker(&[]), cluster.worker(&[])];
    let ids: Vec<String> = (0..6).map(|number| format!("p{number}")).collect();
    for (index, id) in ids.iter().enumerate() {
        let (status, state) = front_ends[index % 2].put(id, &drawing(20));
        assert_eq!((status, state["status"].as_str()), (202, Some("starting")));
    }
    let mut outputs = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let state = front_ends[(index + 1) % 2].finished(id);
        assert_eq!(state["status"], "succeeded", "{state}");
        assert_eq!(state["output"].as_array().unwrap().len(), 21);
        outputs.push(state["output"].clone());
    }
    // The same seed is the same drawing on every worker.
    assert!(outputs.iter().all(|output| *output == outputs[0]));
    // All of them are in the list, page by page, whichever front end is asked.
    let (_, page) = front_ends[0].get("/predictions?limit=4&status=succeeded");
    let first = page["results"].as_array().unwrap().clone();
    let next = page["next"].as_str().unwrap();
    let next = &next[next.find("/predictions").unwrap()..];
    let (_, page) = front_ends[1].get(next);
    let second = page["results"].as_array().unwrap().clone();
    let mut listed: Vec<_> = first
        .iter()
        .chain(&second)
        .map(|state| state["id"].as_str().unwrap().to_owned())
        .collect();
    listed.reverse();
    assert_eq!(listed, ids);
    assert_eq!(page["next"], Value::Null);
    assert_eq!(cluster.broker.cli(&["XLEN", "cd:{0}:q:normal"]), "0");
}

#[test]
fn a_request_that_waits_gets_the_drawing_of_a_worker_and_a_disconnection_cancels_it() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&[]);
    let other = cluster.front_end(&[]);
    let _worker = cluster.worker(&[]);
    let response = front_end
        .request("POST", "/predictions")
        .json(&drawing(5))
        .send()
        .unwrap();
    assert_eq!(response.status(), 200);
    let state: Value = response.json().unwrap();
    assert_eq!(state["status"], "succeeded");
    assert_eq!(state["output"].as_array().unwrap().len(), 6);
    // Nobody waits any more.
    let mut body = drawing(5000);
    body["id"] = json!("long");
    let waiting = front_end
        .request("POST", "/predictions")
        .timeout(Duration::from_secs(2))
        .json(&body);
    waiting.send().unwrap_err();
    let state = other.finished("long");
    assert_eq!(state["status"], "canceled");
}

#[test]
fn an_event_stream_is_resumed_at_another_front_end() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let mut front_end = cluster.front_end(&["--history", "100000"]);
    let other = cluster.front_end(&["--history", "100000"]);
    let _worker = cluster.worker(&[]);
    front_end.put("a", &drawing(60));
    let mut log = EventLog::default();
    log.read(front_end.events("a", None), 40);
    front_end.kill();
    log.read(other.events("a", Some(log.last())), usize::MAX);
    log.assert_complete();
    assert_eq!(log.files().len(), 61);
    // Later, the other one has all of it as well.
    let mut again = EventLog::default();
    again.read(other.events("a", None), usize::MAX);
    assert_eq!(again.files(), log.files());
}

#[test]
fn an_event_stream_of_a_request_ends_with_its_client() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&[]);
    let _worker = cluster.worker(&[]);
    let mut body = drawing(5000);
    body["id"] = json!("stream");
    let mut response = front_end
        .request("POST", "/predictions")
        .header("accept", "text/event-stream")
        .json(&body)
        .send()
        .unwrap();
    let mut some = [0; 200];
    response.read_exact(&mut some).unwrap();
    drop(response);
    assert_eq!(front_end.finished("stream")["status"], "canceled");
}

#[test]
fn a_prediction_is_cancelled_at_another_front_end_while_it_waits_and_while_it_is_drawn() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_ends = [cluster.front_end(&[]), cluster.front_end(&[])];
    let (status, _) = front_ends[0].put("waiting", &drawing(5000));
    assert_eq!(status, 202);
    assert_eq!(front_ends[1].cancel("waiting"), 200);
    assert_eq!(front_ends[0].finished("waiting")["status"], "canceled");
    assert_eq!(front_ends[1].cancel("waiting"), 404);
    assert_eq!(front_ends[1].cancel("unknown"), 404);
    let _worker = cluster.worker(&[]);
    front_ends[0].put("drawn", &drawing(5000));
    wait_until("it is drawn", || front_ends[0].files("drawn") > 0);
    assert_eq!(front_ends[1].cancel("drawn"), 200);
    assert_eq!(front_ends[0].finished("drawn")["status"], "canceled");
    assert_eq!(cluster.broker.cli(&["XLEN", "cd:{0}:q:normal"]), "0");
}

#[test]
fn a_second_request_with_the_same_id_joins_at_another_front_end_or_is_refused() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_ends = [cluster.front_end(&[]), cluster.front_end(&[])];
    front_ends[0].put("same", &drawing(10));
    let (status, state) = front_ends[1].put("same", &drawing(10));
    assert_eq!((status, state["id"].as_str()), (202, Some("same")));
    let mut body = drawing(10);
    body["id"] = json!("same");
    let refused = front_ends[1]
        .request("POST", "/predictions")
        .json(&body)
        .send()
        .unwrap();
    assert_eq!(refused.status(), 409);
    assert_eq!(cluster.broker.cli(&["XLEN", "cd:{0}:q:normal"]), "1");
    let _worker = cluster.worker(&[]);
    assert_eq!(front_ends[1].finished("same")["status"], "succeeded");
    // After its end, the id is free.
    let (status, _) = front_ends[1].put("same", &drawing(3));
    assert_eq!(status, 202);
    let state = front_ends[0].finished("same");
    assert_eq!(state["output"].as_array().unwrap().len(), 4);
}

#[test]
fn a_server_with_slots_draws_for_itself_and_for_others() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let server = cluster.start(cluster.command("serve"));
    server.wait_until_ready();
    let front_end = cluster.front_end(&[]);
    let response = server
        .request("POST", "/predictions")
        .json(&drawing(4))
        .send()
        .unwrap();
    let state: Value = response.json().unwrap();
    assert_eq!(state["output"].as_array().unwrap().len(), 5);
    front_end.put("other", &drawing(4));
    let mut log = EventLog::default();
    log.read(server.events("other", None), usize::MAX);
    log.assert_complete();
}

#[test]
fn the_length_of_prompts_is_checked_as_the_model_of_the_workers_needs_it() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let front_end = cluster.front_end(&[]);
    let _worker = cluster.worker(&[]);
    let limit = || {
        front_end
            .request("POST", "/inputs")
            .json(&drawing(1))
            .send()
            .unwrap()
    };
    wait_until("the worker has said what it reads", || {
        let check: Value = limit().json().unwrap();
        check["token_limit"] == 77
    });
}

#[test]
fn a_file_that_a_client_sends_to_one_front_end_is_an_input_at_another_and_no_process_fetches_it() {
    const SVG: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 224 224"><path d="M10 10L200 200" stroke="#d22"/></svg>"##;
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let refuse = &["--refuse-private-addresses"];
    let front_ends = [cluster.front_end(refuse), cluster.front_end(refuse)];
    let _worker = cluster.worker(refuse);
    let form = format!(
        "--x\r\nContent-Disposition: form-data; name=\"content\"; filename=\"a.svg\"\r\n\
         Content-Type: image/svg+xml\r\n\r\n{SVG}\r\n--x--\r\n"
    );
    let sent = front_ends[0]
        .request("POST", "/v1/files")
        .header("content-type", "multipart/form-data; boundary=x")
        .body(form)
        .send()
        .unwrap();
    assert_eq!(sent.status(), 201);
    let file: Value = sent.json().unwrap();
    let mut body = drawing(3);
    body["input"]["init_svg"] = file["urls"]["get"].clone();
    front_ends[1].put("a", &body);
    let state = front_ends[0].finished("a");
    assert_eq!(state["status"], "succeeded", "{state}");
    let path = format!("/v1/files/{}", file["id"].as_str().unwrap());
    let (status, shown) = front_ends[1].get(&path);
    assert_eq!((status, &shown["checksums"]), (200, &file["checksums"]));
    let download = front_ends[1].request("GET", &format!("{path}/download"));
    assert_eq!(download.send().unwrap().text().unwrap(), SVG);
    let (_, page) = front_ends[1].get("/v1/files");
    assert_eq!(page["results"].as_array().unwrap().len(), 1);
    let delete = |node: usize| front_ends[node].request("DELETE", &path).send().unwrap();
    assert_eq!(delete(1).status(), 204);
    assert_eq!(delete(0).status(), 404);
    assert_eq!(front_ends[0].get(&path).0, 404);
    for key in ["files", "file_sizes"] {
        assert_eq!(
            cluster.broker.cli(&["EXISTS", &format!("cd:{{0}}:{key}")]),
            "0"
        );
    }
}
