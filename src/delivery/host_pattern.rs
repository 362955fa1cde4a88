//! Patterns of the hosts that an operator allows, as on the command line.

use std::fmt;
use std::str::FromStr;

use url::Host;

/// A host that is allowed: `hooks.example.com`, `*.example.com` (its subdomains, not itself),
/// `192.0.2.7` or `[2001:db8::7]`, each with an optional `:port`. Without a port, every port is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    host: HostPart,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPart {
    Exact(Host),
    Subdomains(String),
}

/// Why a text is not a host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a host: expected `hooks.example.com`, `*.example.com` or an IP address, with an optional `:port`"
)]
pub struct HostPatternError {
    /// The text.
    pub text: String,
}

impl HostPattern {
    /// Whether the pattern matches a host and a port.
    pub(super) fn allows(&self, host: &Host<&str>, port: Option<u16>) -> bool {
        if self.port.is_some() && self.port != port {
            return false;
        }
        match (&self.host, host) {
            (HostPart::Subdomains(parent), Host::Domain(name)) => without_final_dot(name)
                .strip_suffix(parent.as_str())
                .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
            (HostPart::Exact(Host::Domain(wanted)), Host::Domain(name)) => {
                wanted == without_final_dot(name)
            }
            (HostPart::Exact(wanted), found) => wanted == found,
            (HostPart::Subdomains(_), _) => false,
        }
    }
}

/// A final dot marks a name as fully qualified; the host is the same without it.
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
                    HostPart::Subdomains(without_final_dot(&name).to_owned())
                }
                (Some(_), _) => return None,
                (None, Host::Domain(name)) => {
                    HostPart::Exact(Host::Domain(without_final_dot(&name).to_owned()))
                }
                (None, address) => HostPart::Exact(address),
            };
            let has_name = !matches!(&host, HostPart::Subdomains(name) | HostPart::Exact(Host::Domain(name))
                if name.is_empty() || name.contains('*'));
            has_name.then_some(Self { host, port })
        };
        parse().ok_or_else(|| HostPatternError {
            text: text.to_owned(),
        })
    }
}

/// Splits `host:port`. The colons in a bracketed IPv6 address do not separate a port.
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
            HostPart::Exact(host) => write!(formatter, "{host}")?,
            HostPart::Subdomains(parent) => write!(formatter, "*.{parent}")?,
        }
        match self.port {
            Some(port) => write!(formatter, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

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
                let url: Url = address.parse().unwrap();
                let host = url.host().unwrap();
                pattern.allows(&host, url.port_or_known_default()) != *allowed
            })
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

    #[test]
    fn the_error_quotes_a_text_that_is_not_a_host() {
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
    fn a_pattern_is_displayed_as_it_is_written() {
        for text in ["*.example.com:8443", "[::1]:80", "10.0.0.1", "a.example"] {
            assert_eq!(text.parse::<HostPattern>().unwrap().to_string(), text);
        }
    }
}
