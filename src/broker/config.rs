//! How the broker is reached and used.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};

use super::error::BrokerError;

/// How the broker is reached and used.
#[derive(Debug, Clone)]
pub struct BrokerConfig {
    /// Its address: `redis://` or, with TLS, `rediss://`, with user, password and database where they are needed.
    pub url: SecretString,
    /// Prints the password, for example an access token that is valid for an hour.
    pub token_command: Option<TokenCommand>,
    /// A PEM file with the certificates to trust instead of those of the system.
    pub certificates: Option<PathBuf>,
    /// The beginning of all keys. A part in braces keeps them on one node of a cluster.
    pub prefix: String,
    /// The name of this process, which no other one has.
    pub name: String,
    /// The time after which a worker that does not renew a lease is lost.
    pub lease: Duration,
    /// The maximum number of unfinished predictions of each priority; 0 means no limit.
    pub capacity: usize,
    /// Events of a prediction that are replayed to a late subscriber.
    pub replay: usize,
    /// How long finished predictions are kept.
    pub remember_for: Duration,
    /// The maximum number of finished predictions that are kept; 0 means no limit.
    pub remember: usize,
    /// The maximum memory of finished predictions that are kept, in bytes; 0 means no limit.
    pub remember_bytes: u64,
}

/// The longest time that the command for a token may take.
const TOKEN_TIMEOUT: Duration = Duration::from_secs(10);

/// How often it is checked whether that command has ended.
const TOKEN_CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// How often to look for jobs and webhooks at least.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// A shell command that prints a password.
#[derive(Debug, Clone)]
pub struct TokenCommand(String);

impl TokenCommand {
    /// A command for `sh -c`.
    pub fn new(command: String) -> Self {
        Self(command)
    }

    /// Runs the command, and returns the first line that it prints.
    ///
    /// # Errors
    /// If it fails or prints nothing.
    pub(super) async fn run(&self) -> Result<SecretString, BrokerError> {
        let command = self.0.clone();
        let output = tokio::task::spawn_blocking(move || output_of(&command, TOKEN_TIMEOUT))
            .await
            .map_err(|error| BrokerError::Token(error.to_string()))?
            .map_err(|error| BrokerError::Token(error.to_string()))?;
        if !output.status.success() {
            return Err(BrokerError::Token(output.status.to_string()));
        }
        let printed = String::from_utf8_lossy(&output.stdout);
        let token = printed.lines().next().unwrap_or_default().trim();
        if token.is_empty() {
            return Err(BrokerError::Token("it printed nothing".to_owned()));
        }
        Ok(token.to_owned().into())
    }
}

/// What a shell command prints. It is ended if it takes too long.
fn output_of(command: &str, limit: Duration) -> io::Result<Output> {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(command).stdin(Stdio::null());
    let mut child = shell.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let started = Instant::now();
    // A token is far smaller than what a pipe holds, so the command never waits for its reader.
    while child.try_wait()?.is_none() {
        if started.elapsed() >= limit {
            child.kill()?;
            child.wait()?;
            let message = format!("it took longer than {limit:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        thread::sleep(TOKEN_CHECK_INTERVAL);
    }
    child.wait_with_output()
}

impl BrokerConfig {
    /// How often leases are renewed.
    pub(super) fn renewal_interval(&self) -> Duration {
        self.lease / 5
    }

    /// How often to look for jobs and webhooks when nothing says that there are some.
    pub(super) fn look_interval(&self) -> Duration {
        LOOK_INTERVAL.min(self.lease / 4)
    }

    /// How long an awaited prediction lives without its front end.
    pub(super) fn life(&self) -> Duration {
        self.lease
    }

    /// The URL with its secrets.
    pub(super) fn url(&self) -> &str {
        self.url.expose_secret()
    }

    /// How long finished predictions are kept: the broker knows no time of zero.
    pub(super) fn kept_for(&self) -> Duration {
        self.remember_for.max(Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_for_a_token_is_ended_when_it_hangs() {
        let limit = Duration::from_millis(50);
        let error = output_of("sleep 60", limit).unwrap_err();
        assert_eq!(error.to_string(), "it took longer than 50ms");
        let output = output_of("echo abc", TOKEN_TIMEOUT).unwrap();
        assert_eq!(output.stdout, b"abc\n");
    }
}
