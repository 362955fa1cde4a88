//! The HTTP client for webhooks, uploads and downloads, with its timeouts and the policy.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect;
use reqwest::{ClientBuilder, RequestBuilder, Response, StatusCode};
use url::Url;

use super::error::{ClientError, PolicyError, SendError};
use super::policy::{AddressPolicy, PrivateAddresses};
use super::resolver::{PolicyResolver, SystemResolver};
use crate::tls;

/// The maximum number of redirects for one request. One or two are normal; a longer chain is a loop.
const MAX_REDIRECTS: usize = 5;

/// How a client is configured. The defaults are those of Cog.
#[derive(Debug, Clone, Default)]
pub struct ClientConfig {
    /// Where requests may go.
    pub policy: AddressPolicy,
    /// The `User-Agent`, instead of `clipdraw/` and the version.
    pub user_agent: Option<String>,
    /// The timeouts.
    pub timeouts: ClientTimeouts,
}

/// The maximum times for one attempt. The defaults are those of coglet, Cog's server.
#[derive(Debug, Clone, Copy)]
pub struct ClientTimeouts {
    /// For the connection to the host.
    pub connect: Duration,
    /// For a webhook, from the start to the status of the response.
    pub webhook: Duration,
    /// For an upload, from the start to the status of the response.
    pub upload: Duration,
}

impl Default for ClientTimeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            webhook: Duration::from_secs(30),
            upload: Duration::from_secs(25),
        }
    }
}

/// Sends webhooks and files to URLs that a policy allows, and fetches files from them.
#[derive(Debug)]
pub struct Client {
    webhooks: reqwest::Client,
    uploads: reqwest::Client,
    downloads: reqwest::Client,
    policy: Arc<AddressPolicy>,
    timeouts: ClientTimeouts,
}

impl Client {
    /// Makes a client.
    ///
    /// Proxies are taken from the environment (`HTTPS_PROXY` and so on), unless private addresses
    /// are refused: a proxy resolves names itself, where the policy cannot check the addresses.
    ///
    /// # Errors
    /// If the user agent contains characters that a header cannot have.
    pub fn new(settings: ClientConfig) -> Result<Self, ClientError> {
        let user_agent = user_agent(settings.user_agent)?;
        let policy = Arc::new(settings.policy);
        let timeouts = settings.timeouts;
        let build = |follows: fn(StatusCode) -> bool| {
            builder(&policy, follows)
                .user_agent(user_agent.clone())
                .connect_timeout(timeouts.connect)
                .build()
        };
        Ok(Self {
            webhooks: build(repeats_post).map_err(ClientError::Build)?,
            uploads: build(repeats_put).map_err(ClientError::Build)?,
            downloads: build(repeats_get).map_err(ClientError::Build)?,
            policy,
            timeouts,
        })
    }

    /// The policy that all requests are checked against.
    pub fn policy(&self) -> &AddressPolicy {
        &self.policy
    }

    /// Posts JSON once and returns the status of the response.
    ///
    /// # Errors
    /// If there is no response, or the policy refuses the URL.
    pub async fn post_json(
        &self,
        url: &Url,
        headers: &HeaderMap,
        json: Bytes,
    ) -> Result<StatusCode, SendError> {
        let request = self
            .webhooks
            .post(url.clone())
            .timeout(self.timeouts.webhook)
            .headers(headers.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(json);
        Ok(self.send(url, request).await?.status())
    }

    /// Uploads a file once with `PUT`, within `limit` and the timeout for one upload.
    ///
    /// # Errors
    /// If there is no response, or the policy refuses the URL.
    pub(super) async fn put(
        &self,
        url: &Url,
        headers: &HeaderMap,
        bytes: Bytes,
        limit: Duration,
    ) -> Result<Response, SendError> {
        let request = self
            .uploads
            .put(url.clone())
            .timeout(self.timeouts.upload.min(limit))
            .headers(headers.clone())
            .body(bytes);
        self.send(url, request).await
    }

    /// Requests a file with `GET`, within `limit` from the start to its last byte.
    ///
    /// # Errors
    /// If there is no response, or the policy refuses the URL.
    pub(super) async fn get(&self, url: &Url, limit: Duration) -> Result<Response, SendError> {
        let request = self.downloads.get(url.clone()).timeout(limit);
        self.send(url, request).await
    }

    async fn send(&self, url: &Url, request: RequestBuilder) -> Result<Response, SendError> {
        self.policy.check(url).map_err(SendError::Refused)?;
        Ok(request.send().await?)
    }
}

fn user_agent(chosen: Option<String>) -> Result<HeaderValue, ClientError> {
    const DEFAULT: &str = concat!("clipdraw/", env!("CARGO_PKG_VERSION"));
    let text = chosen.unwrap_or_else(|| DEFAULT.to_owned());
    HeaderValue::from_str(&text).map_err(|_| ClientError::UserAgent { text })
}

fn builder(policy: &Arc<AddressPolicy>, follows: fn(StatusCode) -> bool) -> ClientBuilder {
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls::client_config())
        .dns_resolver(Arc::new(PolicyResolver::new(
            SystemResolver,
            Arc::clone(policy),
        )))
        .redirect(redirects(Arc::clone(policy), follows))
        // The URL of a webhook may be a secret between the caller and its receiver.
        .referer(false);
    match policy.private_addresses {
        PrivateAddresses::Allowed => builder,
        PrivateAddresses::Refused => builder.no_proxy(),
    }
}

