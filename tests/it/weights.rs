//! Fetching, finding and verifying weights, against a server on this machine.
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use clipdraw::clip::WeightsSource;
use clipdraw::model_store::{
    FetchEvent, FetchRequest, Folders, RetryPolicy, StoreError, TransferError, Verification,
    choose, fetch,
    registry::{self, ModelSource, PublishedModel},
    sha256_of_file, verify,
};
use tempfile::TempDir;

use crate::support::file_server::{FileServer, ScriptedAnswer};

/// A file of 200 kB, more than any buffer on the way holds.
fn contents() -> Vec<u8> {
    (0..200_000_u32)
        .map(|i| (i.wrapping_mul(i) >> 5) as u8)
        .collect()
}

/// A model whose published file is `contents()`.
fn model(folder: &Path) -> PublishedModel {
    let sample = folder.join("sample");
    fs::write(&sample, contents()).expect("a writable folder");
    let sha256 = sha256_of_file(&sample).expect("a readable file");
    PublishedModel {
        name: "Test/1",
        file_name: "Test-1.pt",
        source: ModelSource::Url("http://127.0.0.1:9/never-requested"),
        sha256: sha256.leak(),
        size: contents().len() as u64,
        license: "MIT",
    }
}

/// A fetch against scripted answers, with what a test may ask about it afterwards.
struct Fetched {
    folder: TempDir,
    result: Result<PathBuf, StoreError>,
    requests: Vec<String>,
    retries: usize,
}

impl Fetched {
    fn with(answers: &[ScriptedAnswer], already: Option<&[u8]>) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let model = model(folder.path());
        if let Some(bytes) = already {
            fs::write(folder.path().join("Test-1.pt.part"), bytes).expect("a writable folder");
        }
        let server = FileServer::start(&contents(), answers);
        let mut retries = 0;
        let request = FetchRequest {
            model: &model,
            folder: folder.path(),
            mirror: Some(&server.url),
            retry: RetryPolicy {
                max_retries: 3,
                pause: Duration::from_millis(1),
            },
        };
        let result = fetch(&request, &mut |event| {
            retries += usize::from(matches!(event, FetchEvent::Retrying { .. }));
        });
        let requests = server.requests();
        Self {
            folder,
            result,
            requests,
            retries,
        }
    }

    fn part(&self) -> PathBuf {
        self.folder.path().join("Test-1.pt.part")
    }

    fn assert_whole(&self) {
        let path = self.result.as_ref().expect("the fetch succeeds");
        assert!(
            fs::read(path).expect("a readable file") == contents(),
            "other bytes arrived"
        );
        assert!(!self.part().exists(), "the unfinished file is gone");
    }

    fn cause(&self) -> &TransferError {
        match self.result.as_ref().expect_err("the fetch fails") {
            StoreError::FetchFailed { cause, .. } => cause,
            other => panic!("another error: {other}"),
        }
    }
}

#[test]
fn a_fresh_fetch_leaves_the_whole_file_under_its_published_name() {
    let fetched = Fetched::with(&[ScriptedAnswer::File], None);
    fetched.assert_whole();
    assert!(fetched.requests[0].starts_with("get /test-1.pt "));
    assert!(!fetched.requests[0].contains("range:"));
}

#[test]
fn a_fetch_continues_a_partial_file() {
    let fetched = Fetched::with(&[ScriptedAnswer::File], Some(&contents()[..70_000]));
    fetched.assert_whole();
    assert!(fetched.requests[0].contains("range: bytes=70000-"));
}

#[test]
fn a_server_without_ranges_sends_the_whole_file_again() {
    Fetched::with(&[ScriptedAnswer::WholeFile], Some(&contents()[..70_000])).assert_whole();
}

#[test]
fn an_interrupted_transfer_continues_where_it_stopped() {
    let fetched = Fetched::with(
        &[ScriptedAnswer::Truncated(100_000), ScriptedAnswer::File],
        None,
    );
    fetched.assert_whole();
    assert_eq!(fetched.retries, 1);
    assert!(fetched.requests[1].contains("range: bytes="));
}

