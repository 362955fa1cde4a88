//! The connection to the broker, which is made again when it is lost.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind,
    IntoConnectionInfo, RedisError, TlsCertificates, Value, cmd,
};
use secrecy::ExposeSecret;
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::config::BrokerConfig;
use super::error::BrokerError;
use super::measure;
use super::outage::Outage;
use super::script::{SETUP, Script};
use super::version::check_layout;
use crate::errors::chain;
use crate::tls;

/// How long a connection may take, with all that belongs to it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long an answer may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The pause after an attempt to connect that failed. Requests fail at once meanwhile.
const CONNECT_PAUSE: Duration = Duration::from_millis(200);

/// The name of the attempt to connect, among those of requests.
const CONNECTING: &str = "connect";

/// The arguments of a script after the prefix.
pub(super) type Arguments = Vec<Vec<u8>>;

/// The arguments of a script from its parts.
pub(super) fn arguments<const N: usize>(parts: [&[u8]; N]) -> Arguments {
    parts.map(<[u8]>::to_vec).into()
}

/// Yes or no as an argument of a script.
pub(super) fn flag(yes: bool) -> &'static [u8] {
    if yes { b"1" } else { b"0" }
}

/// The connection to the broker, which is made again when it is lost.
pub(super) struct Link {
    config: Arc<BrokerConfig>,
    info: ConnectionInfo,
    certificates: Option<Vec<u8>>,
    connection: AsyncMutex<Connected>,
    state: Mutex<LinkState>,
    outage: Arc<Outage>,
}

#[derive(Default)]
struct Connected {
    current: Option<Connection>,
    number: u64,
    failed: Option<Instant>,
}

#[derive(Clone)]
struct Connection {
    /// It grows with each connection.
    number: u64,
    made_at: Instant,
    to_broker: MultiplexedConnection,
}

#[derive(Debug, Default)]
struct LinkState {
    /// Why the broker cannot be used at the moment.
    fault: Option<String>,
    /// The same if its user lacks a right. Other requests may succeed nevertheless, so it lasts until the script that needs all
    /// rights has succeeded.
    forbidden: Option<String>,
    /// Where the keys are, if a node of a cluster has said so.
    moved: Option<(String, u16)>,
    /// From when on leases may be taken over.
    take_over_from: Option<Instant>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Link")
    }
}

impl Link {
    pub(super) fn new(config: Arc<BrokerConfig>) -> Result<Self, BrokerError> {
        tls::install_crypto_provider();
        let info = config
            .url()
            .into_connection_info()
            .map_err(BrokerError::Url)?;
        let certificates = config.certificates.as_ref().map(|path| {
            std::fs::read(path).map_err(|cause| BrokerError::Certificates {
                path: path.display().to_string(),
                cause,
            })
        });
        let link = Self {
            config,
            info,
            certificates: certificates.transpose()?,
            connection: AsyncMutex::default(),
            state: Mutex::default(),
            outage: Arc::default(),
        };
        link.client_for(None)?;
        Ok(link)
    }

    /// Another connection to the same broker.
    pub(super) fn another(&self) -> Self {
        Self {
            config: Arc::clone(&self.config),
            info: self.info.clone(),
            certificates: self.certificates.clone(),
            connection: AsyncMutex::default(),
            state: Mutex::default(),
            outage: Arc::clone(&self.outage),
        }
    }

    /// Why the broker cannot be used at the moment.
    pub(super) fn fault(&self) -> Option<String> {
        let state = self.state.lock();
        state.fault.as_ref().or(state.forbidden.as_ref()).cloned()
    }

    /// Whether a lease that was not renewed in time means that its worker is lost. After an outage of the broker, no worker
    /// could renew its leases.
    pub(super) fn may_take_over(&self) -> bool {
        let state = self.state.lock();
        state.fault.is_none()
            && state
                .take_over_from
                .is_some_and(|from| Instant::now() >= from)
    }

    /// Runs a script. After a lost connection it is sent once more, if it may be repeated.
    pub(super) async fn call(
        &self,
        script: &Script,
        arguments: &Arguments,
    ) -> Result<Value, BrokerError> {
        let first = self.try_call(script, arguments).await;
        match &first {
            Err(BrokerError::Away(_)) if script.repeats => self.try_call(script, arguments).await,
            Err(BrokerError::Refused(cause))
                if matches!(cause.code(), Some("NOGROUP" | "WRONGTYPE")) =>
            {
                // Somebody has emptied the broker, or put something else in the place of a key.
                self.try_call(&SETUP, &Vec::new()).await?;
                self.try_call(script, arguments).await
            }
            _ => first,
        }
    }

