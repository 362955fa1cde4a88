//! `scripts/docker-build` with a fake `docker` that records its arguments.

use std::process::Output;

use serde_json::{Value, json};

use super::{Stage, refused, root, source, succeeded};

/// Text that a shell would take apart if it got hold of it.
const SCHEMA: &str =
    r#"{"openapi":"3.0.2","info":{"title":"Cog 'a' \"b\" $HOME `id` \\ | & ; * é"}}"#;

fn docker() -> Stage {
    let stage = Stage::new();
    let document = stage.path("schema");
    std::fs::write(&document, format!("{SCHEMA}\n")).unwrap();
    let script = format!(
        "case $1 in\nrun) cat '{}' ;;\nbuild) case \"${{!#}}\" in -) cat >>'{}' ;; esac ;;\nesac",
        document.display(),
        stage.path("input").display()
    );
    stage.program("docker", &script);
    stage
}

fn build(stage: &Stage, arguments: &[&str]) -> Output {
    let script = root().join("scripts/docker-build");
    stage.command(script).args(arguments).output().unwrap()
}

fn label(call: &[String], name: &str) -> String {
    let start = format!("{name}=");
    let found = call
        .windows(2)
        .filter(|pair| pair[0] == "--label")
        .find_map(|pair| pair[1].strip_prefix(&start));
    found
        .unwrap_or_else(|| panic!("no label {name}"))
        .to_owned()
}

fn tag(call: &[String]) -> &str {
    let place = call.iter().position(|word| word == "--tag").unwrap();
    &call[place + 1]
}

#[test]
fn the_image_is_built_queried_and_labelled() {
    let stage = docker();
    succeeded(&build(&stage, &["--tag", "example.test/a:1"]));
    let calls = stage.calls();
    let verbs: Vec<_> = calls.iter().map(|call| call[1].as_str()).collect();
    assert_eq!(verbs, ["version", "build", "run", "build", "image"]);
    let (first, asked, last) = (&calls[1], &calls[2], &calls[3]);
    assert!(first.contains(&"DEVICE=cuda".to_owned()));
    assert_eq!(
        asked[asked.len() - 3..],
        [tag(first), "schema", "--compact"]
    );
    let input = std::fs::read_to_string(stage.path("input")).unwrap();
    assert_eq!(input, format!("FROM {}\n", tag(first)));
    assert_eq!(tag(last), "example.test/a:1");
    assert_eq!(calls[4][1..], ["image", "rm", tag(first)]);
}

#[test]
fn the_labels_are_those_by_which_cog_recognizes_a_model() {
    for (device, gpu) in [("cuda", true), ("cpu", false)] {
        let stage = docker();
        succeeded(&build(&stage, &["--device", device]));
        let calls = stage.calls();
        let call = &calls[3];
        assert_eq!(tag(call), format!("clipdraw:{device}"));
        assert_eq!(label(call, "run.cog.openapi_schema"), SCHEMA);
        let config: Value = serde_json::from_str(&label(call, "run.cog.config")).unwrap();
        let build = json!({"gpu": gpu, "python_version": "3.12"});
        assert_eq!(
            config,
            json!({"build": build, "predict": "docker/run.py:Runner"})
        );
        assert_eq!(label(call, "run.cog.has_init"), "true");
        assert_eq!(label(call, "run.cog.version"), "0.23.1");
        assert_eq!(
            label(call, "org.opencontainers.image.version"),
            env!("CARGO_PKG_VERSION")
        );
    }
}

#[test]
fn cog_yaml_says_what_the_label_says() {
    let text = source("cog.yaml");
    let settings: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::trim)
        .collect();
    let expected = [
        "build:",
        "gpu: true",
        "python_version: \"3.12\"",
        "run: \"docker/run.py:Runner\"",
    ];
    assert_eq!(settings, expected);
}

#[test]
fn the_printed_commands_do_what_the_script_does() {
    let arguments = [
        "--weights",
        "ViT-B/32 RN50",
        "--weights-url",
        "http://a/?b='c'",
        "--features",
        "otel",
    ];
    let real = docker();
    succeeded(&build(&real, &arguments));
    let dry = docker();
    let mut words = arguments.to_vec();
    words.push("--dry-run");
    let printed = succeeded(&build(&dry, &words));
    assert!(dry.calls().is_empty(), "a dry run calls docker");
    let pasted = dry.command("bash").args(["-c", &printed]).output().unwrap();
    succeeded(&pasted);
    // The real run also asks whether docker is there.
    assert_eq!(dry.calls(), real.calls()[1..]);
    let input = |stage: &Stage| std::fs::read_to_string(stage.path("input")).unwrap();
    assert_eq!(input(&dry), input(&real));
}

#[test]
fn a_wrong_argument_is_refused_before_docker_is_called() {
    let cases: [(&[&str], &str); 4] = [
        (&["--device", "tpu"], "cuda or cpu, not tpu"),
        (&["--tag"], "--tag needs a value"),
        (&["--weights", "$(id)"], "not $(id)"),
        (&["--fast"], "unknown argument --fast"),
    ];
    for (arguments, reason) in cases {
        let stage = docker();
        let message = refused(&build(&stage, arguments));
        assert!(message.contains(reason), "{message}");
        assert!(stage.calls().is_empty());
    }
}

#[test]
fn an_image_without_a_document_gets_no_labels() {
    for broken in ["", "not json", "{\n}"] {
        let stage = docker();
        std::fs::write(stage.path("schema"), broken).unwrap();
        let message = refused(&build(&stage, &[]));
        assert!(message.contains("OpenAPI document"), "{message}");
        assert_eq!(
            stage.calls().len(),
            3,
            "nothing is built after the question"
        );
    }
}

#[test]
fn without_docker_the_message_names_it() {
    let stage = Stage::new();
    stage.tools(&["bash", "dirname"]);
    let mut command = stage.command(root().join("scripts/docker-build"));
    let output = command.env("PATH", stage.path("bin")).output().unwrap();
    assert!(refused(&output).contains("docker is not installed"));
}
