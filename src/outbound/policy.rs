//! Which addresses a request may go to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use url::{Host, Url};

use super::address;

/// Which addresses requests may go to. The default allows every http and https address, as Cog does.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The only hosts that are allowed; nothing means every host.
    pub allowed_hosts: Option<Vec<HostPattern>>,
    /// What about addresses outside the public internet.
    pub private_addresses: PrivateAddresses,
}

/// Whether requests may go to this machine and its own network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PrivateAddresses {
    /// They may: a receiver next door is the normal case in a cluster.
    #[default]
    Allowed,
    /// They may not, whether named by number, by a DNS name or by a redirect.
    Refused,
}

/// A host that is allowed: `hooks.example.com`, `*.example.com` (every name below it, not itself),
/// `192.0.2.7` or `[2001:db8::7]`, each with an optional `:port`. Without a port, every port is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    host: HostPart,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPart {
    Exactly(Host),
    Below(String),
}

/// Why a text is not a host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a host: expected `hooks.example.com`, `*.example.com` or an IP address, with an optional `:port`"
)]
pub struct HostPatternError {
    /// What was given.
    pub text: String,
}

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

impl Policy {
    /// The address that a field of a request names, if requests may go there.
    ///
    /// # Errors
    /// When the text is not an address, or the policy refuses it; the error names the field.
    pub fn parse(&self, field: &'static str, text: &str) -> Result<Url, AddressError> {
        /// Enough to recognise what was sent.
        const SHOWN: usize = 200;
        let url = Url::parse(text).map_err(|cause| AddressError::Unreadable {
            field,
            text: text.chars().take(SHOWN).collect(),
            cause,
        })?;
        self.check(&url)
            .map_err(|cause| AddressError::Refused { field, cause })?;
        Ok(url)
    }

    /// Holds an address against the policy. What a DNS name stands for is checked later, when
    /// the connection is made.
    ///
    /// # Errors
    /// When the address may not be used, with what would be allowed.
    pub fn check(&self, url: &Url) -> Result<(), OutboundError> {
        if !matches!(url.scheme(), "http" | "https") {
            let scheme = url.scheme().to_owned();
            return Err(OutboundError::Scheme { scheme });
        }
        let host = url.host().ok_or(OutboundError::NoHost)?;
        self.check_list(url, &host)?;
        match host {
            Host::Domain(_) => Ok(()),
            Host::Ipv4(address) => self.check_address(&host.to_string(), address.into()),
            Host::Ipv6(address) => self.check_address(&host.to_string(), address.into()),
        }
    }

    /// Holds the address behind a host against the policy.
    pub(super) fn check_address(&self, host: &str, address: IpAddr) -> Result<(), OutboundError> {
        let refused = self.private_addresses == PrivateAddresses::Refused;
        if refused && !address::is_public(address) {
            let host = host.to_owned();
            return Err(OutboundError::Private { host, address });
        }
        Ok(())
    }

    fn check_list(&self, url: &Url, host: &Host<&str>) -> Result<(), OutboundError> {
        let Some(patterns) = &self.allowed_hosts else {
            return Ok(());
        };
        let port = url.port_or_known_default();
        if patterns.iter().any(|pattern| pattern.allows(host, port)) {
            return Ok(());
        }
        let patterns: Vec<_> = patterns.iter().map(ToString::to_string).collect();
        let port = url.port().map(|port| format!(":{port}"));
        Err(OutboundError::Host {
            host: format!("{host}{}", port.unwrap_or_default()),
            allowed: patterns.join(", "),
        })
    }
}

impl HostPattern {
    fn allows(&self, host: &Host<&str>, port: Option<u16>) -> bool {
        if self.port.is_some() && self.port != port {
            return false;
        }
        match (&self.host, host) {
            (HostPart::Below(parent), Host::Domain(name)) => without_final_dot(name)
                .strip_suffix(parent.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            (HostPart::Exactly(Host::Domain(wanted)), Host::Domain(name)) => {
                wanted == without_final_dot(name)
            }
            (HostPart::Exactly(wanted), found) => wanted == found,
            (HostPart::Below(_), _) => false,
        }
    }
}

/// A final dot only says that a name is complete; with and without it the host is the same.
fn without_final_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (host, port) = split_port(text.trim())?;
            let below = host.strip_prefix("*.");
            let parsed = Host::parse(below.unwrap_or(host)).ok()?;
            let host = match (below, parsed) {
                (Some(_), Host::Domain(name)) => {
                    HostPart::Below(without_final_dot(&name).to_owned())
                }
                (Some(_), _) => return None,
                (None, Host::Domain(name)) => {
                    HostPart::Exactly(Host::Domain(without_final_dot(&name).to_owned()))
                }
                (None, address) => HostPart::Exactly(address),
            };
            let named = !matches!(&host, HostPart::Below(name) | HostPart::Exactly(Host::Domain(name))
                if name.is_empty() || name.contains('*'));
            named.then_some(Self { host, port })
        };
        parse().ok_or_else(|| HostPatternError {
            text: text.to_owned(),
        })
    }
}

