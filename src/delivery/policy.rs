//! Which URLs requests may be sent to.

use std::net::IpAddr;

use url::{Host, Url};

use super::address;
use super::error::{AddressError, PolicyError};
use super::host_pattern::HostPattern;

/// Which URLs requests may be sent to. The default allows every http and https URL, as Cog does.
#[derive(Debug, Clone, Default)]
pub struct AddressPolicy {
    /// The only hosts that are allowed; `None` allows every host.
    pub allowed_hosts: Option<Vec<HostPattern>>,
    /// Whether addresses outside the public internet are allowed.
    pub private_addresses: PrivateAddresses,
}

/// Whether requests may be sent to this machine and its network.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PrivateAddresses {
    /// They may: in a cluster, receivers usually have private addresses.
    #[default]
    Allowed,
    /// They may not, whether the URL has an IP address, a name, or a redirect.
    Refused,
}

impl AddressPolicy {
    /// Parses the URL in a field of a request, and checks it.
    ///
    /// # Errors
    /// If the text is not a URL, or the policy refuses it; the error names the field.
    pub fn parse(&self, field: &'static str, text: &str) -> Result<Url, AddressError> {
        /// Long enough to recognize the text.
        const SHOWN: usize = 200;
        let url = Url::parse(text).map_err(|cause| AddressError::Malformed {
            field,
            text: text.chars().take(SHOWN).collect(),
            cause,
        })?;
        self.check(&url)
            .map_err(|cause| AddressError::Refused { field, cause })?;
        Ok(url)
    }

    /// Checks a URL. The addresses of a host name are checked later, when it is resolved.
    ///
    /// # Errors
    /// If requests may not be sent there; the error says what is allowed.
    pub fn check(&self, url: &Url) -> Result<(), PolicyError> {
        if !matches!(url.scheme(), "http" | "https") {
            let scheme = url.scheme().to_owned();
            return Err(PolicyError::Scheme { scheme });
        }
        let host = url.host().ok_or(PolicyError::NoHost)?;
        self.check_list(url, &host)?;
        match host {
            Host::Domain(_) => Ok(()),
            Host::Ipv4(address) => self.check_address(&host.to_string(), address.into()),
            Host::Ipv6(address) => self.check_address(&host.to_string(), address.into()),
        }
    }

    /// Checks the IP address of a host.
    pub(super) fn check_address(&self, host: &str, address: IpAddr) -> Result<(), PolicyError> {
        let refused = self.private_addresses == PrivateAddresses::Refused;
        if refused && !address::is_public(address) {
            let host = host.to_owned();
            return Err(PolicyError::Private { host, address });
        }
        Ok(())
    }

    fn check_list(&self, url: &Url, host: &Host<&str>) -> Result<(), PolicyError> {
        let Some(patterns) = &self.allowed_hosts else {
            return Ok(());
        };
        let port = url.port_or_known_default();
        if patterns.iter().any(|pattern| pattern.allows(host, port)) {
            return Ok(());
        }
        let patterns: Vec<_> = patterns.iter().map(ToString::to_string).collect();
        let port = url.port().map(|port| format!(":{port}"));
        Err(PolicyError::Host {
            host: format!("{host}{}", port.unwrap_or_default()),
            allowed: patterns.join(", "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn only(patterns: &[&str]) -> AddressPolicy {
        AddressPolicy {
            allowed_hosts: Some(patterns.iter().map(|text| text.parse().unwrap()).collect()),
            ..AddressPolicy::default()
        }
    }

    fn public_only() -> AddressPolicy {
        AddressPolicy {
            private_addresses: PrivateAddresses::Refused,
            ..AddressPolicy::default()
        }
    }

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn the_error_names_the_host_and_the_allowed_hosts_but_no_secret() {
        let policy = only(&["*.example.com", "127.0.0.1:80"]);
        let refused = policy.check(&url("https://user:hush@evil.net:8443/secret?token=hush"));
        assert_eq!(
            refused.unwrap_err().to_string(),
            "the host `evil.net:8443` is not allowed, only: *.example.com, 127.0.0.1:80"
        );
    }

    #[test]
    fn the_error_names_the_field_with_the_bad_url() {
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
        assert!(matches!(refused, Err(PolicyError::Host { .. })));
    }

    #[test]
    fn only_http_and_https_urls_are_allowed() {
        for address in [
            "ftp://a.example/",
            "file:///etc/passwd",
            "data:,x",
            "gopher://a/",
        ] {
            let error = AddressPolicy::default().check(&url(address)).unwrap_err();
            assert!(matches!(error, PolicyError::Scheme { .. }), "{address}");
        }
    }

    #[test]
    fn unusual_spellings_of_private_addresses_are_refused() {
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
            !matches!(refused, Err(PolicyError::Private { .. }))
        })
        .collect();
        assert!(allowed.is_empty(), "{allowed:?}");
    }

    #[test]
    fn private_addresses_are_allowed_unless_they_are_refused() {
        assert_eq!(
            AddressPolicy::default().check(&url("http://127.0.0.1:5000/")),
            Ok(())
        );
        assert_eq!(public_only().check(&url("http://8.8.8.8/")), Ok(()));
        assert_eq!(public_only().check(&url("http://a.example/")), Ok(()));
    }
}
