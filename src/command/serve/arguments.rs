//! The arguments of `clipdraw serve`, grouped as in its help.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use axum::http::HeaderValue;
use clap::{ArgAction, Args};
use secrecy::SecretString;
use url::Url;

use crate::command::model::ComputeArguments;
use crate::delivery::HostPattern;
use crate::delivery::webhook::WebhookOutput;
use crate::environment;
use crate::http::FullStatus;
use crate::replicate::{FileAddresses, ModelName};
use crate::telemetry::{LogFormat, LogLevel};

/// The maximum for arguments in seconds: one day.
const MAX_SECONDS: f64 = 86_400.0;

/// `clipdraw serve`.
#[derive(Debug, Args)]
pub(in crate::command) struct ServeArguments {
    #[command(flatten)]
    pub(super) requests: RequestArguments,
    #[command(flatten)]
    pub(super) predictions: PredictionArguments,
    #[command(flatten)]
    pub(super) replicate: ReplicateArguments,
    #[command(flatten)]
    pub(super) store: StoreArguments,
    #[command(flatten)]
    pub(super) broker: BrokerArguments,
    #[command(flatten)]
    pub(super) delivery: DeliveryArguments,
    #[command(flatten)]
    pub(super) shutdown: ShutdownArguments,
    #[command(flatten)]
    pub(super) log: LogArguments,
    #[command(flatten)]
    pub(super) compute: ComputeArguments,
}

/// Connections and requests.
#[derive(Debug, Args)]
#[command(next_help_heading = "Requests")]
pub(super) struct RequestArguments {
    /// Address to listen on.
    #[arg(long, default_value = "0.0.0.0", value_name = "ADDRESS")]
    pub(super) host: IpAddr,
    /// Port to listen on; 0 selects a free one, which is logged.
    #[arg(long, env = environment::PORT, default_value_t = 5000)]
    pub(super) port: u16,
    /// Token that requests must carry as `Authorization: Bearer TOKEN`; only /health-check, /ready, the pages
    /// /studio and /docs, and the addresses of streams and files with a token of their own need no token.
    /// Default: no token is required.
    #[arg(long, env = environment::AUTH_TOKEN, hide_env_values = true, value_name = "TOKEN")]
    pub(super) auth_token: Option<SecretString>,
    /// Origin of web pages that may use this server, such as `https://example.com`, or * for all.
    /// Can be given several times. Default: none.
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub(super) cors_origin: Vec<HeaderValue>,
    /// Host name that this server answers to, without port. Can be given several times. Default: every name,
    /// or only localhost and the address itself if --host is an address that only this machine can reach.
    #[arg(long, value_name = "NAME")]
    pub(super) allow_host: Vec<String>,
    /// Maximum size of a request body, in bytes.
    #[arg(long, default_value_t = 100 << 20, value_name = "BYTES")]
    pub(super) max_body_bytes: usize,
    /// Maximum seconds from the first byte of a request to the end of its headers.
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = positive_seconds)]
    pub(super) header_timeout: Duration,
    /// Maximum seconds that a connection may be idle between requests or within a request body, or that a
    /// client may read nothing of a response.
    #[arg(long, default_value = "75", value_name = "SECONDS", value_parser = positive_seconds)]
    pub(super) idle_timeout: Duration,
    /// Maximum number of open connections. Beyond it /health-check and /ready are answered, and everything
    /// else with 503.
    #[arg(long, default_value_t = 8192, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) max_connections: u32,
    /// Maximum number of requests that are open at the same time on one HTTP/2 connection.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) max_streams: u32,
    /// Maximum number of open event streams.
    #[arg(long, default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) stream_subscribers: u32,
    /// Repeat all files in the `completed` event of event streams, as Cog does. Default: only the files
    /// that the stream has not sent before.
    #[arg(long)]
    pub(super) completed_with_output: bool,
}

/// Slots, the queue, and what is kept of predictions.
#[derive(Debug, Args)]
#[command(next_help_heading = "Predictions")]
pub(super) struct PredictionArguments {
    /// Number of drawings made at the same time; their steps share one batch for CLIP. With 0 no model is loaded, and the
    /// workers of a broker draw.
    #[arg(long, env = environment::MAX_CONCURRENCY, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=64))]
    pub(super) slots: u16,
    /// Maximum number of predictions that wait for a slot; with 0, a busy server answers 409, as Cog
    /// does.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub(super) queue: u16,
    /// Status of responses when all slots and all places in the queue are taken: 409 as in Cog, or 429.
    #[arg(long, default_value = "409", value_name = "STATUS", value_parser = full_status)]
    pub(super) full_status: FullStatus,
    /// Maximum seconds for loading CLIP; 0 means no limit. Default: no limit.
    #[arg(long, env = environment::SETUP_TIMEOUT, value_name = "SECONDS", value_parser = seconds)]
    pub(super) setup_timeout: Option<Duration>,
    /// Number of events of a prediction that are kept for late subscribers; 0 keeps none.
    #[arg(long, env = environment::STREAM_HISTORY_CAPACITY, default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(super) history: u32,
    /// Maximum number of finished predictions that are kept.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(super) remember: u32,
    /// Seconds for which a finished prediction is kept.
    #[arg(long, default_value = "3600", value_name = "SECONDS", value_parser = seconds)]
    pub(super) remember_seconds: Duration,
    /// Maximum size of the output of all finished predictions that are kept, in bytes.
    #[arg(long, default_value_t = 512 << 20, value_name = "BYTES")]
    pub(super) remember_bytes: usize,
    /// Maximum size of the output of one prediction in memory, in bytes; requests that would
    /// exceed it are refused.
    #[arg(long, default_value_t = 256 << 20, value_name = "BYTES")]
    pub(super) max_output_bytes: u64,
}