/// `host:port` in its two parts; the colons of a bracketed IPv6 address are none before a port.
fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let digits = port.bytes().all(|byte| byte.is_ascii_digit());
            Some((host, Some(port.parse().ok().filter(|_| digits)?)))
        }
        _ => Some((text, None)),
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            HostPart::Exactly(host) => write!(formatter, "{host}")?,
            HostPart::Below(parent) => write!(formatter, "*.{parent}")?,
        }
        match self.port {
            Some(port) => write!(formatter, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(patterns: &[&str]) -> Policy {
        Policy {
            allowed_hosts: Some(patterns.iter().map(|text| text.parse().unwrap()).collect()),
            ..Policy::default()
        }
    }

    fn public_only() -> Policy {
        Policy {
            private_addresses: PrivateAddresses::Refused,
            ..Policy::default()
        }
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_allows_its_host_and_no_other() {
        let cases = [
            ("hooks.example.com", "https://hooks.example.com/x", true),
            ("hooks.example.com", "https://HOOKS.Example.com./x", true),
            ("hooks.example.com", "http://hooks.example.com:8080/", true),
            ("Hooks.Example.com.", "http://hooks.example.com/", true),
            ("hooks.example.com", "https://example.com/", false),
            ("hooks.example.com", "https://a.hooks.example.com/", false),
            (
                "hooks.example.com",
                "https://hooks.example.com.evil.net/",
                false,
            ),
            (
                "hooks.example.com",
                "https://hooks.example.com@evil.net/",
                false,
            ),
            (
                "hooks.example.com",
                "https://evil.net/hooks.example.com",
                false,
            ),
            (
                "hooks.example.com",
                "https://evil.net\\@hooks.example.com/",
                false,
            ),
            ("*.example.com", "https://a.example.com/", true),
            ("*.example.com", "https://a.b.example.com/", true),
            ("*.example.com", "https://example.com/", false),
            ("*.example.com", "https://.example.com/", false),
            ("*.example.com", "https://notexample.com/", false),
            ("a.example:8443", "https://a.example:8443/", true),
            ("a.example:8443", "https://a.example/", false),
            ("a.example:443", "https://a.example/", true),
            ("a.example:443", "http://a.example/", false),
            ("127.0.0.1", "http://2130706433/", true),
            ("127.0.0.1:80", "http://127.0.0.1:81/", false),
            ("[::1]:80", "http://[0:0::1]/", true),
            ("[::1]", "http://[::2]/", false),
            ("*.0.0.1", "http://127.0.0.1/", false),
            ("bücher.example", "http://xn--bcher-kva.example/", true),
        ];
        let wrong: Vec<_> = cases
            .into_iter()
            .filter(|(pattern, address, allowed)| {
                let Ok(pattern) = pattern.parse::<HostPattern>() else {
                    return *allowed;
                };
                only(&[&pattern.to_string()]).check(&url(address)).is_ok() != *allowed
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn a_text_that_is_no_host_is_named_in_the_error() {
        let texts = [
            "",
            "*",
            "*.",
            "*.*.example.com",
            "a.*.com",
            "*.10.0.0.1",
            "http://a.example",
            "a/b",
            "a.example:",
            "a.example:http",
            "a.example:+80",
            "a.example:65536",
            "::1",
            "[::1",
        ];
        for text in texts {
            let error = text.parse::<HostPattern>().expect_err(text);
            assert!(error.to_string().starts_with(&format!("`{text}` is not")));
        }
    }

    #[test]
    fn a_refusal_names_the_host_and_what_is_allowed_and_no_secret() {
        let policy = only(&["*.example.com", "127.0.0.1:80"]);
        let refused = policy.check(&url("https://user:hush@evil.net:8443/secret?token=hush"));
        assert_eq!(
            refused.unwrap_err().to_string(),
            "the host `evil.net:8443` is not allowed, only: *.example.com, 127.0.0.1:80"
        );
    }

    #[test]
    fn a_field_with_a_bad_address_is_named_in_the_error() {
        let unreadable = public_only().parse("webhook", "not a url").unwrap_err();
        assert_eq!(
            unreadable.to_string(),
            "webhook: `not a url` is not a web address, expected one like https://host/path \
             (relative URL without a base)"
        );
        let refused = public_only().parse("webhook", "http://me:hush@10.0.0.1/?key=hush");
        assert_eq!(
            refused.unwrap_err().to_string(),
            "webhook: the host `10.0.0.1` has the private address 10.0.0.1, \
             and private addresses are refused"
        );
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        let refused = only(&[]).check(&url("http://a.example/"));
        assert!(matches!(refused, Err(OutboundError::Host { .. })));
    }

    #[test]
    fn only_web_addresses_are_allowed() {
        for address in [
            "ftp://a.example/",
            "file:///etc/passwd",
            "data:,x",
            "gopher://a/",
        ] {
            let error = Policy::default().check(&url(address)).unwrap_err();
            assert!(matches!(error, OutboundError::Scheme { .. }), "{address}");
        }
    }

    #[test]
    fn an_odd_spelling_of_a_private_address_is_refused() {
        let allowed: Vec<_> = [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://017700000001/",
            "http://0/",
            "http://127.0.0.1./",
            "http://①②⑦.⓪.⓪.①/",
            "http://127%2e0%2e0%2e1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://0xa9fea9fe/",
            "http://[::1]/",
            "http://[::]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
            "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
            "http://[64:ff9b::10.0.0.1]/",
            "http://[2002:a00:1::]/",
            "http://[fd00:ec2::254]/",
            "http://user@10.0.0.1:8080/",
            "http:10.0.0.1/",
        ]
        .into_iter()
        .filter(|address| {
            let refused = public_only().check(&url(address));
            !matches!(refused, Err(OutboundError::Private { .. }))
        })
        .collect();
        assert!(allowed.is_empty(), "{allowed:?}");
    }

    #[test]
    fn private_addresses_are_allowed_unless_they_are_refused() {
        assert_eq!(
            Policy::default().check(&url("http://127.0.0.1:5000/")),
            Ok(())
        );
        assert_eq!(public_only().check(&url("http://8.8.8.8/")), Ok(()));
        assert_eq!(public_only().check(&url("http://a.example/")), Ok(()));
    }
}
