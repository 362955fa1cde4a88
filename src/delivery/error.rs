//! Why a request is not sent, or not answered.

use std::error::Error;
use std::net::IpAddr;

/// Why a request may not go to an address. Names the host at most: the rest of an address may
/// hold secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// Neither http nor https.
    #[error("only http and https addresses are allowed, not `{scheme}`")]
    Scheme {
        /// The scheme of the address.
        scheme: String,
    },
    /// There is nobody to send to.
    #[error("the address has no host")]
    NoHost,
    /// The host is not on the list.
    #[error("the host `{host}` is not allowed, only: {allowed}")]
    Host {
        /// The host, with the port if the address has one.
        host: String,
        /// The patterns of the allowed hosts.
        allowed: String,
    },
    /// The host is this machine, or a machine of its own network.
    #[error(
        "the host `{host}` has the private address {address}, and private addresses are refused"
    )]
    Private {
        /// The host as the address names it.
        host: String,
        /// What it stands for.
        address: IpAddr,
    },
    /// One redirect led to another too often.
    #[error("more than {limit} redirects")]
    TooManyRedirects {
        /// How many are followed.
        limit: usize,
    },
}

/// Why a field of a request does not name an address to send to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The text is not an address at all.
    #[error(
        "{field}: `{text}` is not a web address, expected one like https://host/path ({cause})"
    )]
    Unreadable {
        /// The field of the request.
        field: &'static str,
        /// The beginning of what was given, 200 characters at most.
        text: String,
        /// What is wrong with it.
        #[source]
        cause: url::ParseError,
    },
    /// It is one that this server does not send to.
    #[error("{field}: {cause}")]
    Refused {
        /// The field of the request.
        field: &'static str,
        /// Why not.
        #[source]
        cause: OutboundError,
    },
}

impl AddressError {
    /// The field of the request that is to blame.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Unreadable { field, .. } | Self::Refused { field, .. } => field,
        }
    }
}

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It cannot call itself that.
    #[error("the user agent `{text}` holds characters that no header may have")]
    UserAgent {
        /// The name that was wanted.
        text: String,
    },
    /// The token cannot be sent.
    #[error("the token for webhooks holds characters that no header may have")]
    Token,
    /// The client itself failed to start.
    #[error("cannot set up the HTTP client")]
    Unusable(#[source] reqwest::Error),
}

/// Why a request got no answer. No variant shows the address, which may hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The policy refuses the address, one that its name stands for, or one that it redirects to.
    #[error(transparent)]
    Refused(OutboundError),
    /// The time for one attempt was over.
    #[error("no answer in time")]
    Timeout(#[source] reqwest::Error),
    /// The host was not reached, or the connection broke.
    #[error("the connection failed: {}", innermost(.0))]
    Connection(#[source] reqwest::Error),
}

impl SendError {
    /// Whether another attempt may succeed where this one failed.
    pub fn may_pass(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }
}

impl From<reqwest::Error> for SendError {
    fn from(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(current) = cause {
            if let Some(refusal) = current.downcast_ref::<OutboundError>() {
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

/// What lies at the bottom of an error: `Connection refused` rather than `error sending request`.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