#[test]
fn a_partial_file_with_other_contents_is_discarded_and_fetched_again() {
    let fetched = Fetched::with(
        &[ScriptedAnswer::File, ScriptedAnswer::File],
        Some(&vec![7; 70_000]),
    );
    fetched.assert_whole();
    assert!(!fetched.requests[1].contains("range:"));
}

#[test]
fn a_partial_file_longer_than_the_published_one_is_discarded() {
    let fetched = Fetched::with(&[ScriptedAnswer::File], Some(&vec![7; 300_000]));
    fetched.assert_whole();
    assert!(!fetched.requests[0].contains("range:"));
}

#[test]
fn after_a_refused_or_wrong_range_the_download_starts_again() {
    for refusal in [ScriptedAnswer::Status(416), ScriptedAnswer::OtherRange] {
        let fetched = Fetched::with(
            &[refusal, ScriptedAnswer::File],
            Some(&contents()[..70_000]),
        );
        fetched.assert_whole();
        assert!(!fetched.requests[1].contains("range:"));
    }
}

#[test]
fn a_partial_file_with_all_bytes_needs_no_server() {
    Fetched::with(&[], Some(&contents())).assert_whole();
}

#[test]
fn a_file_with_another_checksum_is_rejected_at_once_and_not_kept() {
    let mut other = contents();
    other[0] ^= 1;
    let fetched = Fetched::with(&[ScriptedAnswer::Other(other)], None);
    assert!(matches!(
        fetched.cause(),
        TransferError::WrongChecksum { .. }
    ));
    assert!(!fetched.folder.path().join("Test-1.pt").exists());
    assert!(!fetched.part().exists());
}

#[test]
fn a_missing_file_is_reported_without_a_retry() {
    let fetched = Fetched::with(&[ScriptedAnswer::Status(404)], None);
    assert!(matches!(fetched.cause(), TransferError::Status(status) if status.as_u16() == 404));
    assert_eq!(fetched.retries, 0);
}

#[test]
fn a_server_error_is_retried() {
    let fetched = Fetched::with(
        &[
            ScriptedAnswer::Status(500),
            ScriptedAnswer::Status(429),
            ScriptedAnswer::File,
        ],
        None,
    );
    fetched.assert_whole();
    assert_eq!(fetched.retries, 2);
}

#[test]
fn a_transfer_that_is_interrupted_again_and_again_fails_and_keeps_the_received_bytes() {
    let fetched = Fetched::with(&vec![ScriptedAnswer::Truncated(1_000); 4], None);
    assert!(matches!(fetched.cause(), TransferError::Interrupted { .. }));
    assert_eq!(fetched.retries, 3);
    assert_eq!(fs::metadata(fetched.part()).unwrap().len(), 1_000);
}

#[test]
fn the_error_for_a_refused_connection_names_the_path_and_the_checksum_of_the_file() {
    let folder = TempDir::new().unwrap();
    let model = model(folder.path());
    let closed = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .unwrap();
    let request = FetchRequest {
        model: &model,
        folder: folder.path(),
        mirror: Some(&format!("http://{closed}/")),
        retry: RetryPolicy {
            max_retries: 1,
            pause: Duration::from_millis(1),
        },
    };
    let error = fetch(&request, &mut |_| {}).expect_err("the port is closed");
    let hint = error.hint().unwrap();
    for part in [
        &format!("http://{closed}/Test-1.pt"),
        &folder.path().join("Test-1.pt").display().to_string(),
        model.sha256,
        "HTTPS_PROXY",
    ] {
        assert!(hint.contains(part), "{part} is not in: {hint}");
    }
}