/// The interface for Replicate's clients.
#[derive(Debug, Args)]
#[command(next_help_heading = "Replicate's clients (/v1)")]
pub(super) struct ReplicateArguments {
    /// Name of the model for Replicate's clients. The same name with `-final` is a model whose output is only the finished
    /// drawing.
    #[arg(long, default_value = "clipdraw/clipdraw", value_name = "OWNER/NAME")]
    pub(super) model_name: ModelName,
    /// Address under which clients reach this server, such as `https://draw.example.com`, for the addresses in its answers.
    /// Default: the host of each request, or what a proxy names in X-Forwarded-Proto, -Host and -Prefix.
    #[arg(long, env = environment::PUBLIC_URL, value_name = "URL", value_parser = web_url)]
    pub(super) public_url: Option<Url>,
    /// Form of output files: data URLs, or links to this server that are valid for one to two hours. With `auto`, links where
    /// clients reach the server over https, and data URLs otherwise.
    #[arg(long, value_enum, default_value_t = FileAddresses::Auto, value_name = "FORM")]
    pub(super) v1_files: FileAddresses,
    /// Maximum number of predictions that wait for a slot, if they come from Replicate's clients. These expect to wait
    /// instead of being refused. It has an effect only if it is larger than --queue.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub(super) v1_queue: u16,
    /// Maximum size of all input files that clients have sent with POST /v1/files and that are kept, in bytes; 0 accepts none.
    #[arg(long, default_value_t = 256 << 20, value_name = "BYTES")]
    pub(super) input_files_bytes: u64,
    /// Seconds for which such a file is kept.
    #[arg(long, default_value = "86400", value_name = "SECONDS", value_parser = positive_seconds)]
    pub(super) input_files_seconds: Duration,
}

/// The store.
#[derive(Debug, Args)]
#[command(next_help_heading = "Store")]
pub(super) struct StoreArguments {
    /// File that keeps predictions, so that a crash or a restart loses none, or `none` to keep them in memory. Default:
    /// clipdraw/predictions.sqlite3 in the user's folder for state, or memory if that cannot be used.
    #[arg(long, env = environment::STORE, value_name = "FILE|none")]
    pub(super) store: Option<PathBuf>,
    /// Keep predictions that have not finished at shutdown, if their clients got a 202 or wait for a webhook, and draw them
    /// after the next start, instead of cancelling them.
    #[arg(long)]
    pub(super) keep_on_shutdown: bool,
}

/// The help of `--broker` where a broker is required.
pub(in crate::command) const SHARED_BROKER_HELP: &str = "Redis or Valkey server that front ends and workers share: redis://HOST:PORT, or rediss:// for TLS, with USER:PASSWORD@ and /DATABASE where they are needed. Required";

/// The broker.
#[derive(Debug, Args)]
#[command(next_help_heading = "Many machines")]
pub(in crate::command) struct BrokerArguments {
    /// Redis or Valkey server that keeps predictions and their queue for many machines: redis://HOST:PORT, or rediss:// for
    /// TLS, with USER:PASSWORD@ and /DATABASE where they are needed. --store has no effect then. Default: this machine works
    /// alone.
    #[arg(long, env = environment::BROKER, hide_env_values = true, value_name = "URL")]
    pub(super) broker: Option<SecretString>,
    /// Shell command that prints the password, such as an access token that is valid for an hour. It runs for each new
    /// connection.
    #[arg(long = "broker-token-command", value_name = "COMMAND")]
    pub(super) token_command: Option<String>,
    /// PEM file with the certificates to trust for rediss:// instead of those of the system.
    #[arg(long = "broker-ca", value_name = "FILE")]
    pub(super) certificates: Option<PathBuf>,
    /// Beginning of all keys. The part in braces keeps them on one node of a cluster.
    #[arg(long = "broker-prefix", default_value = "cd:{0}:", value_name = "TEXT", value_parser = prefix)]
    pub(super) prefix: String,
    /// Maximum number of unfinished predictions of each priority in the broker; 0 means no limit. Beyond it, requests are
    /// answered with 409.
    #[arg(long = "broker-queue", default_value_t = 10_000, value_name = "N")]
    pub(super) capacity: u32,
    /// Maximum number of finished predictions in the broker; 0 means no limit. The oldest ones are forgotten first. The last
    /// process that has ended a prediction decides, so set the same for workers and front ends.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub(super) broker_remember: u32,
    /// Maximum memory of finished predictions in the broker, in bytes; 0 means no limit.
    #[arg(long, default_value_t = 4 << 30, value_name = "BYTES")]
    pub(super) broker_remember_bytes: u64,
    /// Seconds after which a worker that does not answer is lost.
    #[arg(long = "broker-lease", env = environment::BROKER_LEASE, default_value = "10", value_name = "SECONDS", value_parser = positive_seconds, hide = true)]
    pub(super) lease: Duration,
}

