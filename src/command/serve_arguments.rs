//! What can be said to `clipdraw serve`: every option of the server stands here.

use std::net::IpAddr;
use std::time::Duration;

use axum::http::HeaderValue;
use clap::{ArgAction, Args};
use secrecy::SecretString;
use url::Url;

use super::compute_arguments::ComputeArguments;
use crate::delivery::HostPattern;
use crate::environment;
use crate::telemetry::{LogFormat, LogLevel};

/// The longest time that an option can be set to, in seconds: a day.
const LONGEST: f64 = 86_400.0;

/// `clipdraw serve`.
#[derive(Debug, Args)]
pub struct ServeArguments {
    #[command(flatten)]
    pub(super) listening: ListeningArguments,
    #[command(flatten)]
    pub(super) work: WorkArguments,
    #[command(flatten)]
    pub(super) sending: SendingArguments,
    #[command(flatten)]
    pub(super) stopping: StoppingArguments,
    #[command(flatten)]
    pub(super) logging: LoggingArguments,
    #[command(flatten)]
    pub(super) compute: ComputeArguments,
}

/// Who is listened to, and for how long.
#[derive(Debug, Args)]
#[command(next_help_heading = "Requests")]
pub(super) struct ListeningArguments {
    /// Address to listen on.
    #[arg(long, default_value = "0.0.0.0", value_name = "ADDRESS")]
    pub(super) host: IpAddr,
    /// Port to listen on; 0 takes a free one, which the log names.
    #[arg(long, env = environment::PORT, default_value_t = 5000)]
    pub(super) port: u16,
    /// Token that requests must carry as `Authorization: Bearer TOKEN`; only /health-check and
    /// /ready can do without. Default: no token is asked for.
    #[arg(long, env = environment::AUTH_TOKEN, hide_env_values = true, value_name = "TOKEN")]
    pub(super) auth_token: Option<SecretString>,
    /// Web page that may use this server from a browser, as in `https://example.com`, or * for all.
    /// Can be given several times. Default: none.
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    pub(super) cors_origin: Vec<HeaderValue>,
    /// Largest body of a request, in bytes.
    #[arg(long, default_value_t = 100 << 20, value_name = "BYTES")]
    pub(super) max_body_bytes: usize,
    /// Seconds from the first byte of a request to the end of its head.
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = some_seconds)]
    pub(super) header_timeout: Duration,
    /// Seconds that a connection may be silent between requests, or within a request's body.
    #[arg(long, default_value = "75", value_name = "SECONDS", value_parser = some_seconds)]
    pub(super) idle_timeout: Duration,
    /// Event streams that can be open at once.
    #[arg(long, default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(super) stream_subscribers: u32,
}

/// How much is drawn at once, and what is kept of it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Predictions")]
pub(super) struct WorkArguments {
    /// Drawings at once, stepped together as one batch of CLIP.
    #[arg(long, env = environment::MAX_CONCURRENCY, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(super) slots: u16,
    /// Predictions that may wait for a slot; with 0 a busy server answers 409, as Cog does.
    #[arg(long, default_value_t = 0, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=10_000))]
    pub(super) queue: u16,
    /// Seconds that loading CLIP may take; 0 or nothing means any time.
    #[arg(long, env = environment::SETUP_TIMEOUT, value_name = "SECONDS", value_parser = seconds)]
    pub(super) setup_timeout: Option<Duration>,
    /// Events of a prediction that a late subscriber can still read; 0 keeps none.
    #[arg(long, env = environment::STREAM_HISTORY_CAPACITY, default_value_t = 1024, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub(super) history: u32,
    /// Finished predictions that GET /predictions still shows.
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub(super) remember: u32,
    /// Seconds for which a finished prediction is shown.
    #[arg(long, default_value = "3600", value_name = "SECONDS", value_parser = seconds)]
    pub(super) remember_seconds: Duration,
    /// Largest output of all finished predictions that are shown, in bytes.
    #[arg(long, default_value_t = 512 << 20, value_name = "BYTES")]
    pub(super) remember_bytes: usize,
    /// Largest output of one prediction that is kept in memory, in bytes; a request that must
    /// exceed it is refused.
    #[arg(long, default_value_t = 256 << 20, value_name = "BYTES")]
    pub(super) max_output_bytes: u64,
}

