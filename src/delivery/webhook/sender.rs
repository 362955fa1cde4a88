//! Receivers of webhooks, and the tasks that send to them.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use url::Url;

use super::deliver::{Backlog, Deliverer, Transport};
use super::event::{EventFilter, is_last};
use super::lease::WebhookLease;
use super::notes::DeliveryNotes;
use super::output::WebhookOutput;
use super::progress::{Sent, WebhookTask};
use crate::backoff::Backoff;
use crate::delivery::{AddressError, AddressPolicy, Client, ClientError, SendError};
use crate::replicate::{Api, Site};
use crate::secret::WebhookKey;
use crate::service::{Prediction, Receiver, Store, StoreError, Undelivered};

/// The field of a request that names the receiver.
const FIELD: &str = "webhook";

/// Headers of the request that are passed on, so that the receiver's spans join the caller's
/// trace (W3C Trace Context).
const TRACE_HEADERS: [HeaderName; 2] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];

/// The header with the name of a message (Standard Webhooks). It is the same whenever the message is repeated.
const MESSAGE_NAME: HeaderName = HeaderName::from_static("webhook-id");

/// The header with the time of the attempt, in seconds since 1970 (Standard Webhooks).
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");

/// The header with the signature of the message (Standard Webhooks).
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// A receiver of webhooks, and the kinds of messages that it wants.
#[derive(Clone)]
pub struct Webhook {
    url: Url,
    events: EventFilter,
    headers: HeaderMap,
    output: Option<WebhookOutput>,
    /// The address under which its caller reaches this server, if that is one of Replicate's clients.
    base: Option<String>,
}

/// A [`Webhook`] as a store keeps it.
#[derive(Serialize, Deserialize)]
struct StoredWebhook {
    url: String,
    events: EventFilter,
    headers: Vec<(String, String)>,
    output: Option<WebhookOutput>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<String>,
}

/// The text of a stored [`Webhook`] cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the stored receiver of webhooks cannot be read")]
pub struct StoredWebhookError(#[source] Box<dyn Error + Send + Sync>);

/// How often webhooks are sent and repeated. The defaults are those of Cog.
#[derive(Debug, Clone, Copy)]
pub struct WebhookConfig {
    /// The minimum time between two messages before `completed`.
    pub throttle: Duration,
    /// The pauses between the attempts to deliver `completed`.
    pub backoff: Backoff,
    /// How long an earlier message may delay `completed`.
    pub grace: Duration,
    /// The maximum size in bytes of all `completed` messages that wait for their next attempt. A
    /// message that does not fit is given up.
    pub backlog: usize,
    /// How much of the output receivers get, unless the request says otherwise.
    pub output: WebhookOutput,
}

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            throttle: Duration::from_millis(500),
            backoff: Backoff {
                first: Duration::from_millis(200),
                longest: Duration::from_millis(102_400),
                repeats: 12,
            },
            grace: Duration::from_secs(2),
            backlog: 256 << 20,
            output: WebhookOutput::All,
        }
    }
}

/// Starts the tasks that send webhooks, and waits for them.
#[derive(Debug)]
pub struct WebhookSender {
    client: Arc<Client>,
    config: WebhookConfig,
    /// The value of `Authorization`.
    authorization: Option<HeaderValue>,
    /// Signs messages, and gives them the form of Replicate for its clients.
    api: Option<Arc<Api>>,
    tasks: TaskTracker,
    stopping: CancellationToken,
    backlog: Backlog,
    /// Where notes and deliveries are recorded.
    store: Option<Arc<dyn Store>>,
}

