//! `scripts/gcp-t4` and the startup of the instance, with a fake cloud that records its requests.

use std::process::Output;

use super::{Stage, refused, root, source, succeeded, text};

const GOLDEN: &str = "tests/it/golden/gcp-t4.txt";
const IMAGE: &str = "us-central1-docker.pkg.dev/p/r/clipdraw:cuda";

/// A cloud whose server is ready at the second question.
fn cloud() -> Stage {
    let stage = Stage::new();
    let asked = stage.path("asked");
    let startup = stage.path("startup");
    let script = format!(
        "all=\"$*\"\ncase \"$all\" in\n\
         *startup-script=*) cp \"${{all##*startup-script=}}\" '{startup}' ;;\n\
         *ssh*) [ -e '{asked}' ] || {{ touch '{asked}'; exit 1; }} ;;\n\
         *natIP*) echo 192.0.2.9 ;;\nesac",
        startup = startup.display(),
        asked = asked.display()
    );
    stage
        .program("gcloud", &script)
        .program("sleep", "")
        .program("docker", "");
    stage
}

fn run(stage: &Stage, arguments: &str) -> Output {
    let mut command = stage.command(root().join("scripts/gcp-t4"));
    command.args(arguments.split_whitespace()).output().unwrap()
}

fn lines(stage: &Stage) -> Vec<String> {
    stage.calls().iter().map(|call| call.join(" ")).collect()
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the switch that accepts golden files is for tests alone"
)]
fn the_printed_commands_are_the_golden_ones_and_none_is_run() {
    let stage = cloud();
    let arguments =
        format!("--dry-run --project p --image {IMAGE} --open-to 203.0.113.0/24 -- --slots 2");
    let printed = succeeded(&run(&stage, &arguments));
    assert!(stage.calls().is_empty(), "a dry run calls gcloud");
    if std::env::var_os("CLIPDRAW_UPDATE_GOLDEN").is_some() {
        std::fs::write(root().join(GOLDEN), printed).unwrap();
        return;
    }
    assert!(printed == source(GOLDEN), "expected:\n{printed}");
    let parsed = stage
        .command("bash")
        .args(["-n", "-c", &printed])
        .output()
        .unwrap();
    succeeded(&parsed);
}

#[test]
fn by_default_no_port_is_opened_and_the_tunnel_command_is_printed() {
    let stage = cloud();
    let output = run(&stage, &format!("--image {IMAGE}"));
    assert_eq!(
        succeeded(&output),
        "gcloud compute ssh clipdraw-t4 --zone=us-central1-a -- -N -L 5000:127.0.0.1:5000\nhttp://127.0.0.1:5000\n"
    );
    let calls = lines(&stage);
    assert!(calls.iter().all(|call| !call.contains("firewall")));
    assert!(calls[0].contains(" instances create clipdraw-t4 "));
    assert!(calls[0].contains("--accelerator=type=nvidia-tesla-t4,count=1"));
    assert!(calls[0].contains("--maintenance-policy=TERMINATE"));
    let questions = calls.iter().filter(|call| call.contains("/ready")).count();
    assert_eq!(questions, 2, "the server is asked until it is ready");
    let startup = std::fs::read_to_string(stage.path("startup")).unwrap();
    assert!(startup.starts_with(&format!(
        "#!/bin/bash\nIMAGE={IMAGE}\nADDRESS=127.0.0.1\nARGUMENTS=()\n"
    )));
}

#[test]
fn an_open_port_is_open_to_the_given_addresses_and_the_url_has_that_of_the_instance() {
    let stage = cloud();
    let output = run(&stage, &format!("--image {IMAGE} --open-to 203.0.113.7/32"));
    assert_eq!(succeeded(&output), "http://192.0.2.9:5000\n");
    let calls = lines(&stage);
    let rule = calls
        .iter()
        .find(|call| call.contains("firewall-rules create"))
        .unwrap();
    assert!(rule.contains("--source-ranges=203.0.113.7/32 --target-tags=clipdraw-t4"));
    assert!(!text(&output.stderr).contains("warning"));
    let output = run(&cloud(), &format!("--image {IMAGE} --open-to 0.0.0.0/0"));
    assert!(text(&output.stderr).contains("warning: everybody"));
}

