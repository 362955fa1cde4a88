//! Tracks the state of a connection, so that idle and stalled connections can be closed.
//!
//! A connection may be silent while a request on it is being answered, because a drawing takes
//! minutes. It may not stall in the middle of a request's head, stay open between requests forever,
//! or stop reading a response.
//!
//! On HTTP/1 a client that stops reading blocks the writes to its connection. On HTTP/2 it does not: each
//! stream has a window, and when that is used up the server has nothing to write. There the body of
//! a response notices that hyper no longer asks for more of it.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// The timeout of a connection without an active request while the server shuts down.
const CLOSING_TIMEOUT: Duration = Duration::from_secs(1);

/// The timeouts of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConnectionTimeouts {
    /// The maximum time from the first byte of a request to the end of its head.
    pub head: Duration,
    /// The maximum time between two requests.
    pub idle: Duration,
    /// The maximum time for which a client reads nothing of a response.
    pub stuck: Duration,
}

impl ConnectionTimeouts {
    /// The timeouts during shutdown: connections without an active request close soon.
    pub(super) fn while_closing(self) -> Self {
        Self {
            head: self.head.min(CLOSING_TIMEOUT),
            idle: self.idle.min(CLOSING_TIMEOUT),
            ..self
        }
    }

    /// The timeouts with none longer than `maximum`.
    pub(super) fn at_most(self, maximum: Duration) -> Self {
        Self {
            head: self.head.min(maximum),
            idle: self.idle.min(maximum),
            stuck: self.stuck.min(maximum),
        }
    }

    /// The shortest of the three timeouts.
    pub(super) fn shortest(self) -> Duration {
        self.head.min(self.idle).min(self.stuck)
    }
}

/// The version of HTTP, as far as connections behave differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// One request after another.
    Http1,
    /// Several requests at a time, and messages of the connection itself.
    Http2,
}

/// What one connection is doing, shared by its stream and its requests.
#[derive(Debug)]
pub(super) struct ConnectionState {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// The number of requests that are being answered.
    requests: usize,
    /// When the last active request ended.
    idle: Instant,
    /// When the first byte of the next request arrived.
    head: Option<Instant>,
    /// Since when writes have been blocked by the client.
    stuck: Option<Instant>,
    /// Whether a request has come over HTTP/2. From then on, bytes that arrive between requests need not be
    /// a head: they may be a ping, or a window update for the rest of a response.
    is_http2: bool,
    /// Since when the client has made no room for more of a response, by the number of the request.
    unread: HashMap<u64, Instant>,
    /// The number of the next request.
    next_request: u64,
}

impl ConnectionState {
    /// A new connection, idle from now on.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                requests: 0,
                idle: Instant::now(),
                head: None,
                stuck: None,
                is_http2: false,
                unread: HashMap::new(),
                next_request: 0,
            }),
        })
    }

    /// When the connection times out unless something happens first; `None` while a request is
    /// being answered and the client reads the response.
    pub(super) fn deadline(&self, timeouts: ConnectionTimeouts) -> Option<Instant> {
        let state = self.inner.lock();
        let stuck = state.unread.values().chain(&state.stuck).min();
        let stuck = stuck.map(|since| *since + timeouts.stuck);
        let waiting = (state.requests == 0).then(|| {
            state
                .head
                .map_or(state.idle + timeouts.idle, |since| since + timeouts.head)
        });
        stuck.into_iter().chain(waiting).min()
    }

    /// Records that a request's head has arrived; the request ends when the guard is dropped.
    pub(super) fn begin_request(self: &Arc<Self>, protocol: Protocol) -> ActiveRequest {
        let mut state = self.inner.lock();
        state.requests += 1;
        state.head = None;
        state.is_http2 |= protocol == Protocol::Http2;
        state.next_request += 1;
        ActiveRequest {
            connection: Arc::clone(self),
            number: state.next_request,
            protocol,
        }
    }

    fn received(&self) {
        let mut state = self.inner.lock();
        if state.requests == 0 && !state.is_http2 {
            state.head.get_or_insert_with(Instant::now);
        }
    }

    fn written<T>(&self, outcome: &Poll<T>) {
        let mut state = self.inner.lock();
        if outcome.is_pending() {
            state.stuck.get_or_insert_with(Instant::now);
        } else {
            state.stuck = None;
        }
    }
}

