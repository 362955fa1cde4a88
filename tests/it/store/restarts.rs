//! The program is stopped and started again, or started twice.

use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::client::{Events, drawing, finished, get, put, url, wait_until, with_store};
use crate::serve::{ENDLESS, Server, command};

/// Waits until a prediction has at least so many files.
fn wait_for_files(server: &Server, id: &str, count: usize) {
    wait_until("a prediction has files", || {
        let (_, state) = get(server, &format!("/predictions/{id}"));
        let files = state["output"].as_array().map_or(0, Vec::len);
        files >= count
    });
}

fn kill(mut server: Server) {
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

#[test]
fn what_is_not_finished_at_a_shutdown_is_kept_if_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("state/store");
    let options = ["--keep-on-shutdown", "--shutdown-grace", "0.1"];
    let mut server = Server::run(with_store(&store, &options));
    server.wait_until_ready();
    put(&server, "long", &drawing(ENDLESS)).unwrap();
    put(&server, "waiting", &drawing(4)).unwrap();
    wait_for_files(&server, "long", 2);
    let (client, stream) = (server.client.clone(), url(&server, "/predictions/long"));
    let following = thread::spawn(move || {
        let mut events = Events::default();
        events.follow(&client, &stream);
        events
    });
    let wait = server.client.post(url(&server, "/predictions"));
    let waiting = thread::spawn(move || wait.json(&drawing(4)).send().unwrap());
    wait_until("three predictions are accepted", || {
        get(&server, "/ready").1["waiting"] == 2
    });
    server.signal(Signal::SIGTERM);
    // Nobody would find the result of the last one.
    let answer: serde_json::Value = waiting.join().unwrap().json().unwrap();
    assert_eq!(answer["status"], "canceled");
    let mut events = following.join().unwrap();
    assert!(!events.are_complete());
    assert_eq!(server.status(), 0);

    let mut server = Server::run(with_store(&store, &options));
    let (_, state) = get(&server, "/predictions/long");
    assert_eq!(state["status"], "processing");
    let seen = events.files();
    assert_eq!(state["output"].as_array().unwrap()[..seen.len()], seen);
    server.wait_until_ready();
    wait_for_files(&server, "long", seen.len() + 2);
    let cancel = server.client.post(url(&server, "/predictions/long/cancel"));
    assert_eq!(cancel.send().unwrap().status(), 200);
    events.follow(&server.client, &url(&server, "/predictions/long"));
    assert!(events.are_complete());
    assert_eq!(finished(&server, "waiting")["status"], "succeeded");
    let (_, list) = get(&server, "/predictions?status=canceled&limit=1");
    assert_eq!(list["results"].as_array().unwrap().len(), 1);
    let (_, rest) = get(&server, list["next"].as_str().unwrap());
    assert_eq!(rest["results"][0]["id"], "long");
    assert_eq!(rest.get("next"), None);
}

#[test]
fn several_drawings_with_animations_have_the_same_files_after_the_program_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut body = drawing(20);
    body["input"]["num_outputs"] = 3.into();
    body["input"]["animation"] = "svg".into();
    let mut server = Server::run(with_store(&store, &[]));
    server.wait_until_ready();
    put(&server, "killed", &body).unwrap();
    wait_for_files(&server, "killed", 4);
    kill(server);
    let mut server = Server::run(with_store(&store, &[]));
    server.wait_until_ready();
    put(&server, "reference", &body).unwrap();
    // Streams, because a line in the log about each of many requests would fill the pipe that nobody reads.
    let [killed_events, _] = ["killed", "reference"].map(|id| {
        let mut events = Events::default();
        events.follow(&server.client, &url(&server, &format!("/predictions/{id}")));
        events
    });
    let reference = finished(&server, "reference");
    let killed = finished(&server, "killed");
    assert_eq!(killed["status"], "succeeded");
    assert_eq!(killed["output"], reference["output"]);
    assert_eq!(reference["output"].as_array().unwrap().len(), 11 * 3 + 3);
    assert_eq!(serde_json::json!(killed_events.files()), killed["output"]);
}

