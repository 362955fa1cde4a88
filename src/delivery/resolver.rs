//! Resolves host names and drops the addresses that the policy refuses.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::policy::AddressPolicy;

/// Resolves names and drops the addresses that the policy refuses. The connection is made to one of the
/// addresses that are left, so it does not matter if the name resolves differently a moment later (DNS
/// rebinding).
pub(super) struct PolicyResolver<R> {
    resolver: Arc<R>,
    policy: Arc<AddressPolicy>,
}

/// Resolves names as this machine does: with its hosts file and its name servers.
pub(super) struct SystemResolver;

impl<R> PolicyResolver<R> {
    /// Filters what another resolver finds.
    pub(super) fn new(resolver: R, policy: Arc<AddressPolicy>) -> Self {
        let resolver = Arc::new(resolver);
        Self { resolver, policy }
    }
}

impl<R> fmt::Debug for PolicyResolver<R> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PolicyResolver")
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0 means the port of the URL.
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let found: Addrs = Box::new(found.collect::<Vec<_>>().into_iter());
            Ok(found)
        })
    }
}

impl<R: Resolve + 'static> Resolve for PolicyResolver<R> {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, policy) = (Arc::clone(&self.resolver), Arc::clone(&self.policy));
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let (mut allowed, mut refusal) = (Vec::<SocketAddr>::new(), None);
            for found in resolver.resolve(name).await? {
                match policy.check_address(&host, found.ip()) {
                    Ok(()) => allowed.push(found),
                    Err(error) => refusal = Some(error),
                }
            }
            match refusal {
                Some(error) if allowed.is_empty() => Err(error.into()),
                _ => Ok(Box::new(allowed.into_iter()) as Addrs),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::error::PolicyError;
    use crate::delivery::policy::PrivateAddresses;

    /// Resolves every name to these addresses.
    struct Fixed(&'static [&'static str]);

    impl Resolve for Fixed {
        fn resolve(&self, _: Name) -> Resolving {
            let all: Vec<_> = self.0.iter().map(|text| text.parse().unwrap()).collect();
            let all = all.into_iter().map(|address| SocketAddr::new(address, 0));
            Box::pin(async move { Ok(Box::new(all) as Addrs) })
        }
    }

    async fn resolve(
        private_addresses: PrivateAddresses,
        names: impl Resolve + 'static,
    ) -> Result<Vec<String>, PolicyError> {
        let policy = AddressPolicy {
            private_addresses,
            ..AddressPolicy::default()
        };
        let resolver = PolicyResolver::new(names, Arc::new(policy));
        match resolver.resolve("localhost".parse().unwrap()).await {
            Ok(found) => Ok(found.map(|found| found.ip().to_string()).collect()),
            Err(error) => Err(*error.downcast().unwrap()),
        }
    }

    #[tokio::test]
    async fn a_name_with_a_public_address_loses_its_private_ones() {
        let names = Fixed(&["10.0.0.1", "8.8.8.8", "::ffff:127.0.0.1", "fd00::1"]);
        let found = resolve(PrivateAddresses::Refused, names).await;
        assert_eq!(found.unwrap(), ["8.8.8.8"]);
    }

    #[tokio::test]
    async fn a_name_with_only_private_addresses_is_refused() {
        let names = Fixed(&["169.254.169.254"]);
        let error = resolve(PrivateAddresses::Refused, names).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the host `localhost` has the private address 169.254.169.254, and private addresses are refused"
        );
    }

    #[tokio::test]
    async fn every_address_stays_where_private_ones_are_allowed() {
        let names = Fixed(&["10.0.0.1", "8.8.8.8"]);
        let found = resolve(PrivateAddresses::Allowed, names).await;
        assert_eq!(found.unwrap(), ["10.0.0.1", "8.8.8.8"]);
    }

    #[tokio::test]
    async fn this_machine_by_its_name_is_refused() {
        let found = resolve(PrivateAddresses::Refused, SystemResolver).await;
        assert!(matches!(found, Err(PolicyError::Private { .. })));
    }
}