impl Webhook {
    /// The receiver that the field `webhook` of a request names, with the trace that the request
    /// belongs to.
    ///
    /// # Errors
    /// If the text is not a URL, or the policy refuses it.
    pub fn parse(
        policy: &AddressPolicy,
        text: &str,
        events: EventFilter,
        request_headers: &HeaderMap,
    ) -> Result<Self, AddressError> {
        let url = policy.parse(FIELD, text)?;
        let mut headers = HeaderMap::new();
        for name in TRACE_HEADERS {
            for value in request_headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        Ok(Self {
            url,
            events,
            headers,
            output: None,
            base: None,
        })
    }

    /// The same receiver with that much of the output, if the request says so.
    #[must_use]
    pub fn with_output(self, output: Option<WebhookOutput>) -> Self {
        Self { output, ..self }
    }

    /// The same receiver, which gets messages in Replicate's form; `base` is the address under which the caller reaches this
    /// server.
    #[must_use]
    pub fn in_replicates_form(self, base: String) -> Self {
        Self {
            base: Some(base),
            ..self
        }
    }

    /// The text that a store keeps.
    pub fn to_receiver(&self) -> Receiver {
        let headers = self.headers.iter().filter_map(|(name, value)| {
            let value = value.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        let stored = StoredWebhook {
            url: self.url.to_string(),
            events: self.events.clone(),
            headers: headers.collect(),
            output: self.output,
            base: self.base.clone(),
        };
        let text = serde_json::to_string(&stored);
        Receiver::new(text.expect("texts can be written as JSON"))
    }

    /// The receiver that a store has kept. Whether the policy allows it is checked when a message is sent.
    ///
    /// # Errors
    /// If the text is damaged.
    pub fn from_receiver(receiver: &Receiver) -> Result<Self, StoredWebhookError> {
        let stored: StoredWebhook = serde_json::from_str(receiver.as_str())
            .map_err(|error| StoredWebhookError(error.into()))?;
        let mut headers = HeaderMap::new();
        for (name, value) in stored.headers {
            let name = HeaderName::try_from(name);
            let value = HeaderValue::try_from(value);
            headers.append(
                name.map_err(|error| StoredWebhookError(error.into()))?,
                value.map_err(|error| StoredWebhookError(error.into()))?,
            );
        }
        Ok(Self {
            url: Url::parse(&stored.url).map_err(|error| StoredWebhookError(error.into()))?,
            events: stored.events,
            headers,
            output: stored.output,
            base: stored.base,
        })
    }
}

impl fmt::Debug for Webhook {
    /// Shows only the host: the rest of the URL may be a secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Webhook")
            .field("host", &self.url.host_str())
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

/// Sends messages to one receiver, with its headers.
struct HttpTransport {
    client: Arc<Client>,
    url: Url,
    headers: HeaderMap,
    /// The right to send, if other processes could send too.
    lease: Option<Arc<dyn WebhookLease>>,
    /// Where the names of messages are recorded, if that is not the lease.
    record: Option<MessageRecord>,
    key: Option<WebhookKey>,
}

/// Records the names of messages about a prediction in its store.
struct MessageRecord {
    store: Arc<dyn Store>,
    id: String,
    created_at: Timestamp,
}

impl MessageRecord {
    async fn record(&self, name: &str) -> Result<(), StoreError> {
        let Self {
            store,
            id,
            created_at,
        } = self;
        store.record_message(id, *created_at, name).await
    }
}

impl Transport for HttpTransport {
    async fn post(&self, name: &str, json: Bytes) -> Result<StatusCode, SendError> {
        if let Some(lease) = &self.lease
            && !lease.may_send().await
        {
            // Another process sends. Whoever lost the lease drops this.
            std::future::pending::<()>().await;
        }
        if let Some(record) = &self.record
            && record.record(name).await.is_err()
        {
            // The store is closed at the end of the process. The next one sends this.
            std::future::pending::<()>().await;
        }
        let mut headers = self.headers.clone();
        if let Ok(value) = HeaderValue::from_str(name) {
            headers.insert(MESSAGE_NAME, value);
        }
        if let Some(key) = &self.key {
            let now = Timestamp::now().as_second();
            headers.insert(TIMESTAMP, now.into());
            if let Ok(signature) = HeaderValue::from_str(&key.sign(name, now, &json)) {
                headers.insert(SIGNATURE, signature);
            }
        }
        let answer = self.client.post_json(&self.url, &headers, json).await;
        if let Some(lease) = &self.lease {
            let is_delivered = matches!(&answer, Ok(status) if status.is_success());
            // Other messages than the last are sent once, whatever the answer. Whoever continues must not send them again
            // after the last one.
            if is_delivered || !is_last(name) {
                lease.sent(name).await;
            }
        }
        answer
    }
}

impl WebhookSender {
    /// A sender without a token.
    pub fn new(client: Arc<Client>, config: WebhookConfig) -> Self {
        Self {
            client,
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            backlog: Backlog::new(config.backlog),
            config,
            authorization: None,
            api: None,
            store: None,
        }
    }

    /// Signs every message, and sends those to receivers that Replicate's clients have named in Replicate's form.
    #[must_use]
    pub fn with_api(self, api: Arc<Api>) -> Self {
        Self {
            api: Some(api),
            ..self
        }
    }

    /// Sets the store in which notes and deliveries are recorded, so that what is not delivered is sent after a restart.
    #[must_use]
    pub fn with_store(self, store: Arc<dyn Store>) -> Self {
        Self {
            store: Some(store),
            ..self
        }
    }

    /// Sets a bearer token for all receivers whose URL has no credentials of its own.
    ///
    /// # Errors
    /// If the token contains characters that a header cannot have.
    pub fn with_token(self, token: &SecretString) -> Result<Self, ClientError> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
            .map_err(|_| ClientError::Token)?;
        value.set_sensitive(true);
        Ok(Self {
            authorization: Some(value),
            ..self
        })
    }

    /// Starts to send webhooks about a prediction. It must be called within a tokio runtime.
    pub fn spawn(&self, prediction: Arc<Prediction>, webhook: Webhook) {
        self.start(prediction, webhook, Sent::default());
    }

    /// Continues to send webhooks about a prediction of an earlier process. It must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the stored receiver is damaged.
    pub fn resume(&self, undelivered: Undelivered) -> Result<(), StoredWebhookError> {
        let webhook = Webhook::from_receiver(&undelivered.receiver)?;
        let last = undelivered.last_message.as_deref();
        let sent = last.map_or_else(Sent::default, Sent::before);
        self.start(undelivered.prediction, webhook, sent);
        Ok(())
    }

    /// Sends webhooks about a prediction of any process while this one has the lease to them; `last` is the name of the last
    /// message that was sent by any process. The future returns whether nothing is left to be sent.
    ///
    /// # Errors
    /// If the stored receiver is damaged.
    pub fn send_leased(
        &self,
        prediction: Arc<Prediction>,
        receiver: &Receiver,
        last: Option<&str>,
        lease: Arc<dyn WebhookLease>,
    ) -> Result<impl Future<Output = bool> + Send + use<>, StoredWebhookError> {
        let webhook = Webhook::from_receiver(receiver)?;
        let sent = last.map_or_else(Sent::default, Sent::up_to);
        Ok(self.task(prediction, webhook, sent, Some(lease)).run())
    }

    fn start(&self, prediction: Arc<Prediction>, webhook: Webhook, sent: Sent) {
        let (id, created_at) = (prediction.id().to_owned(), prediction.created_at());
        let store = self.store.clone();
        let task = self.task(prediction, webhook, sent, None);
        let sending = async move {
            if task.run().await
                && let Some(store) = store
            {
                store.record_delivery(&id, created_at).await;
            }
        };
        self.tasks.spawn(sending.in_current_span());
    }

    fn task(
        &self,
        prediction: Arc<Prediction>,
        webhook: Webhook,
        sent: Sent,
        lease: Option<Arc<dyn WebhookLease>>,
    ) -> WebhookTask<Arc<Prediction>, HttpTransport> {
        let notes = match &self.store {
            Some(store) => DeliveryNotes::stored(&prediction, Arc::clone(store)),
            None => DeliveryNotes::of(&prediction),
        };
        let record = self.store.as_ref().map(|store| MessageRecord {
            store: Arc::clone(store),
            id: prediction.id().to_owned(),
            created_at: prediction.created_at(),
        });
        let api = self.api.as_ref();
        let site = api
            .zip(webhook.base)
            .map(|(api, base)| Site::new(api, base));
        let transport = HttpTransport {
            lease,
            record,
            ..self.transport(webhook.url, webhook.headers)
        };
        WebhookTask {
            deliverer: Deliverer {
                prediction_id: prediction.id().into(),
                transport,
                site,
                backoff: self.config.backoff,
                stopping: self.stopping.clone(),
                backlog: self.backlog.clone(),
                output: Mutex::new(webhook.output.unwrap_or(self.config.output)),
                lost: AtomicU32::new(0),
                notes,
            },
            prediction,
            events: webhook.events,
            throttle: self.config.throttle,
            grace: self.config.grace,
            sent,
        }
    }

    fn transport(&self, url: Url, mut headers: HeaderMap) -> HttpTransport {
        let own_credentials = !url.username().is_empty() || url.password().is_some();
        if let Some(authorization) = self.authorization.clone().filter(|_| !own_credentials) {
            headers.insert(AUTHORIZATION, authorization);
        }
        HttpTransport {
            client: Arc::clone(&self.client),
            url,
            headers,
            lease: None,
            record: None,
            key: self.api.as_ref().map(|api| api.webhook_key()),
        }
    }

    /// How many predictions have a receiver that waits for messages.
    pub fn pending(&self) -> usize {
        self.tasks.len()
    }

    /// Shortens the pauses between attempts to a second, during a shutdown.
    pub fn shorten_retries(&self) {
        self.stopping.cancel();
    }

    /// Waits until the last message to every receiver is delivered or given up. A receiver that
    /// never responds takes half a minute for each attempt, so a shutdown limits this wait.
    pub async fn wait_until_idle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use wiremock::MockServer;

    use super::*;
    use crate::delivery::ClientConfig;
    use crate::delivery::test_server::server_with;

    const TOKEN: &str = "hush-hush";

    fn sender() -> WebhookSender {
        let client = Client::new(ClientConfig::default()).unwrap();
        WebhookSender::new(Arc::new(client), WebhookConfig::default())
    }

    fn with_token() -> WebhookSender {
        sender().with_token(&TOKEN.into()).unwrap()
    }

    async fn authorizations(server: &MockServer) -> Vec<Option<String>> {
        let requests = server.received_requests().await.unwrap();
        let sent = requests.iter().map(|one| one.headers.get(AUTHORIZATION));
        sent.map(|value| Some(value?.to_str().unwrap().to_owned()))
            .collect()
    }

    async fn post(sender: &WebhookSender, address: &str) {
        let transport = sender.transport(address.parse().unwrap(), HeaderMap::new());
        transport.post("a.1.completed", "{}".into()).await.unwrap();
    }

    #[tokio::test]
    async fn webhooks_carry_the_token_unless_the_url_has_its_own_credentials() {
        let server = server_with(200, "").await;
        let sender = with_token();
        post(&sender, &server.uri()).await;
        let own = server.uri().replace("http://", "http://me:pw@");
        post(&sender, &own).await;
        let expected = ["Bearer hush-hush", "Basic bWU6cHc="].map(|one| Some(one.to_owned()));
        assert_eq!(authorizations(&server).await, expected);
    }

    #[tokio::test]
    async fn the_token_does_not_follow_a_redirect_to_another_host() {
        let target = server_with(200, "").await;
        let server = server_with(308, &target.uri()).await;
        post(&with_token(), &server.uri()).await;
        assert_eq!(authorizations(&target).await, [None]);
        let requests = target.received_requests().await.unwrap();
        assert_eq!(requests[0].body, b"{}");
        assert!(!requests[0].headers.contains_key("referer"));
    }

    #[test]
    fn the_debug_output_shows_no_token() {
        let shown = format!("{:?}", with_token());
        assert!(!shown.contains(TOKEN), "{shown}");
    }

    #[test]
    fn a_token_that_is_not_a_valid_header_is_rejected_without_showing_it() {
        let error = sender().with_token(&"hush\n".into()).unwrap_err();
        assert!(matches!(error, ClientError::Token));
        assert!(!format!("{error:?}").contains("hush"));
    }

    #[test]
    fn completed_is_tried_thirteen_times_in_seven_minutes() {
        let pauses: Vec<_> = WebhookConfig::default()
            .backoff
            .pauses()
            .map(|pause| pause.as_millis())
            .collect();
        assert_eq!(
            pauses,
            [
                200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 102_400, 102_400, 102_400
            ]
        );
    }

    #[test]
    fn the_error_for_an_invalid_receiver_names_the_field() {
        let policy = AddressPolicy::default();
        for text in ["", "not a url", "/hook", "ftp://a.example/"] {
            let parsed = Webhook::parse(&policy, text, EventFilter::default(), &HeaderMap::new());
            assert_eq!(parsed.unwrap_err().field(), "webhook", "{text}");
        }
    }

    #[test]
    fn only_the_trace_is_passed_on() {
        let mut headers = HeaderMap::new();
        for name in [
            "traceparent",
            "tracestate",
            "cookie",
            "authorization",
            "baggage",
        ] {
            headers.insert(name, "x".parse().unwrap());
        }
        headers.append("tracestate", "y".parse().unwrap());
        let policy = AddressPolicy::default();
        let filter = EventFilter::default();
        let webhook = Webhook::parse(&policy, "http://a.example/", filter, &headers).unwrap();
        let passed: Vec<_> = webhook.headers.iter().collect();
        assert_eq!(
            passed
                .iter()
                .map(|(name, _)| name.as_str())
                .collect::<Vec<_>>(),
            ["traceparent", "tracestate", "tracestate"]
        );
    }

    #[test]
    fn a_receiver_is_the_same_after_it_was_stored() {
        let mut headers = HeaderMap::new();
        headers.insert("traceparent", "00-1-2-01".parse().unwrap());
        let webhook = Webhook::parse(
            &AddressPolicy::default(),
            "http://me:hush@a.example/hook?key=1",
            EventFilter::only(&[super::super::event::WebhookEvent::Completed]),
            &headers,
        );
        let webhook = webhook.unwrap().with_output(Some(WebhookOutput::Last));
        let read = Webhook::from_receiver(&webhook.to_receiver()).unwrap();
        assert_eq!(read.url, webhook.url);
        assert_eq!(read.events, webhook.events);
        assert_eq!(read.headers, webhook.headers);
        assert_eq!(read.output, webhook.output);
        let damaged = Webhook::from_receiver(&Receiver::new("{}".to_owned()));
        assert!(damaged.is_err());
    }

    #[test]
    fn the_debug_output_shows_no_path_and_no_query() {
        let policy = AddressPolicy::default();
        let webhook = Webhook::parse(
            &policy,
            "http://me:hush@a.example/hush?key=hush",
            EventFilter::default(),
            &HeaderMap::new(),
        );
        let shown = format!("{:?}", webhook.unwrap());
        assert!(
            shown.contains("a.example") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
