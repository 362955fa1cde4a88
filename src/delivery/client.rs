//! The HTTP client for webhooks and uploads, with its timeouts and the policy.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect;
use reqwest::{ClientBuilder, RequestBuilder, Response, StatusCode};
use tracing::warn;
use url::Url;

use super::error::{ClientError, OutboundError, SendError};
use super::policy::{Policy, PrivateAddresses};
use super::resolver::{Resolver, SystemNames};
use crate::tls;

/// How many redirects of one request are followed. One or two are normal; a longer chain is a loop.
const REDIRECTS: usize = 5;

/// The options of a client. The default is what Cog does.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where requests may go.
    pub policy: Policy,
    /// The `User-Agent`, instead of `clipdraw/` and the version.
    pub user_agent: Option<String>,
    /// The timeouts.
    pub timeouts: Timeouts,
}

/// How long one attempt may take. The defaults are those of coglet, Cog's server.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Of the connection to the host.
    pub connect: Duration,
    /// Of a webhook, from the start to the answer's status.
    pub webhook: Duration,
    /// Of an upload, from the start to the answer's status.
    pub upload: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            webhook: Duration::from_secs(30),
            upload: Duration::from_secs(25),
        }
    }
}

/// Sends webhooks and files, within a policy.
#[derive(Debug)]
pub struct Client {
    /// Sends webhooks.
    posting: reqwest::Client,
    /// Sends files.
    putting: reqwest::Client,
    policy: Arc<Policy>,
    timeouts: Timeouts,
}

impl Client {
    /// Makes a client.
    ///
    /// Proxies are taken from the environment (`HTTPS_PROXY` and so on), unless private addresses
    /// are refused: a proxy resolves names by itself, beyond the reach of the policy.
    ///
    /// # Errors
    /// When the user agent contains characters that a header cannot have.
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        let user_agent = user_agent(settings.user_agent)?;
        let policy = Arc::new(settings.policy);
        let timeouts = settings.timeouts;
        let build = |follows: fn(StatusCode) -> bool| {
            let configured = || {
                builder(&policy, follows)
                    .user_agent(user_agent.clone())
                    .connect_timeout(timeouts.connect)
            };
            // Without CA certificates http still works, and a server that needs no more than
            // that has to start.
            configured().build().or_else(|cause| {
                warn!(%cause, "found no CA certificates, requests to https addresses will fail");
                configured().tls_certs_only([]).build()
            })
        };
        Ok(Self {
            posting: build(keeps_a_post).map_err(ClientError::Unusable)?,
            putting: build(keeps_a_put).map_err(ClientError::Unusable)?,
            policy,
            timeouts,
        })
    }

    /// Where requests may go.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Posts JSON once and returns the status of the answer.
    ///
    /// # Errors
    /// When no answer came, or the address is refused.
    pub async fn post_json(
        &self,
        url: &Url,
        headers: &HeaderMap,
        json: Bytes,
    ) -> Result<StatusCode, SendError> {
        let request = self
            .posting
            .post(url.clone())
            .timeout(self.timeouts.webhook)
            .headers(headers.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(json);
        Ok(self.send(url, request).await?.status())
    }

    /// Puts a file once, within `limit` and the time for one upload.
    ///
    /// # Errors
    /// When no answer came, or the address is refused.
    pub(super) async fn put(
        &self,
        url: &Url,
        headers: &HeaderMap,
        bytes: Bytes,
        limit: Duration,
    ) -> Result<Response, SendError> {
        let request = self
            .putting
            .put(url.clone())
            .timeout(self.timeouts.upload.min(limit))
            .headers(headers.clone())
            .body(bytes);
        self.send(url, request).await
    }

    async fn send(&self, url: &Url, request: RequestBuilder) -> Result<Response, SendError> {
        self.policy.check(url).map_err(SendError::Refused)?;
        Ok(request.send().await?)
    }
}

fn user_agent(chosen: Option<String>) -> Result<HeaderValue, ClientError> {
    const OURS: &str = concat!("clipdraw/", env!("CARGO_PKG_VERSION"));
    let text = chosen.unwrap_or_else(|| OURS.to_owned());
    HeaderValue::from_str(&text).map_err(|_| ClientError::UserAgent { text })
}

