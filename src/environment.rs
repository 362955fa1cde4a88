//! The environment: every variable that the program reads is named here, and nothing else
//! asks for one.
//!
//! Variables that belong to a flag are read by clap, which gets the name from here. Libraries read those
//! that every program has in common: `SSL_CERT_FILE` and `SSL_CERT_DIR` (see `tls`), `HTTPS_PROXY` and so on.

use std::env;
use std::path::PathBuf;

/// The folder with CLIP weights; the flag `--weights-dir` wins over it.
pub const WEIGHTS_DIR: &str = "CLIPDRAW_WEIGHTS_DIR";

/// The CLIP weights to draw with, a name or a path; the flag `--weights` wins over it.
pub const WEIGHTS: &str = "CLIPDRAW_WEIGHTS";

/// The port that the server listens on; the flag `--port` wins over it.
pub const PORT: &str = "PORT";

/// How many drawings are made at once; the flag `--slots` wins over it.
pub const MAX_CONCURRENCY: &str = "COG_MAX_CONCURRENCY";

/// Seconds that loading CLIP may take; the flag `--setup-timeout` wins over it.
pub const SETUP_TIMEOUT: &str = "COG_SETUP_TIMEOUT";

/// Events of a prediction that a late subscriber can still read; the flag `--history` wins over it.
pub const STREAM_HISTORY_CAPACITY: &str = "COG_STREAM_HISTORY_CAPACITY";

/// Seconds between webhooks of one prediction; the flag `--webhook-interval` wins over it.
pub const THROTTLE_RESPONSE_INTERVAL: &str = "COG_THROTTLE_RESPONSE_INTERVAL";

/// The bearer token that webhooks carry.
pub const WEBHOOK_AUTH_TOKEN: &str = "WEBHOOK_AUTH_TOKEN";

/// The `User-Agent` of webhooks and uploads.
pub const USER_AGENT: &str = "COG_USER_AGENT";

/// The bearer token that requests must carry; the flag `--auth-token` wins over it.
pub const AUTH_TOKEN: &str = "CLIPDRAW_AUTH_TOKEN";

/// The form of log lines; the flag `--log-format` wins over it.
pub const LOG_FORMAT: &str = "LOG_FORMAT";

/// The least severe log lines that are written; the flag `--log-level` wins over it.
pub const LOG_LEVEL: &str = "COG_LOG_LEVEL";

/// Which log lines are written, in the language of `tracing-subscriber`; wins over the log level.
pub const LOG_FILTER: &str = "RUST_LOG";

/// Where an OpenTelemetry collector listens, for all signals or for traces alone.
#[cfg(feature = "otel")]
const TRACE_COLLECTORS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// The name under which traces of this program are filed.
#[cfg(feature = "otel")]
const TRACE_SERVICE: &str = "OTEL_SERVICE_NAME";

/// Kubernetes sets it in every container.
const KUBERNETES_SERVICE_HOST: &str = "KUBERNETES_SERVICE_HOST";

/// Where a user's programs keep data, by the XDG base directory specification.
const XDG_DATA_HOME: &str = "XDG_DATA_HOME";

/// The user's folder for data of programs, or nothing on a machine without a home folder.
///
/// `XDG_DATA_HOME` counts on every platform, if it is absolute as its specification demands.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that reads the environment"
)]
pub fn user_data_folder() -> Option<PathBuf> {
    let chosen = env::var_os(XDG_DATA_HOME).map(PathBuf::from);
    chosen
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(platform_data_folder())))
}

/// Whether the program runs in a container of Kubernetes.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that reads the environment"
)]
pub fn in_kubernetes() -> bool {
    env::var_os(KUBERNETES_SERVICE_HOST).is_some()
}

/// The name of this service in traces, if the environment names a collector for them.
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

/// The checkout that the running program was built in, if it still lies in `target/<profile>/`.
pub fn checkout() -> Option<PathBuf> {
    let program = env::current_exe().ok()?.canonicalize().ok()?;
    let root = program.ancestors().nth(3)?;
    // A folder of that depth alone proves nothing: `~/.cargo/bin` has a home folder above it.
    let manifest = root.join("Cargo.toml").is_file() && root.join("src/model_store").is_dir();
    manifest.then(|| root.to_owned())
}