/// Webhooks and uploads.
#[derive(Debug, Args)]
#[command(next_help_heading = "Webhooks and uploads")]
pub(super) struct DeliveryArguments {
    /// URL of a folder to which every output file is uploaded with PUT, instead of data URLs. Each
    /// prediction has a folder of its own there, named by its id.
    #[arg(long, value_name = "URL", value_parser = web_url)]
    pub(super) upload_url: Option<Url>,
    /// Minimum seconds between two webhooks of a prediction, except the first and the last.
    #[arg(long, env = environment::THROTTLE_RESPONSE_INTERVAL, default_value = "0.5", value_name = "SECONDS", value_parser = seconds)]
    pub(super) webhook_interval: Duration,
    /// Files in webhooks: all so far as in Cog, the last one, or none. A request can choose with
    /// `webhook_output`. Receivers that answer 413 get less in any case.
    #[arg(long, value_enum, default_value_t = WebhookOutput::All, value_name = "FILES")]
    pub(super) webhook_output: WebhookOutput,
    /// Bearer token to send with webhooks.
    #[arg(long, env = environment::WEBHOOK_AUTH_TOKEN, hide_env_values = true, value_name = "TOKEN")]
    pub(super) webhook_auth_token: Option<SecretString>,
    /// Secret that signs all webhooks: `whsec_` and 24 to 64 bytes in base64. Receivers get it from
    /// /v1/webhooks/default/secret. Default: a random one, which the store keeps.
    #[arg(long, env = environment::WEBHOOK_SECRET, hide_env_values = true, value_name = "SECRET")]
    pub(super) webhook_secret: Option<SecretString>,
    /// User-Agent of webhooks, uploads and downloads. Default: clipdraw and the version.
    #[arg(long, env = environment::USER_AGENT, value_name = "TEXT")]
    pub(super) user_agent: Option<String>,
    /// Host of webhooks, uploads and downloads of inputs: hooks.example.com, *.example.com or an IP address,
    /// with an optional :port. Can be given several times. Default: every host.
    #[arg(long, value_name = "HOST")]
    pub(super) allow_target: Vec<HostPattern>,
    /// Refuse webhooks, uploads and downloads to and from this machine and private networks, also by redirect or DNS.
    #[arg(long)]
    pub(super) refuse_private_addresses: bool,
}

/// Shutdown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Shutdown")]
pub(super) struct ShutdownArguments {
    /// Ignore SIGTERM; only POST /shutdown and Ctrl-C end the server.
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", action = ArgAction::Set, value_name = "true|false")]
    pub(super) await_explicit_shutdown: bool,
    /// Seconds that predictions may take to finish at shutdown before they are cancelled.
    #[arg(long, default_value = "20", value_name = "SECONDS", value_parser = seconds)]
    pub(super) shutdown_grace: Duration,
}

/// Logging to standard error.
#[derive(Debug, Args)]
#[command(next_help_heading = "Log")]
pub(super) struct LogArguments {
    /// Format of log lines.
    #[arg(long = "log-format", env = environment::LOG_FORMAT, default_value = "json", value_name = "FORMAT", ignore_case = true)]
    pub(super) format: LogFormat,
    /// Minimum level of log lines.
    #[arg(long = "log-level", env = environment::LOG_LEVEL, default_value = "info", value_name = "LEVEL", ignore_case = true)]
    pub(super) level: LogLevel,
    /// Log levels by module, such as clipdraw=debug,hyper=info; overrides the level.
    #[arg(long = "log-filter", env = environment::LOG_FILTER, value_name = "FILTER")]
    pub(super) filter: Option<String>,
}

fn positive_seconds(text: &str) -> Result<Duration, String> {
    let time = seconds(text)?;
    if time.is_zero() {
        return Err(format!(
            "it must be more than 0 and at most {MAX_SECONDS} seconds"
        ));
    }
    Ok(time)
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| (0.0..=MAX_SECONDS).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("it must be a number of seconds from 0 to {MAX_SECONDS}"))
}

fn origin(text: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::from_str(text).ok();
    let allowed =
        text == "*" || Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text);
    value
        .filter(|_| allowed)
        .ok_or_else(|| "it must be * or an origin such as https://example.com".to_owned())
}

fn web_url(text: &str) -> Result<Url, String> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| "it must be a URL such as https://example.com/files".to_owned())
}

fn prefix(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("it must be a text such as cd:{0}:".to_owned());
    }
    Ok(text.to_owned())
}

fn full_status(text: &str) -> Result<FullStatus, String> {
    match text.parse() {
        Ok(409) => Ok(FullStatus::Conflict),
        Ok(429) => Ok(FullStatus::TooManyRequests),
        _ => Err("it must be 409 or 429".to_owned()),
    }
}
