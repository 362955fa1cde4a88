//! Errors of requests that the server sends.

use std::error::Error;
use std::net::IpAddr;

use super::certificate;

/// Why the policy refuses a URL. The message names only the host: the rest of a URL may contain
/// secrets.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// The scheme is neither http nor https.
    #[error("only http and https addresses are allowed, not `{scheme}`")]
    Scheme {
        /// The scheme of the URL.
        scheme: String,
    },
    /// The URL has no host.
    #[error("the address has no host")]
    NoHost,
    /// The host is not one of the allowed hosts.
    #[error("the host `{host}` is not allowed, only: {allowed}")]
    Host {
        /// The host, with the port if the URL has one.
        host: String,
        /// The patterns of the allowed hosts.
        allowed: String,
    },
    /// The host is this machine, or one in its network.
    #[error(
        "the host `{host}` has the private address {address}, and private addresses are refused"
    )]
    Private {
        /// The host as in the URL.
        host: String,
        /// Its IP address.
        address: IpAddr,
    },
    /// There were too many redirects.
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// The maximum number of redirects.
        limit: usize,
    },
}

/// Why the URL in a field of a request cannot be used.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The text is not a URL.
    #[error(
        "{field}: `{text}` is not a web address, expected one like https://host/path ({cause})"
    )]
    Malformed {
        /// The field of the request.
        field: &'static str,
        /// The text, cut off after 200 characters.
        text: String,
        /// What is wrong with it.
        #[source]
        cause: url::ParseError,
    },
    /// The policy refuses the URL.
    #[error("{field}: {cause}")]
    Refused {
        /// The field of the request.
        field: &'static str,
        /// Why.
        #[source]
        cause: PolicyError,
    },
}

impl AddressError {
    /// The field of the request.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Malformed { field, .. } | Self::Refused { field, .. } => field,
        }
    }
}

/// Why a client cannot be created.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The user agent is not a valid header value.
    #[error("the user agent `{text}` contains characters that are not allowed in a header")]
    UserAgent {
        /// The user agent.
        text: String,
    },
    /// The token is not a valid header value.
    #[error("the token for webhooks contains characters that are not allowed in a header")]
    Token,
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client")]
    Build(#[source] reqwest::Error),
}

/// Why a request got no response. No message shows the URL, which may contain secrets.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The policy refuses the URL, an address that its host resolves to, or a redirect.
    #[error(transparent)]
    Refused(PolicyError),
    /// The attempt timed out.
    #[error("no answer in time")]
    Timeout(#[source] reqwest::Error),
    /// The host could not be reached, or the connection was lost.
    #[error("the connection failed: {}", root_cause(.0))]
    Connection(#[source] reqwest::Error),
}

impl SendError {
    /// Whether another attempt may succeed.
    pub fn is_temporary(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }

    /// Whether the host was reached and the connection was lost after that.
    pub(super) fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Connection(error) if !error.is_connect())
    }
}

impl From<reqwest::Error> for SendError {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(current) = cause {
            if let Some(refusal) = current.downcast_ref::<PolicyError>() {
                return Self::Refused(refusal.clone());
            }
            cause = current.source();
        }
        if error.is_timeout() {
            Self::Timeout(error)
        } else {
            Self::Connection(error)
        }
    }
}

/// The root cause of an error: `Connection refused` rather than `error sending request`.
fn root_cause(error: &reqwest::Error) -> String {
    if let Some(reason) = certificate::explain(error) {
        return reason;
    }
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