#[test]
fn an_intact_file_is_not_fetched_again() {
    let folder = TempDir::new().unwrap();
    let model = model(folder.path());
    fs::write(folder.path().join("Test-1.pt"), contents()).unwrap();
    let request = FetchRequest {
        model: &model,
        folder: folder.path(),
        mirror: None,
        retry: RetryPolicy::default(),
    };
    let mut already = false;
    fetch(&request, &mut |event| {
        already |= matches!(event, FetchEvent::AlreadyFetched);
    })
    .unwrap();
    assert!(already);
}

#[test]
fn a_second_fetch_of_the_same_file_is_refused_while_the_first_one_runs() {
    let folder = TempDir::new().unwrap();
    let model = model(folder.path());
    let other = fs::File::create(folder.path().join("Test-1.pt.part")).unwrap();
    other.lock().unwrap();
    let request = FetchRequest {
        model: &model,
        folder: folder.path(),
        mirror: None,
        retry: RetryPolicy::default(),
    };
    let error = fetch(&request, &mut |_| {}).expect_err("the file is locked");
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
}

/// A folder with files of the published lengths and no contents.
fn weights_folder(file_names: &[&str]) -> (TempDir, Folders) {
    let folder = TempDir::new().expect("a temporary folder");
    for name in file_names {
        let file = fs::File::create(folder.path().join(name)).expect("a writable folder");
        let published = registry::MODELS.iter().find(|m| m.file_name == *name);
        file.set_len(published.map_or(1, |m| m.size))
            .expect("a sparse file");
    }
    let folders = Folders::new(Some(folder.path().to_owned()));
    (folder, folders)
}

#[test]
fn by_default_the_best_weights_on_this_machine_are_chosen() {
    let cases: [(&[&str], Option<&str>); 5] = [
        (&[], None),
        (&["unrelated.safetensors", "compact-v4.safetensors"], None),
        (&["RN50.pt", "ViT-B-16.pt"], Some("ViT-B-16.pt")),
        (&["ViT-L-14.pt", "RN50.pt"], Some("RN50.pt")),
        (
            &["ViT-B-32.safetensors", "ViT-B-32.pt"],
            Some("ViT-B-32.safetensors"),
        ),
    ];
    for (files, expected) in cases {
        let (folder, folders) = weights_folder(files);
        let expected = expected.map_or(WeightsSource::Embedded, |name| {
            WeightsSource::File(folder.path().join(name))
        });
        assert_eq!(choose(None, &folders).unwrap(), expected, "{files:?}");
    }
}

#[test]
fn a_truncated_file_is_skipped_by_default_and_rejected_when_it_is_requested() {
    let (folder, folders) = weights_folder(&[]);
    fs::write(folder.path().join("ViT-B-32.pt"), "half").unwrap();
    assert_eq!(choose(None, &folders).unwrap(), WeightsSource::Embedded);
    let error = choose(Some("ViT-B/32"), &folders).expect_err("it is not whole");
    assert!(
        matches!(error, StoreError::WrongSize { found: 4, .. }),
        "{error}"
    );
}

#[test]
fn weights_are_requested_by_a_name_or_a_path() {
    let (folder, folders) = weights_folder(&["RN50.pt", "mine.safetensors"]);
    let here = |name| folder.path().join(name);
    let mine = here("mine.safetensors");
    let requested = |name: &str| choose(Some(name), &folders).unwrap();
    assert_eq!(requested("compact-v4"), WeightsSource::Embedded);
    assert_eq!(requested("rn50"), WeightsSource::File(here("RN50.pt")));
    let path = mine.to_str().unwrap();
    assert_eq!(requested(path), WeightsSource::File(mine.clone()));
    let path = format!("local-dir:{path}");
    assert_eq!(requested(&path), WeightsSource::File(mine));
}

