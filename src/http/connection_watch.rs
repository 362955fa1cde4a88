//! Tracks the state of a connection, so that idle and stalled connections can be closed.
//!
//! A connection may be silent while a request on it is being answered, because a drawing takes
//! minutes. It may not stall in the middle of a request's head, stay open between requests forever,
//! or stop reading a response.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
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

    /// The shortest of the three timeouts.
    pub(super) fn shortest(self) -> Duration {
        self.head.min(self.idle).min(self.stuck)
    }
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
            }),
        })
    }

    /// When the connection times out unless something happens first; `None` while a request is
    /// being answered and the client reads the response.
    pub(super) fn deadline(&self, timeouts: ConnectionTimeouts) -> Option<Instant> {
        let state = self.inner.lock();
        let stuck = state.stuck.map(|since| since + timeouts.stuck);
        let waiting = (state.requests == 0).then(|| {
            state
                .head
                .map_or(state.idle + timeouts.idle, |since| since + timeouts.head)
        });
        stuck.into_iter().chain(waiting).min()
    }

    /// Records that a request's head has arrived; the request ends when the guard is dropped.
    pub(super) fn begin_request(self: &Arc<Self>) -> ActiveRequest {
        let mut state = self.inner.lock();
        state.requests += 1;
        state.head = None;
        ActiveRequest(Arc::clone(self))
    }

    fn received(&self) {
        let mut state = self.inner.lock();
        if state.requests == 0 {
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
pub(super) struct ActiveRequest(Arc<ConnectionState>);

impl Drop for ActiveRequest {
    fn drop(&mut self) {
        let mut state = self.0.inner.lock();
        state.requests -= 1;
        state.idle = Instant::now();
    }
}

/// The body of a response, which keeps its request active until it is sent.
#[derive(Debug)]
pub(super) struct ResponseBody {
    /// The body that the router returned.
    pub(super) body: Body,
    /// Dropped together with the body.
    pub(super) _active_request: ActiveRequest,
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
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
        let active_request = state.begin_request();
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
        let _active_request = state.begin_request();
        state.written::<()>(&Poll::Pending);
        let since = Instant::now();
        tokio::time::advance(Duration::from_secs(20)).await;
        state.written::<()>(&Poll::Pending);
        assert_eq!(state.deadline(TIMEOUTS), Some(since + TIMEOUTS.stuck));
        state.written(&Poll::Ready(()));
        assert_eq!(state.deadline(TIMEOUTS), None);
    }
}