/// Follows the redirects that repeat the request unchanged, and checks every URL against the policy.
/// Any other redirect is returned as the response.
fn redirects(policy: Arc<AddressPolicy>, follows: fn(StatusCode) -> bool) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        if !follows(attempt.status()) {
            return attempt.stop();
        }
        if attempt.previous().len() > MAX_REDIRECTS {
            return attempt.error(PolicyError::TooManyRedirects {
                limit: MAX_REDIRECTS,
            });
        }
        match policy.check(attempt.url()) {
            Ok(()) => attempt.follow(),
            Err(refusal) => attempt.error(refusal),
        }
    })
}

/// After 301, 302 and 303, clients send `GET` without the body, so the receiver would get nothing.
fn repeats_post(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
    )
}

/// A `PUT` is repeated unchanged after every redirect except 303.
fn repeats_put(status: StatusCode) -> bool {
    status != StatusCode::SEE_OTHER
}

/// A `GET` is repeated unchanged after every redirect.
fn repeats_get(_: StatusCode) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::test_server::server_with;

    async fn post(client: &Client, address: &str) -> Result<StatusCode, SendError> {
        let url = address.parse().unwrap();
        client.post_json(&url, &HeaderMap::new(), "{}".into()).await
    }

    #[tokio::test]
    async fn a_redirect_to_a_private_address_is_refused() {
        let target = server_with(200, "").await;
        let server = server_with(307, &target.uri()).await;
        let policy = AddressPolicy {
            private_addresses: PrivateAddresses::Refused,
            ..AddressPolicy::default()
        };
        // The policy refuses the first URL too; this client checks only the redirect.
        tls::install_crypto_provider();
        let client = reqwest::Client::builder()
            .redirect(redirects(Arc::new(policy), repeats_post))
            .build()
            .unwrap();
        let sent = client.post(server.uri()).send().await;
        let error = SendError::from(sent.unwrap_err());
        assert!(
            matches!(error, SendError::Refused(PolicyError::Private { .. })),
            "{error:?}"
        );
        assert!(target.received_requests().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_redirect_that_would_lose_the_body_is_returned_as_the_response() {
        for status in [301, 302, 303] {
            let target = server_with(200, "").await;
            let server = server_with(status, &target.uri()).await;
            let found = post(
                &Client::new(ClientConfig::default()).unwrap(),
                &server.uri(),
            )
            .await
            .unwrap();
            assert_eq!(found, status);
            assert!(target.received_requests().await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn a_url_is_checked_before_anything_is_sent() {
        let server = server_with(200, "").await;
        let settings = ClientConfig {
            policy: AddressPolicy {
                private_addresses: PrivateAddresses::Refused,
                ..AddressPolicy::default()
            },
            ..ClientConfig::default()
        };
        let sent = post(&Client::new(settings).unwrap(), &server.uri()).await;
        assert!(matches!(sent, Err(SendError::Refused(_))), "{sent:?}");
        assert!(server.received_requests().await.unwrap().is_empty());
    }

    #[test]
    fn a_user_agent_that_is_not_a_valid_header_is_rejected() {
        let error = Client::new(ClientConfig {
            user_agent: Some("a\r\nb".to_owned()),
            ..ClientConfig::default()
        });
        assert!(matches!(error, Err(ClientError::UserAgent { .. })));
    }
}