#[test]
fn the_error_for_unavailable_weights_says_what_to_do() {
    let (_folder, folders) = weights_folder(&[]);
    for (name, advice) in [
        ("ViT-B/32", "clipdraw weights fetch ViT-B/32"),
        ("ViT-B-33", "did you mean ViT-B/32?"),
        ("cubist", "known weights: compact-v4, ViT-B/32"),
        (
            "cubist",
            "hf:ORGANIZATION/NAME on Hugging Face's hub, or a path",
        ),
        ("laion/some-clip", "weights fetch hf:laion/some-clip"),
        (
            "hf-hub:laion/some-clip",
            "weights fetch hf-hub:laion/some-clip",
        ),
    ] {
        let hint = choose(Some(name), &folders).expect_err(name).hint();
        assert!(
            hint.as_ref().is_some_and(|hint| hint.contains(advice)),
            "{name}: {hint:?}"
        );
    }
    for path in ["no/such.pt", "local-dir:no/such"] {
        let error = choose(Some(path), &folders).expect_err("no file");
        assert!(matches!(error, StoreError::NoSuchFile { .. }), "{error}");
    }
}

#[test]
fn a_file_is_verified_by_its_contents_and_its_name() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str| {
        let path = folder.path().join(name);
        fs::write(&path, "something else").unwrap();
        path
    };
    let verdict = verify(&write("ViT-B-32.pt")).unwrap();
    assert!(matches!(verdict, Verification::Wrong { named, .. } if named.name == "ViT-B/32"));
    let verdict = verify(&write("mine.safetensors")).unwrap();
    assert!(
        matches!(verdict, Verification::Unknown { .. }),
        "{verdict:?}"
    );
}

/// Runs `clipdraw weights` with a folder of its own and no proxy from outside.
fn command(folder: &Path, arguments: &[&str], proxy: Option<&str>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clipdraw"));
    command.arg("weights").args(arguments);
    for name in [
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ] {
        command.env_remove(name);
    }
    command.envs(proxy.map(|proxy| ("http_proxy", proxy)));
    command
        .env("CLIPDRAW_WEIGHTS_DIR", folder)
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("the program writes UTF-8")
}

#[test]
fn the_list_says_what_is_here_and_how_to_get_the_rest() {
    let (folder, _) = weights_folder(&["RN50.pt"]);
    let output = command(folder.path(), &["list"], None);
    assert!(output.status.success());
    let list = text(&output.stdout);
    let line = |name| list.lines().find(|line| line.starts_with(name)).unwrap();
    assert!(line("compact-v4").contains("embedded"), "{list}");
    assert!(
        line("RN50 ").contains("ready") && line("RN50 ").ends_with("(default)"),
        "{list}"
    );
    assert!(
        line("ViT-B/32").contains("clipdraw weights fetch ViT-B/32"),
        "{list}"
    );
}

#[test]
fn verifying_a_damaged_file_fails_and_prints_both_checksums() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("RN50.pt"), "half").unwrap();
    for arguments in [&["verify"][..], &["verify", "RN50.pt"][..]] {
        let named: Vec<_> = arguments
            .iter()
            .map(|argument| {
                argument.replace("RN50.pt", folder.path().join("RN50.pt").to_str().unwrap())
            })
            .collect();
        let named: Vec<_> = named.iter().map(String::as_str).collect();
        let output = command(folder.path(), &named, None);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stdout).contains(registry::find("RN50").unwrap().sha256));
    }
}

#[test]
fn a_fetch_uses_the_proxy_of_the_environment() {
    let folder = TempDir::new().unwrap();
    let proxy = FileServer::start(b"", &[ScriptedAnswer::Status(404)]);
    let arguments = ["fetch", "RN50", "--url", "http://weights.invalid/clip"];
    let output = command(folder.path(), &arguments, Some(&proxy.url));
    assert_eq!(output.status.code(), Some(1));
    let stderr = text(&output.stderr);
    assert!(stderr.contains("the server answered 404"), "{stderr}");
    assert!(stderr.contains("hint: and place it at"), "{stderr}");
    assert!(proxy.requests()[0].starts_with("get http://weights.invalid/clip/rn50.pt "));
}
