//! The environment: every variable that the program reads is named here, and is read only here or, if
//! it belongs to a flag, by clap. Libraries read those that many programs have in common:
//! `SSL_CERT_FILE` and `SSL_CERT_DIR` (see `tls`), `HTTPS_PROXY` and so on.

use std::path::PathBuf;
use std::{env, fmt, fs};

/// The folder with CLIP weights; the flag `--weights-dir` takes precedence.
pub const WEIGHTS_DIR: &str = "CLIPDRAW_WEIGHTS_DIR";

/// The CLIP weights to draw with, a name or a path; the flag `--weights` takes precedence.
pub const WEIGHTS: &str = "CLIPDRAW_WEIGHTS";

/// The activation function of CLIP weights whose file does not state it; the flag `--activation` takes
/// precedence.
pub const ACTIVATION: &str = "CLIPDRAW_ACTIVATION";

/// The prefix of the names of the tensors to read from CLIP weights; the flag `--tensors` takes precedence.
pub const TENSORS: &str = "CLIPDRAW_TENSORS";

/// The port that the server listens on; the flag `--port` takes precedence.
pub const PORT: &str = "PORT";

/// The number of drawings that are made at once; the flag `--slots` takes precedence.
pub const MAX_CONCURRENCY: &str = "COG_MAX_CONCURRENCY";

/// The maximum time to load CLIP in seconds; the flag `--setup-timeout` takes precedence.
pub const SETUP_TIMEOUT: &str = "COG_SETUP_TIMEOUT";

/// The number of events that a late subscriber can still read; the flag `--history` takes precedence.
pub const STREAM_HISTORY_CAPACITY: &str = "COG_STREAM_HISTORY_CAPACITY";

/// The minimum time between webhooks of one prediction in seconds; the flag `--webhook-interval` takes
/// precedence.
pub const THROTTLE_RESPONSE_INTERVAL: &str = "COG_THROTTLE_RESPONSE_INTERVAL";

/// The bearer token that webhooks carry.
pub const WEBHOOK_AUTH_TOKEN: &str = "WEBHOOK_AUTH_TOKEN";

/// The secret that signs webhooks; the flag `--webhook-secret` takes precedence.
pub const WEBHOOK_SECRET: &str = "CLIPDRAW_WEBHOOK_SECRET";

/// The address under which clients reach the server; the flag `--public-url` takes precedence.
pub const PUBLIC_URL: &str = "CLIPDRAW_PUBLIC_URL";

/// The `User-Agent` of webhooks and uploads.
pub const USER_AGENT: &str = "COG_USER_AGENT";

/// The bearer token that requests must carry; the flag `--auth-token` takes precedence.
pub const AUTH_TOKEN: &str = "CLIPDRAW_AUTH_TOKEN";

/// The file that keeps predictions, or `none`; the flag `--store` takes precedence.
pub const STORE: &str = "CLIPDRAW_STORE";

/// The format of log lines; the flag `--log-format` takes precedence.
pub const LOG_FORMAT: &str = "LOG_FORMAT";

/// The minimum severity of log lines; the flag `--log-level` takes precedence.
pub const LOG_LEVEL: &str = "COG_LOG_LEVEL";

/// Which log lines are written, as directives of `tracing-subscriber`. It replaces the log level.
pub const LOG_FILTER: &str = "RUST_LOG";

/// The URL of an OpenTelemetry collector, for traces only or for all signals.
#[cfg(feature = "otel")]
const TRACE_COLLECTORS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// The service name in traces.
#[cfg(feature = "otel")]
const TRACE_SERVICE: &str = "OTEL_SERVICE_NAME";

/// Set by Kubernetes in every container.
const KUBERNETES_SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";

/// The URL of Hugging Face's hub, as in `huggingface_hub`.
const HUB_ENDPOINT: &str = "HF_ENDPOINT";

/// The token for repositories on Hugging Face's hub that are not public, under its names in `huggingface_hub`.
const HUB_TOKEN: [&str; 2] = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"];

/// The file with this token.
const HUB_TOKEN_PATH: &str = "HF_TOKEN_PATH";

/// The folder in which `huggingface_hub` keeps this file.
const HUB_HOME: &str = "HF_HOME";

/// The folder for data of the user's programs (XDG Base Directory Specification).
const XDG_DATA_HOME: &str = "XDG_DATA_HOME";

/// The folder for the state of the user's programs (XDG Base Directory Specification).
const XDG_STATE_HOME: &str = "XDG_STATE_HOME";

/// The folder for what the user's programs can make again (XDG Base Directory Specification).
const XDG_CACHE_HOME: &str = "XDG_CACHE_HOME";

