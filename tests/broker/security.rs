//! Passwords, tokens, users with few rights, and TLS.

use std::net::TcpListener;
use std::path::Path;

use crate::cluster::{Cluster, Node, drawing, has_redis, wait_until};

const PASSWORD: [&str; 2] = ["--requirepass", "open sesame"];

fn draws(front_end: &Node) {
    front_end.put("a", &drawing(3));
    assert_eq!(front_end.finished("a")["status"], "succeeded");
}

#[test]
fn a_password_is_part_of_the_url_or_printed_by_a_command() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::with(&PASSWORD);
    let port = cluster.broker.port;
    let url = format!("redis://:open%20sesame@127.0.0.1:{port}");
    let front_end = cluster.front_end(&["--broker", &url]);
    let command = "echo 'open sesame'";
    let _worker = cluster.worker(&["--broker-token-command", command]);
    draws(&front_end);
    assert!(!front_end.log().contains("sesame"));
}

#[test]
fn a_user_needs_only_the_keys_and_channels_of_the_prefix() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let rights = ["~my{1}:*", "&my{1}:*", "+@all", "-@dangerous", "+info"];
    let mut user = vec!["ACL", "SETUSER", "drawer", "on", ">pw", "resetchannels"];
    user.extend(rights);
    assert_eq!(cluster.broker.cli(&user), "OK");
    let url = format!("redis://drawer:pw@127.0.0.1:{}", cluster.broker.port);
    let options = ["--broker", &url, "--broker-prefix", "my{1}:"];
    let front_end = cluster.front_end(&options);
    let _worker = cluster.worker(&options);
    draws(&front_end);
    assert_eq!(cluster.broker.cli(&["KEYS", "cd:*"]), "");
}

#[test]
fn a_process_whose_user_lacks_a_right_names_it_and_fails_no_prediction() {
    if !has_redis() {
        return;
    }
    let cluster = Cluster::new();
    let user = |rights: &[&str]| {
        let reset = ["ACL", "SETUSER", "drawer", "reset", "on", ">pw"];
        let all = ["~cd:{0}:*", "&cd:{0}:*", "+@all", "-@dangerous", "+info"];
        let command = [&reset[..], &all[..], rights].concat();
        assert_eq!(cluster.broker.cli(&command), "OK");
    };
    user(&[]);
    let url = format!("redis://drawer:pw@127.0.0.1:{}", cluster.broker.port);
    let options = ["--broker", &url];
    let front_end = cluster.front_end(&options);
    let worker = cluster.worker(&options);
    let lacks: [(&[&str], &str); 4] = [
        (&["-@scripting"], "evalsha"),
        (&["-@stream"], "script"),
        (&["-publish"], "script"),
        (&["-blpop"], "blpop"),
    ];
    for (round, (rights, named)) in lacks.iter().enumerate() {
        let id = format!("p{round}");
        front_end.put(&id, &drawing(60));
        wait_until("it is drawn", || front_end.files(&id) > 1);
        user(rights);
        wait_until("the right is named", || {
            worker.log().to_lowercase().contains(&named.to_lowercase())
        });
        let is_needed = *named != "blpop";
        wait_until("it is not ready", || {
            !is_needed
                || [&front_end, &worker]
                    .iter()
                    .all(|node| node.get("/ready").0 == 503)
        });
        user(&[]);
        assert_eq!(front_end.finished(&id)["status"], "succeeded", "{rights:?}");
        front_end.wait_until_ready();
        worker.wait_until_ready();
    }
}

#[test]
fn a_broker_with_tls_is_trusted_with_its_certificate() {
    if !has_redis() {
        return;
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/tls");
    let file = |name: &str| fixtures.join(name).display().to_string();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    let (certificate, key) = (file("leaf.pem"), file("leaf.key"));
    let cluster = Cluster::with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ]);
    let url = format!("rediss://localhost:{port}");
    let authority = file("leaf.pem");
    let options = ["--broker", &url, "--broker-ca", &authority];
    let front_end = cluster.front_end(&options);
    let _worker = cluster.worker(&options);
    draws(&front_end);
}
