//! What `scripts/image-check` reads from the log of a build.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{root, succeeded};

const BUILDAH: &str = "\
[1/2] STEP 1/3: FROM docker.io/library/debian:trixie-slim AS tools
[1/2] STEP 2/3: ARG DEVICE
--> Using cache 5d1c1f6ce5f0a5b3f7d0a1ad9a6f3b2c4d5e6f708192a3b4c5d6e7f801234567
--> 5d1c1f6ce5f
[1/2] STEP 3/3: RUN apt-get install -y     tini
Setting up tini
--> 0a1b2c3d4e5
[2/2] STEP 1/2: FROM scratch
[2/2] STEP 2/2: COPY --from=tools /sbin/tini /sbin/tini
--> Using cache 9988776655443322110099887766554433221100998877665544332211009988
[2/2] COMMIT clipdraw:cpu
9988776655443322110099887766554433221100998877665544332211009988
";

const BUILDKIT: &str = "\
#1 [internal] load build definition from Dockerfile
#4 [tools 1/2] FROM docker.io/library/debian:trixie-slim@sha256:0a1b
#4 CACHED
#5 [stage-1 1/2] COPY --from=tools /sbin/tini /sbin/tini
#5 CACHED
#6 [tools 2/2] RUN apt-get install -y tini
#6 0.4 Setting up tini
#6 DONE 2.1s
";

/// The steps that the program finds in a log.
fn steps(log: &str) -> Value {
    let mut reader = Command::new("python3")
        .args(["-B", "-m", "image_check.build_log"])
        .current_dir(root().join("scripts"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = reader.stdin.take().unwrap();
    input.write_all(log.as_bytes()).unwrap();
    drop(input);
    let printed = succeeded(&reader.wait_with_output().unwrap());
    serde_json::from_str(&printed).unwrap()
}

#[test]
fn steps_of_buildah_are_read_with_whether_they_ran() {
    let expected = json!([
        {"stage": "1", "number": 2, "text": "ARG DEVICE", "cached": true},
        {"stage": "1", "number": 3, "text": "RUN apt-get install -y     tini", "cached": false},
        {"stage": "2", "number": 2, "text": "COPY --from=tools /sbin/tini /sbin/tini", "cached": true},
    ]);
    assert_eq!(steps(BUILDAH), expected);
}

/// A stage that copies from another one waits for it, and its result comes after those of the other.
const WAITING: &str = "\
[2/2] STEP 1/2: FROM scratch
[2/2] STEP 2/2: COPY --from=tools /sbin/tini /sbin/tini
[1/2] STEP 1/2: FROM docker.io/library/debian:trixie-slim AS tools
[1/2] STEP 2/2: RUN apt-get install -y tini
--> 0a1b2c3d4e5
--> Using cache 9988776655443322110099887766554433221100998877665544332211009988
--> 99887766554
";

#[test]
fn a_step_that_waits_for_another_stage_keeps_its_own_result() {
    let expected = json!([
        {"stage": "2", "number": 2, "text": "COPY --from=tools /sbin/tini /sbin/tini", "cached": true},
        {"stage": "1", "number": 2, "text": "RUN apt-get install -y tini", "cached": false},
    ]);
    assert_eq!(steps(WAITING), expected);
}

#[test]
fn steps_of_docker_are_read_with_whether_they_ran() {
    let expected = json!([
        {"stage": "stage-1", "number": 1, "text": "COPY --from=tools /sbin/tini /sbin/tini", "cached": true},
        {"stage": "tools", "number": 2, "text": "RUN apt-get install -y tini", "cached": false},
    ]);
    assert_eq!(steps(BUILDKIT), expected);
}