    async fn try_call(&self, script: &Script, arguments: &Arguments) -> Result<Value, BrokerError> {
        let began = Instant::now();
        let by_hash = self.command("EVALSHA", &script.hash, arguments);
        let answer = match self.send(script.name, &by_hash).await {
            Err(BrokerError::Refused(cause)) if cause.code() == Some("NOSCRIPT") => {
                let by_code = self.command("EVAL", &script.code, arguments);
                self.send(script.name, &by_code).await
            }
            answer => answer,
        };
        measure::call(script.name, began.elapsed());
        if answer.is_ok() && script.name == SETUP.name {
            self.state.lock().forbidden = None;
        }
        answer
    }

    fn command(&self, name: &str, script: &str, arguments: &Arguments) -> Cmd {
        let mut command = cmd(name);
        // All keys have the same tag, so one of them says on which node of a cluster the script runs.
        command
            .arg(script)
            .arg(1)
            .arg(format!("{}model", self.config.prefix))
            .arg(&self.config.prefix);
        for argument in arguments {
            command.arg(&argument[..]);
        }
        command
    }

    /// Sends a request that is not a script.
    pub(super) async fn request(&self, command: &Cmd) -> Result<Value, BrokerError> {
        self.send("command", command).await
    }

    /// Sends a request under a name.
    async fn send(&self, name: &str, command: &Cmd) -> Result<Value, BrokerError> {
        let mut connection = self.connected().await?;
        let answer = connection.to_broker.req_packed_command(command);
        let Ok(answer) = timeout(RESPONSE_TIMEOUT, answer).await else {
            self.disconnect(&connection).await;
            return Err(self.failed(name, BrokerError::Timeout, None));
        };
        match answer.and_then(Value::extract_error) {
            Ok(value) => {
                self.state.lock().fault = None;
                self.outage.succeeded(name);
                Ok(value)
            }
            Err(cause) => Err(self.handle(&connection, name, cause).await),
        }
    }

    async fn handle(&self, connection: &Connection, name: &str, cause: RedisError) -> BrokerError {
        if let Some((address, _)) = cause.redirect_node() {
            let target = address
                .rsplit_once(':')
                .and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
            self.state.lock().moved = target;
            self.disconnect(connection).await;
            return self.failed(name, BrokerError::Away(cause), None);
        }
        let error = BrokerError::of(cause);
        if let BrokerError::Away(_) = error {
            self.disconnect(connection).await;
            return self.failed(name, error, Some(connection.made_at));
        }
        if error.is_temporary() {
            self.failed(name, error, None)
        } else {
            error
        }
    }

    /// Remembers why the broker cannot be used, and says it once. If a connection was lost, `made_at` tells when it was made.
    fn failed(&self, name: &str, error: BrokerError, made_at: Option<Instant>) -> BrokerError {
        if matches!(error, BrokerError::Forbidden(_)) {
            return self.forbidden(error);
        }
        measure::failure();
        self.outage.failed(name, &error, made_at);
        self.state.lock().fault = Some(error.to_string());
        error
    }

    /// Remembers that the broker's user lacks a right, and says which one.
    pub(super) fn forbidden(&self, error: BrokerError) -> BrokerError {
        measure::failure();
        let mut state = self.state.lock();
        if state.forbidden.is_none() {
            warn!(error = chain(&error), "the broker cannot be used");
        }
        state.forbidden = Some(error.to_string());
        error
    }

    async fn disconnect(&self, connection: &Connection) {
        let mut connected = self.connection.lock().await;
        let current = connected.current.as_ref();
        if current.is_some_and(|current| current.number == connection.number) {
            connected.current = None;
        }
    }

