//! Which addresses a request may go to.

use std::net::IpAddr;

use url::{Host, Url};

use super::address;
use super::error::{AddressError, OutboundError};
use super::host_pattern::HostPattern;

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