#[test]
fn a_prediction_that_ends_the_program_three_times_fails() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut server = Server::run(with_store(&store, &[]));
    server.wait_until_ready();
    put(&server, "bad", &drawing(ENDLESS)).unwrap();
    let request = server.client.put(url(&server, "/predictions/awaited"));
    let connection = thread::spawn(move || request.json(&drawing(4)).send().is_err());
    wait_until("both are accepted", || {
        get(&server, "/ready").1["waiting"] == 1
    });
    wait_for_files(&server, "bad", 1);
    kill(server);
    assert!(connection.join().unwrap());
    for attempt in 2..4 {
        let mut server = Server::run(with_store(&store, &[]));
        assert_eq!(finished(&server, "awaited")["status"], "canceled");
        server.wait_until_ready();
        let (_, state) = get(&server, "/predictions/bad");
        let files = state["output"].as_array().unwrap().len();
        wait_for_files(&server, "bad", files + 1);
        assert_ne!(
            get(&server, "/predictions/bad").1["status"],
            "failed",
            "{attempt}"
        );
        kill(server);
    }
    let server = Server::run(with_store(&store, &[]));
    let end = finished(&server, "bad");
    assert_eq!(end["status"], "failed");
    let message = end["error"].as_str().unwrap();
    assert!(message.contains("has ended 3 times"), "{message}");
}

#[test]
fn a_prediction_that_ends_the_program_takes_none_of_those_beside_it_along() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let start = || Server::run(with_store(&store, &["--slots", "3"]));
    let has_files = |server: &Server, id: &str| {
        let (_, state) = get(server, &format!("/predictions/{id}"));
        state["output"].as_array().map_or(0, Vec::len)
    };
    let mut server = start();
    server.wait_until_ready();
    // They are drawn together, and the program is killed whenever there is a new frame of the second one.
    put(&server, "before", &drawing(300)).unwrap();
    put(&server, "bad", &drawing(ENDLESS)).unwrap();
    put(&server, "after", &drawing(300)).unwrap();
    for id in ["before", "bad", "after"] {
        wait_for_files(&server, id, 1);
    }
    let mut kills = 0;
    loop {
        kill(server);
        kills += 1;
        server = start();
        server.wait_until_ready();
        let known = has_files(&server, "bad");
        wait_until("the bad one is drawn or has ended", || {
            let (_, state) = get(&server, "/predictions/bad");
            has_files(&server, "bad") > known || state["completed_at"].is_string()
        });
        if get(&server, "/predictions/bad").1["status"] == "failed" {
            break;
        }
    }
    assert_eq!(kills, 3);
    for id in ["before", "after"] {
        assert_eq!(finished(&server, id)["status"], "succeeded", "{id}");
    }
}

#[test]
fn a_request_to_cancel_outlives_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut server = Server::run(with_store(&store, &[]));
    server.wait_until_ready();
    put(&server, "first", &drawing(ENDLESS)).unwrap();
    put(&server, "second", &drawing(ENDLESS)).unwrap();
    wait_for_files(&server, "first", 1);
    let cancel = server
        .client
        .post(url(&server, "/predictions/first/cancel"));
    assert_eq!(cancel.send().unwrap().status(), 200);
    kill(server);
    let server = Server::run(with_store(&store, &[]));
    assert_eq!(finished(&server, "first")["status"], "canceled");
    let (_, second) = get(&server, "/predictions/second");
    assert_eq!(second.get("completed_at"), None);
}

#[test]
fn a_named_file_is_for_one_server() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let _server = Server::run(with_store(&store, &[]));
    let second = with_store(&store, &["--port", "0"]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let error = String::from_utf8(second.stderr).unwrap();
    assert!(error.contains("another server uses the store"), "{error}");
    let unusable = with_store(&folder.path().join("store/below"), &["--port", "0"]);
    assert_eq!({ unusable }.output().unwrap().status.code(), Some(1));
}

#[test]
fn the_default_file_is_for_the_first_server_and_others_keep_everything_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let with_default = || {
        let mut command: Command = command(&[]);
        command.env_remove("CLIPDRAW_STORE");
        command.env("XDG_STATE_HOME", folder.path());
        command
    };
    let mut first = Server::run(with_default());
    first.wait_until_ready();
    let mut second = with_default();
    second.args(["--port", "0", "--host", "127.0.0.1"]);
    let mut second = second.spawn().unwrap();
    thread::sleep(Duration::from_secs(3));
    second.kill().unwrap();
    let output = second.wait_with_output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("memory")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("another server uses the store"), "{log}");
    assert!(folder.path().join("clipdraw/predictions.sqlite3").exists());
}
