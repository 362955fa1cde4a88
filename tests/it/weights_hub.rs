//! Weights from Hugging Face's hub, against a server on this machine, and unusable files in the weights folder.
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::serve::Server;
use crate::support::clip_files::{Wide, safetensors_file};
use crate::support::file_server::{FileServer, ScriptedAnswer};
use crate::support::hub_server::HubServer;

const POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 353976522\n";

/// A command with a separate weights folder and no settings of this machine.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments)
        .output()
        .expect("the program starts")
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clipdraw"));
    command.args(arguments).current_dir(folder);
    for name in [
        "CLIPDRAW_WEIGHTS",
        "CLIPDRAW_ACTIVATION",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "HF_ENDPOINT",
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
    ] {
        command.env_remove(name);
    }
    command
        .env("CLIPDRAW_WEIGHTS_DIR", folder)
        .env("HF_TOKEN_PATH", folder.join("no-token"));
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("the program writes UTF-8")
}

/// A small drawing with these further arguments; what is written to standard error.
fn predict(folder: &Path, more: &[&str]) -> (bool, String) {
    let mut arguments = vec![
        "predict",
        "-o",
        "a.svg",
        "-i",
        "num_iterations=1",
        "-i",
        "num_paths=1",
    ];
    arguments.extend(["-i", "num_augmentations=1"]);
    arguments.extend(more);
    let output = run(folder, &arguments);
    (output.status.success(), text(&output.stderr))
}

fn model() -> Vec<u8> {
    safetensors_file(&Wide::default().tensors(), &[])
}

fn config() -> Vec<u8> {
    br#"{"model_cfg": {"embed_dim": 12, "vision_cfg": {"image_size": 16, "layers": 2, "width": 96, "head_width": 48,
        "patch_size": 8}, "text_cfg": {"width": 16, "heads": 2, "layers": 2}}}"#
        .to_vec()
}

#[test]
fn a_model_of_the_hub_is_fetched_with_its_configuration_and_draws() {
    let folder = TempDir::new().unwrap();
    let hub = HubServer::start(
        "laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        &[
            ("README.md", b"words".to_vec()),
            ("open_clip_config.json", config()),
            ("open_clip_model.safetensors", model()),
            (
                "open_clip_pytorch_model.bin",
                b"the same once more".to_vec(),
            ),
        ],
    );
    let name = "ViT-B-32/laion2b_s34b_b79k";
    let fetch = ["weights", "fetch", name, "--url", &hub.url];
    let output = run(folder.path(), &fetch);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let place = folder.path().join("laion--CLIP-ViT-B-32-laion2B-s34B-b79K");
    assert_eq!(text(&output.stdout).trim(), place.display().to_string());
    assert!(fs::read(place.join("open_clip_model.safetensors")).unwrap() == model());
    assert!(!place.join("README.md").exists());
    assert_eq!(hub.requests().len(), 3);
    // The second time, the weights exist and are intact.
    assert!(run(folder.path(), &fetch).status.success());
    let weights = hub.requests();
    let weights = weights.iter().filter(|path| path.ends_with(".safetensors"));
    assert_eq!(weights.count(), 1);
    for name in [
        name,
        "hf:laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        place.to_str().unwrap(),
    ] {
        let (drawn, errors) = predict(folder.path(), &["--weights", name]);
        assert!(drawn, "{errors}");
        assert!(!errors.contains("quick-gelu is assumed"), "{errors}");
    }
    let list = text(&run(folder.path(), &["weights", "list"]).stdout);
    assert!(
        list.contains("hf:laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
        "{list}"
    );
}

#[test]
fn weights_whose_checksum_differs_from_the_hubs_are_rejected() {
    let folder = TempDir::new().unwrap();
    let hub = HubServer::start("a/b", &[("model.safetensors", model())]);
    let place = folder.path().join("a--b");
    fs::create_dir(&place).unwrap();
    // The partial file is complete but wrong, so the next attempt starts again.
    let mut other = model();
    other[4_000] ^= 1;
    fs::write(place.join("model.safetensors.part"), &other).unwrap();
    let output = run(
        folder.path(),
        &["weights", "fetch", "hf:a/b", "--url", &hub.url],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("SHA-256") || hub.requests().len() == 2);
    assert!(fs::read(place.join("model.safetensors")).unwrap() == model());
}

