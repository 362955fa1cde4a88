//! Why the broker cannot do something.

use redis::RedisError;

/// Why the broker cannot do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The URL is not that of a broker.
    #[error(
        "the URL is not of the form redis://HOST:PORT (rediss:// for TLS), with USER:PASSWORD@ and /DATABASE where they are needed"
    )]
    Url(#[source] RedisError),
    /// The URL or a certificate cannot be used.
    #[error("the broker's settings cannot be used")]
    Config(#[source] RedisError),
    /// A file with certificates cannot be read.
    #[error("the broker's certificates in {path} cannot be read")]
    Certificates {
        /// The file.
        path: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// The command that prints a token failed.
    #[error("the command for the broker's token failed: {0}")]
    Token(String),
    /// It cannot be reached, or is not ready. The same request may succeed later.
    #[error("the broker does not answer")]
    Away(#[source] RedisError),
    /// It did not answer in time, or not yet after a failure.
    #[error("the broker does not answer in time")]
    Timeout,
    /// Its memory is full.
    #[error("the broker's memory is full")]
    Full(#[source] RedisError),
    /// Its user may not run a command, or not use a key or a channel. The same request may succeed once somebody allows it.
    #[error("the broker's user lacks a right, which the log names")]
    Forbidden(#[source] RedisError),
    /// No replica has confirmed a change in time.
    #[error("no replica of the broker has confirmed the change")]
    Unconfirmed,
    /// It refused a request, for example because somebody has changed its data.
    #[error("the broker refused a request")]
    Refused(#[source] RedisError),
    /// A newer version of this program has written it, and this one does not understand it.
    #[error("a newer version of clipdraw has written {0}")]
    Newer(String),
    /// Its data is not what this program has written.
    #[error("the broker has damaged data: {0}")]
    Damaged(String),
}

/// The codes of errors after which the same request may succeed later, perhaps on another connection.
const TEMPORARY: [&str; 10] = [
    "LOADING",
    "READONLY",
    "MASTERDOWN",
    "CLUSTERDOWN",
    "TRYAGAIN",
    "BUSY",
    "UNBLOCKED",
    "NOAUTH",
    "WRONGPASS",
    "NOREPLICAS",
];

/// What the broker says when its user may not do what a script does. Its code differs between versions.
const FORBIDDEN_IN_SCRIPT: [&str; 2] = ["The user executing the script", "ACL failure in script"];

impl BrokerError {
    /// The kind of a client's error.
    pub(super) fn of(cause: RedisError) -> Self {
        if cause.code() == Some("OOM") {
            return Self::Full(cause);
        }
        let text = cause.detail().unwrap_or_default();
        let is_forbidden = |part: &&str| text.contains(*part);
        if cause.code() == Some("NOPERM") || FORBIDDEN_IN_SCRIPT.iter().any(is_forbidden) {
            return Self::Forbidden(cause);
        }
        let temporary = cause.code().is_some_and(|code| TEMPORARY.contains(&code));
        let lost = cause.is_io_error()
            || cause.is_timeout()
            || cause.is_connection_dropped()
            || cause.is_connection_refusal()
            || cause.is_unrecoverable_error();
        if temporary || lost {
            Self::Away(cause)
        } else {
            Self::Refused(cause)
        }
    }

    /// Whether the same request may succeed later, perhaps in a newer process.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Away(_)
                | Self::Timeout
                | Self::Full(_)
                | Self::Token(_)
                | Self::Unconfirmed
                | Self::Forbidden(_)
                | Self::Newer(_)
        )
    }
}
