//! Access to private repositories of Hugging Face's hub, against servers on this machine.
use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::hub_server::HubServer;

const TOKEN: &str = "hf_abc";
const FILES: [(&str, &[u8]); 2] = [("config.json", b"{}"), ("model.safetensors", b"weights")];

fn files() -> Vec<(&'static str, Vec<u8>)> {
    FILES.map(|(name, bytes)| (name, bytes.to_vec())).into()
}

/// A private repository, and the server with its files.
struct PrivateModel {
    folder: TempDir,
    hub: HubServer,
    storage: HubServer,
}

impl PrivateModel {
    /// A repository that answers with the status if the token is wrong.
    fn start(status: u16) -> Self {
        let storage = HubServer::start("org/private", &files());
        // Another name of this machine is another host.
        let other = storage.url.replace("127.0.0.1", "localhost");
        let hub = HubServer::start_private("org/private", &files(), [TOKEN, &other], status);
        Self {
            folder: TempDir::new().expect("a folder for the test"),
            hub,
            storage,
        }
    }

    /// Fetches the model with these variables; whether it succeeded, and the errors.
    fn fetch(&self, variables: &[(&str, &str)], more: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clipdraw"));
        command
            .args(["weights", "fetch", "hf:org/private"])
            .args(more)
            .env_clear()
            .env("CLIPDRAW_WEIGHTS_DIR", self.folder.path())
            .env("HOME", self.folder.path())
            .env("HF_ENDPOINT", &self.hub.url)
            .envs(variables.iter().copied());
        if let Some(path) = option_env!("LD_LIBRARY_PATH") {
            command.env("LD_LIBRARY_PATH", path);
        }
        let output = command.output().expect("the program starts");
        let errors = String::from_utf8(output.stderr).expect("UTF-8");
        (output.status.success(), errors)
    }

    /// The values of `Authorization` that both servers received.
    fn sent(&self) -> [Vec<Option<String>>; 2] {
        [self.hub.authorizations(), self.storage.authorizations()]
    }
}

fn write(file: &Path, text: &str) {
    let folder = file.parent().expect("a file in a folder");
    fs::create_dir_all(folder).expect("a folder for the test");
    fs::write(file, text).expect("room for the test's file");
}

#[test]
fn a_private_repository_is_fetched_with_the_token_of_the_environment() {
    for variables in [
        &[("HF_TOKEN", TOKEN)][..],
        &[("HUGGING_FACE_HUB_TOKEN", " hf_abc\n")],
        &[("HF_TOKEN", ""), ("HUGGING_FACE_HUB_TOKEN", TOKEN)],
        &[("HF_TOKEN", TOKEN), ("HUGGING_FACE_HUB_TOKEN", "other")],
    ] {
        let model = PrivateModel::start(401);
        let (fetched, errors) = model.fetch(variables, &[]);
        assert!(fetched, "{errors}");
        let file = model.folder.path().join("org--private/model.safetensors");
        assert_eq!(fs::read(file).unwrap(), FILES[1].1);
    }
}

#[test]
fn the_token_is_read_from_the_file_of_the_hubs_own_program() {
    for (file, variable) in [
        (".cache/huggingface/token", None),
        ("cache/huggingface/token", Some(("XDG_CACHE_HOME", "cache"))),
        ("home/token", Some(("HF_HOME", "home"))),
        ("my-token", Some(("HF_TOKEN_PATH", "my-token"))),
    ] {
        let model = PrivateModel::start(401);
        write(&model.folder.path().join(file), "hf_abc\n");
        let variable = variable.map(|(name, path)| (name, model.folder.path().join(path)));
        let variable = variable
            .as_ref()
            .map(|(name, path)| (*name, path.to_str().unwrap()));
        let (fetched, errors) = model.fetch(variable.as_slice(), &[]);
        assert!(fetched, "{file}: {errors}");
    }
}

#[test]
fn the_token_is_not_sent_to_a_server_that_the_hub_redirects_to() {
    let model = PrivateModel::start(401);
    let (fetched, errors) = model.fetch(&[("HF_TOKEN", TOKEN)], &[]);
    assert!(fetched, "{errors}");
    let [to_hub, to_storage] = model.sent();
    let bearer = Some(format!("Bearer {TOKEN}"));
    assert_eq!(to_hub, [bearer.clone(), bearer.clone(), bearer]);
    assert_eq!(to_storage, [None, None]);
}

#[test]
fn the_token_is_not_sent_to_a_mirror() {
    let model = PrivateModel::start(401);
    let mirror = ["--url", &model.hub.url];
    let (fetched, errors) = model.fetch(&[("HF_TOKEN", TOKEN)], &mirror);
    assert!(!fetched);
    assert_eq!(model.sent()[0], [None]);
    assert!(
        errors.contains("a token is not sent to a mirror"),
        "{errors}"
    );
}

#[test]
fn a_repository_that_may_not_be_read_is_reported_with_what_is_missing() {
    for status in [401, 403] {
        let model = PrivateModel::start(status);
        let (fetched, errors) = model.fetch(&[], &[]);
        assert!(!fetched);
        for part in [
            &format!("cannot fetch hf:org/private from {}", model.hub.url),
            &format!("the server answered {status}"),
            "set HF_TOKEN to a token that may read it",
            "https://huggingface.co/org/private",
        ] {
            assert!(errors.contains(part), "{part}: {errors}");
        }
        let (fetched, errors) = model.fetch(&[("HUGGING_FACE_HUB_TOKEN", "hf_other")], &[]);
        assert!(!fetched);
        assert!(
            errors.contains("the token in HUGGING_FACE_HUB_TOKEN may not be valid"),
            "{errors}"
        );
        assert!(!errors.contains("hf_other"), "{errors}");
    }
}

#[test]
fn a_token_that_cannot_be_sent_is_reported() {
    let model = PrivateModel::start(401);
    let (fetched, errors) = model.fetch(&[("HF_TOKEN", "hf_\u{1}")], &[]);
    assert!(
        !fetched && errors.contains("the token for Hugging Face's hub in HF_TOKEN has characters"),
        "{errors}"
    );
}