#[test]
fn shards_are_fetched_with_their_index() {
    let folder = TempDir::new().unwrap();
    let index = br#"{"weight_map": {"x": "model-00001-of-00002.safetensors"}}"#;
    let hub = HubServer::start(
        "a/b",
        &[
            ("model-00001-of-00002.safetensors", b"one".to_vec()),
            ("model-00002-of-00002.safetensors", b"two".to_vec()),
            ("model.safetensors.index.json", index.to_vec()),
            ("model_card.json", b"{}".to_vec()),
        ],
    );
    let output = run(
        folder.path(),
        &["weights", "fetch", "hf:a/b", "--url", &hub.url],
    );
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut names: Vec<_> = fs::read_dir(folder.path().join("a--b"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json"
        ]
    );
}

#[test]
fn errors_about_missing_repositories_and_weights_contain_hints() {
    let folder = TempDir::new().unwrap();
    let hub = HubServer::start("a/b", &[("README.md", b"words".to_vec())]);
    for (name, parts) in [
        ("hf:a/c", ["the server answered 404", "--weights FOLDER"]),
        ("hf:a/b", ["has no weights that can be read", "README.md"]),
    ] {
        let output = run(
            folder.path(),
            &["weights", "fetch", name, "--url", &hub.url],
        );
        assert_eq!(output.status.code(), Some(1));
        let errors = text(&output.stderr);
        assert!(parts.iter().all(|part| errors.contains(part)), "{errors}");
    }
}

#[test]
fn the_error_about_a_missing_published_file_contains_another_source() {
    let folder = TempDir::new().unwrap();
    for (name, repository, other) in [
        (
            "ViT-B/32",
            "timm/vit_base_patch32_clip_224.openai",
            "ViT-B-32/openai",
        ),
        (
            "ViT-L/14@336px",
            "timm/vit_large_patch14_clip_336.openai",
            "ViT-L-14-336/openai",
        ),
        ("RN50x4", "timm/resnet50x4_clip.openai", "RN50x4/openai"),
    ] {
        let server = FileServer::start(b"", &[ScriptedAnswer::Status(404)]);
        let output = run(
            folder.path(),
            &["weights", "fetch", name, "--url", &server.url],
        );
        assert_eq!(output.status.code(), Some(1));
        let errors = text(&output.stderr);
        for part in [
            &format!("https://huggingface.co/{repository}"),
            &format!("clipdraw weights fetch {other}"),
            &format!("--weights {other}"),
        ] {
            assert!(errors.contains(part), "{part} is not in {errors}");
        }
        assert!(!errors.contains("by hand"), "{errors}");
    }
}

#[test]
fn a_file_that_is_skipped_causes_a_warning() {
    let folder = TempDir::new().unwrap();
    let whole = model();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
    write("ViT-B-32.pt", POINTER.as_bytes());
    write("ViT-B-16.safetensors", &whole[..whole.len() / 2]);
    write("RN50.pt", b"half");
    write("ViT-L-14.pt.part", b"some");
    write("mine.safetensors", POINTER.as_bytes());
    let expected = [
        "ViT-B-32.pt is a Git LFS pointer",
        "ViT-B-16.safetensors is incomplete",
        "RN50.pt is not the published RN50: it has 4 bytes",
        "ViT-L-14.pt.part is an unfinished download of ViT-L/14",
        "mine.safetensors is a Git LFS pointer",
    ];
    let (drawn, predicted) = predict(folder.path(), &[]);
    assert!(drawn, "{predicted}");
    let listed = text(&run(folder.path(), &["weights", "list"]).stderr);
    for part in expected {
        for output in [&predicted, &listed] {
            assert!(
                output.contains("warning: ") && output.contains(part),
                "{part}: {output}"
            );
        }
    }
    // There are no warnings if weights are requested.
    let (drawn, errors) = predict(folder.path(), &["--weights", "compact-v4"]);
    assert!(drawn && !errors.contains("warning"), "{errors}");
    for requested in ["ViT-B/32", "mine.safetensors"] {
        let (drawn, errors) = predict(folder.path(), &["--weights", requested]);
        assert!(
            !drawn && errors.contains("is a Git LFS pointer"),
            "{errors}"
        );
        assert!(
            errors.contains("hint: get the weights with: git lfs pull"),
            "{errors}"
        );
    }
    let mut server = serve(folder.path(), &[]);
    for part in expected {
        server.line(part);
    }
    server.signal(Signal::SIGTERM);
    server.status();
}

