//! A disk without room, or a limit on the size of files, and what happens when there is room again.

use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::client::{drawing, finished, get, put, quiet, wait_until, with_store};
use crate::serve::{Server, shielded};

/// A drawing whose files are too large for the disk together.
fn large(steps: u32) -> Value {
    json!({"input": {
        "prompt": "a house", "num_paths": 400, "num_iterations": steps, "seed": 7,
        "num_augmentations": 1, "display_frequency": 1
    }})
}

/// Accepts predictions until there is no room, makes room, and looks for them.
fn fill(mut server: Server, make_room: impl FnOnce(&Server), store: &Path) {
    server.wait_until_ready();
    let mut accepted = Vec::new();
    let refused = loop {
        let id = format!("p{}", accepted.len());
        let answer = put(&server, &id, &large(5)).unwrap();
        if answer.status() != 202 {
            break answer;
        }
        accepted.push(id);
        assert!(accepted.len() < 900, "the disk has too much room");
    };
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    wait_until("the server says that it is not ready", || {
        get(&server, "/ready").0 == 503
    });
    let (_, health) = get(&server, "/health-check");
    let reason = health["user_healthcheck_error"].as_str().unwrap();
    assert!(reason.contains("the store cannot write"), "{reason}");
    let refused = put(&server, "late", &drawing(2)).unwrap();
    assert_eq!(refused.status(), 503);
    let body: Value = refused.json().unwrap();
    let reason = body["error"].as_str().unwrap();
    assert!(reason.contains("its store cannot be written ("), "{reason}");
    // Nothing is lost, and what is known can be read.
    for id in &accepted {
        assert_eq!(get(&server, &format!("/predictions/{id}")).0, 200);
    }
    make_room(&server);
    wait_until("the server is ready again", || {
        get(&server, "/ready").0 == 200
    });
    for id in &accepted {
        assert_eq!(finished(&server, id)["status"], "succeeded", "{id}");
    }
    server.signal(Signal::SIGTERM);
    assert_eq!(server.status(), 0);
    let mut server = Server::run(with_store(store, &["--remember", "1000"]));
    server.wait_until_ready();
    let (_, list) = get(&server, "/predictions?limit=1000");
    assert_eq!(list["results"].as_array().unwrap().len(), accepted.len());
    assert_eq!(get(&server, "/predictions/late").0, 404);
}

#[test]
#[cfg(target_os = "linux")]
fn a_limit_on_the_size_of_files_stops_nothing_for_good() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("store");
    let mut command = Command::new("sh");
    command.args([
        "-c",
        "ulimit -S -f 1000 && exec \"$0\" serve --queue 1000 --remember 1000 \"$@\"",
    ]);
    command.arg(env!("CARGO_BIN_EXE_clipdraw"));
    let mut command = shielded(command);
    command.env("CLIPDRAW_STORE", &store);
    quiet(&mut command);
    let make_room = |server: &Server| {
        let raised = Command::new("prlimit")
            .args(["--fsize=unlimited", "--pid", &server.child.id().to_string()])
            .status();
        assert!(raised.unwrap().success());
    };
    fill(Server::run(command), make_room, &store);
}

/// A file system of three megabytes, if this user may mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"])
            .arg(folder.path())
            .output();
        mounted.ok()?.status.success().then_some(Self(folder))
    }

    fn enlarge(&self) {
        let enlarged = Command::new("mount")
            .args(["-o", "remount,size=200m"])
            .arg(self.0.path())
            .status();
        assert!(enlarged.unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
#[cfg(target_os = "linux")]
#[expect(clippy::print_stdout, reason = "a test that does nothing says why")]
fn a_full_disk_stops_nothing_for_good() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: this user may not mount a file system");
        return;
    };
    let store = disk.0.path().join("store");
    let server = Server::run(with_store(&store, &["--remember", "1000"]));
    fill(server, |_| disk.enlarge(), &store);
}