fn builder(policy: &Arc<Policy>, follows: fn(StatusCode) -> bool) -> ClientBuilder {
    tls::install_crypto_provider();
    let builder = reqwest::Client::builder()
        .dns_resolver(Arc::new(Resolver::new(SystemNames, Arc::clone(policy))))
        .redirect(redirects(Arc::clone(policy), follows))
        // The address of a webhook may be a secret between the caller and its receiver.
        .referer(false);
    match policy.private_addresses {
        PrivateAddresses::Allowed => builder,
        PrivateAddresses::Refused => builder.no_proxy(),
    }
}

/// Follows the redirects after which the request is repeated unchanged, and checks every address
/// against the policy. Any other redirect is itself the answer.
fn redirects(policy: Arc<Policy>, follows: fn(StatusCode) -> bool) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        if !follows(attempt.status()) {
            return attempt.stop();
        }
        if attempt.previous().len() > REDIRECTS {
            return attempt.error(OutboundError::TooManyRedirects { limit: REDIRECTS });
        }
        match policy.check(attempt.url()) {
            Ok(()) => attempt.follow(),
            Err(refusal) => attempt.error(refusal),
        }
    })
}

/// After 301, 302 and 303 clients send GET without the body, so the receiver would get nothing.
fn keeps_a_post(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT
    )
}

/// PUT is repeated as it is after all redirects but 303.
fn keeps_a_put(status: StatusCode) -> bool {
    status != StatusCode::SEE_OTHER
}

#[cfg(test)]
mod tests {
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    async fn answering(status: u16, location: &str) -> MockServer {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(status).insert_header("location", location))
            .mount(&server)
            .await;
        server
    }

    async fn post(client: &Client, address: &str) -> Result<StatusCode, SendError> {
        let url = address.parse().unwrap();
        client.post_json(&url, &HeaderMap::new(), "{}".into()).await
    }

    #[tokio::test]
    async fn a_redirect_to_a_private_address_is_refused() {
        let target = answering(200, "").await;
        let server = answering(307, &target.uri()).await;
        let policy = Policy {
            private_addresses: PrivateAddresses::Refused,
            ..Policy::default()
        };
        // The first address would be refused too; only the redirect is looked at here.
        tls::install_crypto_provider();
        let client = reqwest::Client::builder()
            .redirect(redirects(Arc::new(policy), keeps_a_post))
            .build()
            .unwrap();
        let sent = client.post(server.uri()).send().await;
        let error = SendError::from(sent.unwrap_err());
        assert!(
            matches!(error, SendError::Refused(OutboundError::Private { .. })),
            "{error:?}"
        );
        assert!(target.received_requests().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_redirect_that_would_lose_the_body_is_the_answer() {
        for status in [301, 302, 303] {
            let target = answering(200, "").await;
            let server = answering(status, &target.uri()).await;
            let found = post(&Client::new(Settings::default()).unwrap(), &server.uri())
                .await
                .unwrap();
            assert_eq!(found, status);
            assert!(target.received_requests().await.unwrap().is_empty());
        }
    }

    #[tokio::test]
    async fn an_address_is_checked_before_anything_is_sent() {
        let server = answering(200, "").await;
        let settings = Settings {
            policy: Policy {
                private_addresses: PrivateAddresses::Refused,
                ..Policy::default()
            },
            ..Settings::default()
        };
        let sent = post(&Client::new(settings).unwrap(), &server.uri()).await;
        assert!(matches!(sent, Err(SendError::Refused(_))), "{sent:?}");
        assert!(server.received_requests().await.unwrap().is_empty());
    }

    #[test]
    fn a_user_agent_that_no_header_can_have_is_refused() {
        let error = Client::new(Settings {
            user_agent: Some("a\r\nb".to_owned()),
            ..Settings::default()
        });
        assert!(matches!(error, Err(ClientError::UserAgent { .. })));
    }
}