/// A server with this weights folder.
fn serve(folder: &Path, options: &[&str]) -> Server {
    let mut command = crate::serve::command(options);
    command.env("CLIPDRAW_WEIGHTS_DIR", folder);
    command.env_remove("CLIPDRAW_ACTIVATION");
    Server::run(command)
}

#[test]
fn a_server_rejects_another_vocabulary_before_it_is_ready() {
    let folder = TempDir::new().unwrap();
    let other = Wide {
        vocabulary: 49_409,
        ..Wide::default()
    };
    let file = folder.path().join("other.safetensors");
    fs::write(&file, safetensors_file(&other.tensors(), &[])).unwrap();
    let mut server = serve(folder.path(), &["--weights", file.to_str().unwrap()]);
    let line = server.line("the model could not be loaded");
    let fault = line["fields"]["fault"].as_str().unwrap();
    assert!(fault.contains("its vocabulary has 49409 tokens"), "{fault}");
    server.signal(Signal::SIGTERM);
    server.status();
}

#[test]
fn a_server_accepts_as_many_tokens_as_its_model_reads() {
    let folder = TempDir::new().unwrap();
    let long = Wide {
        context: 248,
        ..Wide::default()
    };
    let file = folder.path().join("long.safetensors");
    fs::write(&file, safetensors_file(&long.tensors(), &[])).unwrap();
    let mut server = serve(folder.path(), &["--weights", file.to_str().unwrap()]);
    server.wait_until_ready();
    let post = |cats: usize| {
        let input = json!({"prompt": "cat ".repeat(cats), "num_iterations": 1, "num_paths": 1});
        let response = server.post("/predictions", "", &json!({"input": input}));
        (response.status().as_u16(), response.text().unwrap())
    };
    let (status, text) = post(200);
    assert!(status == 200 && text.contains("succeeded"), "{text}");
    let (status, text) = post(247);
    assert!(
        status == 422 && text.contains("at most 248 are allowed"),
        "{text}"
    );
    server.signal(Signal::SIGTERM);
    server.status();
}

#[test]
fn an_activation_that_is_not_stated_is_reported_and_can_be_chosen() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("alone.safetensors"), model()).unwrap();
    let (drawn, errors) = predict(folder.path(), &["--weights", "alone.safetensors"]);
    assert!(drawn, "{errors}");
    assert!(
        errors.contains(
            "alone.safetensors does not state its activation function, so quick-gelu is assumed"
        ),
        "{errors}"
    );
    for activation in ["gelu", "quick-gelu"] {
        let arguments = ["--weights", "alone.safetensors", "--activation", activation];
        let (drawn, errors) = predict(folder.path(), &arguments);
        assert!(drawn && !errors.contains("assumed"), "{errors}");
    }
    let (drawn, errors) = predict(folder.path(), &["--activation", "relu"]);
    assert!(
        !drawn && errors.contains("possible values: quick-gelu, gelu"),
        "{errors}"
    );
}

#[test]
fn the_limit_of_tokens_is_the_models() {
    let folder = TempDir::new().unwrap();
    let long = Wide {
        context: 248,
        ..Wide::default()
    };
    let file = safetensors_file(&long.tensors(), &[]);
    fs::write(folder.path().join("long.safetensors"), file).unwrap();
    let prompt = |cats: usize| format!("prompt={}", "cat ".repeat(cats));
    let (drawn, errors) = predict(
        folder.path(),
        &["--weights", "long.safetensors", "-i", &prompt(200)],
    );
    assert!(drawn, "{errors}");
    let (drawn, errors) = predict(
        folder.path(),
        &["--weights", "long.safetensors", "-i", &prompt(247)],
    );
    assert!(!drawn && errors.contains("has 249 tokens"), "{errors}");
    assert!(errors.contains("at most 248 are allowed"), "{errors}");
    let (drawn, errors) = predict(folder.path(), &["-i", &prompt(200)]);
    assert!(
        !drawn && errors.contains("at most 77 are allowed"),
        "{errors}"
    );
}
