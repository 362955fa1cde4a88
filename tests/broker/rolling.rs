//! Front ends and workers are restarted one after another while predictions come in through nginx.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use reqwest::blocking::{Client, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::cluster::{Cluster, Node, TIMEOUT, drawing, has_redis, wait_until};
use crate::event_log::EventLog;
use crate::proxy::{Nginx, free_port};
use crate::receiver::Receiver;

/// Predictions in all.
const PREDICTIONS: usize = 200;

/// Clients at the same time.
const CLIENTS: usize = 6;

/// How a client follows a prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// It gets a 202 and, at the end, a webhook.
    Webhook,
    /// It waits on the connection.
    Waiting,
    /// It follows the events, and resumes the stream elsewhere.
    Events,
}

impl Way {
    fn of(number: usize) -> Self {
        [Self::Webhook, Self::Waiting, Self::Events][number % 3]
    }
}

/// What the clients share.
struct Clients {
    client: Client,
    url: String,
    receiver: Receiver,
    started: AtomicUsize,
}

impl Clients {
    fn request(&self, method: &str, id: &str) -> RequestBuilder {
        let url = format!("{}/predictions/{id}", self.url);
        self.client.request(method.parse().unwrap(), url)
    }

    /// Repeats a request until an answer is as wanted: nginx and a front end that ends may answer with an error.
    fn repeat(wanted: &[u16], request: impl Fn() -> RequestBuilder) -> Response {
        let began = Instant::now();
        loop {
            let answer = request().send();
            if let Ok(answer) = answer {
                if wanted.contains(&answer.status().as_u16()) {
                    return answer;
                }
                let status = answer.status();
                assert!([502, 503, 504].contains(&status.as_u16()), "{status}");
            }
            assert!(began.elapsed() < TIMEOUT);
            sleep(Duration::from_millis(50));
        }
    }

    /// Makes predictions until all are made.
    fn run(&self) {
        loop {
            let number = self.started.fetch_add(1, Ordering::SeqCst);
            if number >= PREDICTIONS {
                return;
            }
            self.make(number);
        }
    }

    fn make(&self, number: usize) {
        let id = format!("p{number}");
        let mut body = drawing(3);
        match Way::of(number) {
            Way::Webhook => {
                body["webhook"] = json!(self.receiver.url);
                self.submit(&id, &body);
            }
            Way::Waiting => {
                let answer = Self::repeat(&[200, 201], || self.request("PUT", &id).json(&body));
                let state: Value = answer.json().unwrap_or_default();
                assert!(state["status"] != "failed", "{state}");
            }
            Way::Events => {
                self.submit(&id, &body);
                let mut log = EventLog::default();
                while log.0.values().all(|(name, _)| name != "completed") {
                    let last = log.last().to_string();
                    let stream = Self::repeat(&[200], || {
                        let request = self.request("GET", &id);
                        let request = request.header("accept", "text/event-stream");
                        request.header("last-event-id", &last)
                    });
                    log.read(stream, usize::MAX);
                }
                log.assert_complete();
                assert_eq!(log.files().len(), 4);
            }
        }
    }

    fn submit(&self, id: &str, body: &Value) {
        Self::repeat(&[202], || {
            let request = self.request("PUT", id);
            request.header("prefer", "respond-async").json(body)
        });
    }

    /// Whether every prediction has been drawn.
    fn assert_all_succeeded(&self) {
        for number in 0..PREDICTIONS {
            let id = format!("p{number}");
            let began = Instant::now();
            loop {
                let answer = Self::repeat(&[200], || self.request("GET", &id));
                let state: Value = answer.json().unwrap();
                if state["status"] == "succeeded" {
                    assert_eq!(state["output"].as_array().unwrap().len(), 4, "{id}");
                    break;
                }
                assert!(began.elapsed() < TIMEOUT, "{state}");
                assert!(
                    !["failed", "canceled"].contains(&state["status"].as_str().unwrap()),
                    "{state}"
                );
                sleep(Duration::from_millis(50));
            }
        }
    }

    /// Whether every receiver has got the end, once and last, apart from repetitions of the same message.
    fn assert_all_delivered(&self) {
        let wanted = (0..PREDICTIONS).filter(|number| Way::of(*number) == Way::Webhook);
        let wanted: Vec<String> = wanted.map(|number| format!("p{number}")).collect();
        let kinds = || {
            let mut kinds = BTreeMap::<String, Vec<String>>::new();
            for message in self.receiver.messages() {
                let id = message.state["id"].as_str().unwrap().to_owned();
                let status = message.state["status"].as_str().unwrap().to_owned();
                kinds.entry(id).or_default().push(status);
            }
            kinds
        };
        wait_until("all ends are delivered", || {
            let kinds = kinds();
            let has_end = |id: &String| kinds.get(id)?.iter().position(|kind| kind == "succeeded");
            wanted.iter().all(|id| has_end(id).is_some())
        });
        for (id, kinds) in kinds() {
            let first = kinds.iter().position(|kind| kind == "succeeded").unwrap();
            assert!(
                kinds[first..].iter().all(|kind| kind == "succeeded"),
                "{id} {kinds:?}"
            );
        }
    }
}

/// Ends a process with SIGTERM.
fn end(mut node: Node) {
    node.signal(Signal::SIGTERM);
    assert_eq!(node.ended(), Some(0));
}

#[test]
fn nothing_is_lost_when_all_processes_are_restarted_in_turn_behind_nginx() {
    if !has_redis() || !Nginx::is_installed() {
        return;
    }
    let cluster = Cluster::new();
    let ports = [free_port(), free_port()];
    let front_end = |port: u16| {
        let mut command = cluster.command("serve");
        command.args([
            "--slots",
            "0",
            "--shutdown-grace",
            "5",
            "--webhook-interval",
            "0.05",
        ]);
        let node = cluster.start_at(command, port);
        node.wait_until_ready();
        node
    };
    let mut front_ends = ports.map(|port| Some(front_end(port)));
    let mut workers = [0; 2].map(|_| Some(cluster.worker(&[])));
    let nginx = Nginx::start(&ports.map(|port| format!("127.0.0.1:{port}")), "/");
    let client = Client::builder().no_proxy().timeout(TIMEOUT);
    let clients = Clients {
        client: client.build().unwrap(),
        url: format!("http://{}", nginx.address),
        receiver: Receiver::start(),
        started: AtomicUsize::new(0),
    };
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| clients.run());
        }
        let mut restarts = 0;
        while clients.started.load(Ordering::SeqCst) < PREDICTIONS || restarts < 4 {
            let index = restarts / 2 % 2;
            if restarts % 2 == 0 {
                end(front_ends[index].take().unwrap());
                front_ends[index] = Some(front_end(ports[index]));
            } else {
                end(workers[index].take().unwrap());
                workers[index] = Some(cluster.worker(&[]));
            }
            restarts += 1;
            sleep(Duration::from_millis(300));
        }
    });
    clients.assert_all_succeeded();
    clients.assert_all_delivered();
    wait_until("nothing is left to be drawn or sent", || {
        ["q:normal", "hooks"]
            .iter()
            .all(|name| cluster.broker.cli(&["XLEN", &format!("cd:{{0}}:{name}")]) == "0")
    });
}