    async fn connected(&self) -> Result<Connection, BrokerError> {
        let mut connected = self.connection.lock().await;
        if let Some(current) = &connected.current {
            return Ok(current.clone());
        }
        if connected
            .failed
            .is_some_and(|failed| failed.elapsed() < CONNECT_PAUSE)
        {
            return Err(BrokerError::Timeout);
        }
        let made = timeout(CONNECT_TIMEOUT, self.connect()).await;
        match made.unwrap_or(Err(BrokerError::Timeout)) {
            Ok(connection) => {
                connected.number += 1;
                connected.failed = None;
                self.outage.succeeded(CONNECTING);
                let current = Connection {
                    number: connected.number,
                    made_at: Instant::now(),
                    to_broker: connection,
                };
                connected.current = Some(current.clone());
                Ok(current)
            }
            Err(error) => {
                connected.failed = Some(Instant::now());
                self.state.lock().moved = None;
                Err(self.failed(CONNECTING, error, None))
            }
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, BrokerError> {
        let client = self.client().await?;
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let mut connection = client
            .get_multiplexed_async_connection_with_config(&settings)
            .await
            .map_err(connection_error)?;
        // A broker that loads its data accepts connections, but answers only later.
        let ping = cmd("PING").exec_async(&mut connection).await;
        ping.map_err(BrokerError::of)?;
        self.check_layout(&mut connection).await?;
        let uptime = uptime(&mut connection).await;
        self.connected_now(uptime);
        Ok(connection)
    }

    /// Refuses a broker whose keys have a layout that only a newer version knows.
    async fn check_layout(
        &self,
        connection: &mut MultiplexedConnection,
    ) -> Result<(), BrokerError> {
        let mut get = cmd("GET");
        get.arg(format!("{}layout", self.config.prefix));
        // What somebody has put in its place is mended by the script that makes the streams.
        let layout: Option<u32> = get.query_async(connection).await.unwrap_or_default();
        layout.map_or(Ok(()), check_layout)
    }

    /// Gives up the connection if the keys have got a layout that only a newer version knows. It is refused from then on.
    pub(super) async fn refuse_newer(&self, layout: u32) {
        if let Err(error) = check_layout(layout) {
            self.connection.lock().await.current = None;
            self.failed(CONNECTING, error, None);
        }
    }

    /// Decides from when on leases may be taken over: at once by a process that has just started, and otherwise after the time
    /// in which all workers renew their leases.
    fn connected_now(&self, uptime: Option<Duration>) {
        let lease = self.config.lease;
        let now = Instant::now();
        let mut state = self.state.lock();
        let missing = match (state.take_over_from, uptime) {
            (Some(_), _) => lease,
            (None, Some(uptime)) => lease.saturating_sub(uptime),
            (None, None) => Duration::ZERO,
        };
        if state.take_over_from.is_none() {
            info!("connected to the broker");
        }
        state.take_over_from = Some(now + missing);
        state.fault = None;
    }

    /// A client with the current password.
    pub(super) async fn client(&self) -> Result<Client, BrokerError> {
        let token = match &self.config.token_command {
            Some(command) => Some(command.run().await?),
            None => None,
        };
        self.client_for(token.as_ref().map(ExposeSecret::expose_secret))
    }

    fn client_for(&self, password: Option<&str>) -> Result<Client, BrokerError> {
        let mut info = self.info.clone();
        if let Some(password) = password {
            let settings = info.redis_settings().clone().set_password(password);
            info = info.set_redis_settings(settings);
        }
        if let Some((host, port)) = self.state.lock().moved.clone() {
            let address = match info.addr().clone() {
                ConnectionAddr::TcpTls {
                    insecure,
                    tls_params,
                    ..
                } => ConnectionAddr::TcpTls {
                    host,
                    port,
                    insecure,
                    tls_params,
                },
                _ => ConnectionAddr::Tcp(host, port),
            };
            info = info.set_addr(address);
        }
        match &self.certificates {
            Some(certificates) => Client::build_with_tls(
                info,
                TlsCertificates {
                    client_tls: None,
                    root_cert: Some(certificates.clone()),
                },
            ),
            None => Client::open(info),
        }
        .map_err(BrokerError::Config)
    }
}

fn connection_error(cause: RedisError) -> BrokerError {
    if cause.kind() == ErrorKind::InvalidClientConfig {
        BrokerError::Config(cause)
    } else {
        BrokerError::Away(cause)
    }
}

/// For how long the broker has been running, if it says so.
async fn uptime(connection: &mut MultiplexedConnection) -> Option<Duration> {
    let text: String = cmd("INFO")
        .arg("server")
        .query_async(connection)
        .await
        .ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("uptime_in_seconds:"));
    Some(Duration::from_secs(line?.trim().parse().ok()?))
}