/// The folder for what the user's programs can make again; `None` if the user has no home folder.
///
/// `XDG_CACHE_HOME` applies on every platform, if it is absolute as its specification requires.
pub fn user_cache_folder() -> Option<PathBuf> {
    user_folder(
        XDG_CACHE_HOME,
        if cfg!(target_os = "macos") {
            "Library/Caches"
        } else {
            ".cache"
        },
    )
}

/// The folder for data of the user's programs; `None` if the user has no home folder.
///
/// `XDG_DATA_HOME` applies on every platform, if it is absolute as its specification requires.
pub fn user_data_folder() -> Option<PathBuf> {
    user_folder(XDG_DATA_HOME, platform_data_folder())
}

/// The folder for the state of the user's programs; `None` if the user has no home folder.
///
/// `XDG_STATE_HOME` applies on every platform, if it is absolute as its specification requires.
pub fn user_state_folder() -> Option<PathBuf> {
    user_folder(
        XDG_STATE_HOME,
        if cfg!(target_os = "macos") {
            "Library/Application Support"
        } else {
            ".local/state"
        },
    )
}

/// The folder in a variable, if that is absolute, or one in the user's home folder.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that reads the environment"
)]
fn user_folder(variable: &str, in_home: &str) -> Option<PathBuf> {
    let chosen = env::var_os(variable).map(PathBuf::from);
    chosen
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(in_home)))
}

/// The URL of Hugging Face's hub, if it is not the public one.
pub fn hub_url() -> Option<String> {
    setting(HUB_ENDPOINT)
}

/// A token for Hugging Face's hub.
#[derive(Clone, PartialEq, Eq)]
pub struct HubToken {
    /// The token.
    pub secret: String,
    /// The variable or the file that it is from.
    pub place: String,
}

impl fmt::Debug for HubToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = out.debug_struct("HubToken");
        shown.field("place", &self.place).finish_non_exhaustive()
    }
}

/// The token for Hugging Face's hub, of a variable or of the file that `huggingface_hub` writes (`constants.py` and
/// `utils/_auth.py` there).
pub fn hub_token() -> Option<HubToken> {
    let of_variable = |name: &&str| {
        Some(HubToken {
            secret: setting(name)?,
            place: (*name).to_owned(),
        })
    };
    HUB_TOKEN.iter().find_map(of_variable).or_else(|| {
        let file = match setting(HUB_TOKEN_PATH) {
            Some(file) => PathBuf::from(file),
            None => hub_folder()?.join("token"),
        };
        Some(HubToken {
            secret: written(&fs::read_to_string(&file).ok()?)?,
            place: file.display().to_string(),
        })
    })
}

/// The folder of `huggingface_hub`, which has the same place on every platform.
fn hub_folder() -> Option<PathBuf> {
    if let Some(folder) = setting(HUB_HOME) {
        return Some(PathBuf::from(folder));
    }
    let cache = setting(XDG_CACHE_HOME).map(PathBuf::from);
    let cache = cache.or_else(|| Some(env::home_dir()?.join(".cache")));
    Some(cache?.join("huggingface"))
}

/// The value of a variable; one without text counts as unset.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that reads the environment"
)]
fn setting(name: &str) -> Option<String> {
    env::var(name).ok().and_then(|value| written(&value))
}

/// The text of a setting without the space around it, if there is any.
fn written(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Whether the program runs in a container of Kubernetes.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that reads the environment"
)]
pub fn in_kubernetes() -> bool {
    env::var_os(KUBERNETES_SERVICE_HOST).is_some()
}

/// The service name in traces, if the environment has a collector for them.
#[cfg(feature = "otel")]
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that reads the environment"
)]
pub fn trace_collector() -> Option<String> {
    let set = |name: &&str| env::var_os(name).is_some_and(|value| !value.is_empty());
    TRACE_COLLECTORS.iter().any(set).then(|| {
        env::var(TRACE_SERVICE)
            .ok()
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| env!("CARGO_PKG_NAME").to_owned())
    })
}

fn platform_data_folder() -> &'static str {
    if cfg!(target_os = "macos") {
        "Library/Application Support"
    } else {
        ".local/share"
    }
}

/// The checkout that the running program was built in, if it is still in `target/<profile>/`.
pub fn checkout() -> Option<PathBuf> {
    let program = env::current_exe().ok()?.canonicalize().ok()?;
    let root = program.ancestors().nth(3)?;
    // The depth alone proves nothing: the folder above `~/.cargo/bin` is a home folder.
    let manifest = root.join("Cargo.toml").is_file() && root.join("src/model_store").is_dir();
    manifest.then(|| root.to_owned())
}