/// A request that is being answered, until the last byte of the response is handed to hyper.
#[derive(Debug)]
pub(super) struct ActiveRequest {
    connection: Arc<ConnectionState>,
    number: u64,
    protocol: Protocol,
}

impl ActiveRequest {
    /// Whether it came over HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.protocol == Protocol::Http2
    }

    /// Records that hyper asks for more of the response, because the client has room for it.
    pub(super) fn asked_for_more(&self) {
        if self.is_http2() {
            self.connection.inner.lock().unread.remove(&self.number);
        }
    }

    /// Records that hyper got a part of the response, which it sends as soon as the client has room.
    pub(super) fn got_data(&self) {
        if self.is_http2() {
            let mut state = self.connection.inner.lock();
            state.unread.insert(self.number, Instant::now());
        }
    }
}

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        let mut state = self.connection.inner.lock();
        state.unread.remove(&self.number);
        state.requests -= 1;
        state.idle = Instant::now();
    }
}

/// A TCP stream that records its reads and writes in a [`ConnectionState`].
#[derive(Debug)]
pub(super) struct TrackedStream {
    /// The stream of the client.
    pub(super) stream: TcpStream,
    /// Updated on every read and write.
    pub(super) state: Arc<ConnectionState>,
}

impl AsyncRead for TrackedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.state.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TrackedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.state.written(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.state.written(&outcome);
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: ConnectionTimeouts = ConnectionTimeouts {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        stuck: Duration::from_mins(1),
    };

    #[tokio::test(start_paused = true)]
    async fn the_timeout_is_long_between_requests_short_within_a_head_and_absent_during_a_response()
    {
        let state = ConnectionState::new();
        let start = Instant::now();
        assert_eq!(state.deadline(TIMEOUTS), Some(start + TIMEOUTS.idle));
        tokio::time::advance(Duration::from_secs(5)).await;
        state.received();
        tokio::time::advance(Duration::from_secs(5)).await;
        state.received();
        let first_byte = start + Duration::from_secs(5);
        assert_eq!(state.deadline(TIMEOUTS), Some(first_byte + TIMEOUTS.head));
        let active_request = state.begin_request(Protocol::Http1);
        state.received();
        assert_eq!(state.deadline(TIMEOUTS), None);
        tokio::time::advance(Duration::from_secs(500)).await;
        drop(active_request);
        let now = Instant::now();
        assert_eq!(state.deadline(TIMEOUTS), Some(now + TIMEOUTS.idle));
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_the_client_does_not_read_times_out() {
        let state = ConnectionState::new();
        let _active_request = state.begin_request(Protocol::Http1);
        state.written::<()>(&Poll::Pending);
        let since = Instant::now();
        tokio::time::advance(Duration::from_secs(20)).await;
        state.written::<()>(&Poll::Pending);
        assert_eq!(state.deadline(TIMEOUTS), Some(since + TIMEOUTS.stuck));
        state.written(&Poll::Ready(()));
        assert_eq!(state.deadline(TIMEOUTS), None);
    }

    #[tokio::test(start_paused = true)]
    async fn on_http_2_a_response_times_out_when_no_more_of_it_is_asked_for() {
        let state = ConnectionState::new();
        let [first, second] = [(); 2].map(|()| state.begin_request(Protocol::Http2));
        first.got_data();
        let since = Instant::now();
        tokio::time::advance(Duration::from_secs(20)).await;
        second.got_data();
        second.asked_for_more();
        assert_eq!(state.deadline(TIMEOUTS), Some(since + TIMEOUTS.stuck));
        drop(first);
        assert_eq!(state.deadline(TIMEOUTS), None);
    }

    #[tokio::test(start_paused = true)]
    async fn on_http_2_what_arrives_between_requests_neither_is_a_head_nor_prolongs_the_wait() {
        let state = ConnectionState::new();
        drop(state.begin_request(Protocol::Http2));
        let since = Instant::now();
        tokio::time::advance(Duration::from_secs(5)).await;
        state.received();
        assert_eq!(state.deadline(TIMEOUTS), Some(since + TIMEOUTS.idle));
    }
}
