//! One client for all that is sent: its time limits, its name, its token, and the policy.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::redirect;
use reqwest::{ClientBuilder, RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use tracing::warn;
use url::Url;

use super::error::{ClientError, OutboundError, SendError};
use super::policy::{Policy, PrivateAddresses};
use super::resolver::{Resolver, SystemNames};
use crate::tls;

/// How many redirects of one request are followed; hosts that move once or twice are normal,
/// and a longer chain is a loop.
const REDIRECTS: usize = 5;

/// How a client is made. The default is what Cog does.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where requests may go.
    pub policy: Policy,
    /// What the client calls itself, instead of `clipdraw/` and the version.
    pub user_agent: Option<String>,
    /// The bearer token of webhooks.
    pub webhook_token: Option<SecretString>,
    /// How long things may take.
    pub timeouts: Timeouts,
}

/// How long one attempt may take. The defaults are those of coglet, Cog's server.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Reaching the host.
    pub connect: Duration,
    /// A webhook, from the start to the answer's status.
    pub webhook: Duration,
    /// An upload, from the start to the answer's status.
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
    authorization: Option<HeaderValue>,
    timeouts: Timeouts,
}

impl Client {
    /// Makes a client.
    ///
    /// Proxies are taken from the environment (`HTTPS_PROXY` and so on), unless private addresses
    /// are refused: a proxy resolves names by itself, beyond the reach of the policy.
    ///
    /// # Errors
    /// When the user agent or the token does not fit into a header.
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        let user_agent = user_agent(settings.user_agent)?;
        let authorization = settings.webhook_token.as_ref().map(bearer).transpose()?;
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
            authorization,
            timeouts,
        })
    }

    /// Where requests may go.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Posts a webhook once, with the token for webhooks unless the address has credentials of
    /// its own, and returns the status of the answer.
    ///
    /// # Errors
    /// When no answer came, or the address is refused.
    pub async fn post_json(
        &self,
        url: &Url,
        headers: &HeaderMap,
        json: Bytes,
    ) -> Result<StatusCode, SendError> {
        let mut request = self
            .posting
            .post(url.clone())
            .timeout(self.timeouts.webhook)
            .headers(headers.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(json);
        let own_credentials = !url.username().is_empty() || url.password().is_some();
        if let Some(authorization) = self.authorization.clone().filter(|_| !own_credentials) {
            request = request.header(AUTHORIZATION, authorization);
        }
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

fn bearer(token: &SecretString) -> Result<HeaderValue, ClientError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
        .map_err(|_| ClientError::Token)?;
    value.set_sensitive(true);
    Ok(value)
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

/// Follows the redirects that repeat the request as it was, and holds every address on the way
/// against the policy. At any other redirect the redirect itself is the answer.
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

    const TOKEN: &str = "hush-hush";

    fn with_token() -> Client {
        Client::new(Settings {
            webhook_token: Some(TOKEN.into()),
            ..Settings::default()
        })
        .unwrap()
    }

    async fn answering(status: u16, location: &str) -> MockServer {
        let server = MockServer::start().await;
        Mock::given(any())
            .respond_with(ResponseTemplate::new(status).insert_header("location", location))
            .mount(&server)
            .await;
        server
    }

    async fn authorizations(server: &MockServer) -> Vec<Option<String>> {
        let requests = server.received_requests().await.unwrap();
        let sent = requests.iter().map(|one| one.headers.get(AUTHORIZATION));
        sent.map(|value| Some(value?.to_str().unwrap().to_owned()))
            .collect()
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
    async fn webhooks_carry_the_token_and_the_address_may_bring_its_own_credentials() {
        let server = answering(200, "").await;
        let client = with_token();
        post(&client, &server.uri()).await.unwrap();
        let own = server.uri().replace("http://", "http://me:pw@");
        post(&client, &own).await.unwrap();
        let expected = ["Bearer hush-hush", "Basic bWU6cHc="].map(|one| Some(one.to_owned()));
        assert_eq!(authorizations(&server).await, expected);
    }

    #[tokio::test]
    async fn the_token_does_not_follow_a_redirect_to_another_host() {
        let target = answering(200, "").await;
        let server = answering(308, &target.uri()).await;
        post(&with_token(), &server.uri()).await.unwrap();
        assert_eq!(authorizations(&target).await, [None]);
        let requests = target.received_requests().await.unwrap();
        assert_eq!(requests[0].body, b"{}");
        assert!(!requests[0].headers.contains_key("referer"));
    }

    #[tokio::test]
    async fn a_redirect_that_would_lose_the_body_is_the_answer() {
        for status in [301, 302, 303] {
            let target = answering(200, "").await;
            let server = answering(status, &target.uri()).await;
            let found = post(&with_token(), &server.uri()).await.unwrap();
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
    fn the_debug_output_shows_no_token() {
        let settings = Settings {
            webhook_token: Some(TOKEN.into()),
            ..Settings::default()
        };
        let shown = format!("{settings:?} {:?}", with_token());
        assert!(!shown.contains(TOKEN), "{shown}");
    }

    #[test]
    fn texts_that_fit_into_no_header_are_refused_without_showing_the_token() {
        let error = Client::new(Settings {
            webhook_token: Some("hush\n".into()),
            ..Settings::default()
        });
        assert!(!format!("{:?}", error.unwrap_err()).contains("hush"));
        let error = Client::new(Settings {
            user_agent: Some("a\r\nb".to_owned()),
            ..Settings::default()
        });
        assert!(matches!(error, Err(ClientError::UserAgent { .. })));
    }
}