/// What is sent to others.
#[derive(Debug, Args)]
#[command(next_help_heading = "Webhooks and uploads")]
pub(super) struct SendingArguments {
    /// Address of a folder into which every output file is PUT, instead of data URLs.
    #[arg(long, value_name = "URL", value_parser = web_address)]
    pub(super) upload_url: Option<Url>,
    /// Least seconds between webhooks of one prediction, apart from its first and its last.
    #[arg(long, env = environment::THROTTLE_RESPONSE_INTERVAL, default_value = "0.5", value_name = "SECONDS", value_parser = seconds)]
    pub(super) webhook_interval: Duration,
    /// Bearer token that webhooks carry.
    #[arg(long, env = environment::WEBHOOK_AUTH_TOKEN, hide_env_values = true, value_name = "TOKEN")]
    pub(super) webhook_auth_token: Option<SecretString>,
    /// What webhooks and uploads call their sender. Default: clipdraw and the version.
    #[arg(long, env = environment::USER_AGENT, value_name = "TEXT")]
    pub(super) user_agent: Option<String>,
    /// Host that webhooks and uploads may go to: hooks.example.com, *.example.com or an IP address,
    /// with an optional :port. Can be given several times. Default: every host.
    #[arg(long, value_name = "HOST")]
    pub(super) allow_target: Vec<HostPattern>,
    /// Send nothing to this machine or its own network, nor follow a redirect or a name there.
    #[arg(long)]
    pub(super) refuse_private_addresses: bool,
}

/// How the server ends.
#[derive(Debug, Args)]
#[command(next_help_heading = "Shutdown")]
pub(super) struct StoppingArguments {
    /// Ignore SIGTERM; only POST /shutdown and Ctrl-C end the server.
    #[arg(long, num_args = 0..=1, default_value_t = false, default_missing_value = "true", action = ArgAction::Set, value_name = "true|false")]
    pub(super) await_explicit_shutdown: bool,
    /// Seconds that predictions have to finish when the server ends; then they are cancelled.
    #[arg(long, default_value = "20", value_name = "SECONDS", value_parser = seconds)]
    pub(super) shutdown_grace: Duration,
}

/// What the server says on standard error.
#[derive(Debug, Args)]
#[command(next_help_heading = "Log")]
pub(super) struct LoggingArguments {
    /// Form of log lines.
    #[arg(long = "log-format", env = environment::LOG_FORMAT, default_value = "json", value_name = "FORMAT", ignore_case = true)]
    pub(super) format: LogFormat,
    /// Least severe log lines.
    #[arg(long = "log-level", env = environment::LOG_LEVEL, default_value = "info", value_name = "LEVEL", ignore_case = true)]
    pub(super) level: LogLevel,
    /// Log lines by module, as in clipdraw=debug,hyper=info; wins over the level.
    #[arg(long = "log-filter", env = environment::LOG_FILTER, value_name = "FILTER")]
    pub(super) filter: Option<String>,
}

fn some_seconds(text: &str) -> Result<Duration, String> {
    let time = seconds(text)?;
    if time.is_zero() {
        return Err(format!(
            "it must be more than 0 and at most {LONGEST} seconds"
        ));
    }
    Ok(time)
}

fn seconds(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| (0.0..=LONGEST).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| format!("it must be a number of seconds from 0 to {LONGEST}"))
}

fn origin(text: &str) -> Result<HeaderValue, String> {
    let value = HeaderValue::from_str(text).ok();
    let allowed =
        text == "*" || Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text);
    value
        .filter(|_| allowed)
        .ok_or_else(|| "it must be * or an origin such as https://example.com".to_owned())
}

fn web_address(text: &str) -> Result<Url, String> {
    Url::parse(text)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or_else(|| "it must be an address such as https://example.com/files".to_owned())
}