#[test]
fn what_was_created_is_deleted() {
    let stage = cloud();
    succeeded(&run(&stage, "--delete --name a --project p"));
    let expected = [
        "gcloud --project=p compute instances delete a --zone=us-central1-a --quiet",
        "gcloud --project=p compute firewall-rules describe a-5000",
        "gcloud --project=p compute firewall-rules delete a-5000 --quiet",
    ];
    assert_eq!(lines(&stage), expected);
}

#[test]
fn a_wrong_argument_is_refused_before_the_cloud_is_called() {
    let cases = [
        ("", "--image is missing"),
        ("--image clipdraw", "REGISTRY/NAME:TAG"),
        ("--image a/b --zone mars", "us-central1-a: mars"),
        ("--image a/b --machine g2-standard-4", "n1 type"),
        ("--image a/b --name T4", "lower-case"),
        (
            "--image a/b --open-to everybody",
            "203.0.113.7/32: everybody",
        ),
        ("--image a/b --open-to 1.2.3.4", "203.0.113.7/32: 1.2.3.4"),
        ("--image", "--image needs a value"),
        ("--cheap", "unknown argument --cheap"),
    ];
    for (arguments, reason) in cases {
        let stage = cloud();
        let message = refused(&run(&stage, arguments));
        assert!(message.contains(reason), "{arguments}: {message}");
        assert!(stage.calls().is_empty(), "{arguments}");
    }
}

#[test]
fn without_gcloud_the_message_names_it() {
    let stage = Stage::new();
    stage.tools(&["bash", "dirname"]);
    let mut command = stage.command(root().join("scripts/gcp-t4"));
    let output = command
        .env("PATH", stage.path("bin"))
        .args(["--image", IMAGE])
        .output()
        .unwrap();
    assert!(refused(&output).contains("gcloud is not installed"));
}

/// Runs on a stage what the instance runs, with a driver of that version.
fn start(stage: &Stage, driver: &str) -> Output {
    start_with(stage, driver, "--slots 2 'a b'")
}

fn start_with(stage: &Stage, driver: &str, arguments: &str) -> Output {
    stage
        .program("nvidia-smi", &format!("echo {driver}"))
        .program(
            "docker",
            "[ \"$1\" != info ] || echo '{\"nvidia\":{},\"runc\":{}}'",
        )
        .program("nvidia-ctk", "")
        .program("gcloud", "");
    let head = format!("IMAGE={IMAGE}\nADDRESS=127.0.0.1\nARGUMENTS=({arguments})\n");
    let script = head + &source("docker/gcp-startup");
    stage
        .command("bash")
        .args(["-c", &script])
        .output()
        .unwrap()
}

#[test]
fn the_instance_starts_the_container_with_its_gpu_and_starts_it_again_when_it_ends() {
    let stage = Stage::new();
    succeeded(&start(&stage, "580.178.04"));
    let calls = lines(&stage);
    assert!(
        calls.contains(
            &"gcloud auth configure-docker us-central1-docker.pkg.dev --quiet".to_owned()
        )
    );
    assert!(calls.contains(&format!("docker pull {IMAGE}")));
    let started = stage.calls().pop().unwrap();
    let line = started.join(" ");
    assert!(line.contains("--restart unless-stopped --gpus all --publish 127.0.0.1:5000:5000 "));
    assert!(
        line.contains(
            " --volume clipdraw-data:/data --env CLIPDRAW_STORE=/data/predictions.sqlite3 "
        )
    );
    let verbs: Vec<_> = calls
        .iter()
        .filter(|call| call.starts_with("docker "))
        .collect();
    assert!(verbs[verbs.len() - 3].starts_with("docker stop --time 120 clipdraw"));
    let expected = [
        IMAGE,
        "/usr/local/bin/clipdraw",
        "serve",
        "--keep-on-shutdown",
        "--slots",
        "2",
        "a b",
    ];
    assert_eq!(started[started.len() - expected.len()..], expected);
}

#[test]
fn a_driver_too_old_for_the_image_is_reported() {
    let stage = Stage::new();
    let output = start(&stage, "570.195.03");
    assert!(!output.status.success());
    assert!(text(&output.stdout).contains("needs driver 580"));
    assert!(lines(&stage).iter().all(|call| !call.starts_with("docker")));
}

#[test]
fn an_option_that_the_instance_adds_may_be_given_as_well() {
    let stage = Stage::new();
    succeeded(&start_with(&stage, "580.178.04", "--keep-on-shutdown"));
    let started = stage.calls().pop().unwrap();
    let given = started.iter().filter(|word| *word == "--keep-on-shutdown");
    assert_eq!(given.count(), 1);
}
