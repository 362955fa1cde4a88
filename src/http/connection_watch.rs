//! What a connection is doing, so that one that does nothing can be closed.
//!
//! A connection may be silent for as long as a request on it is being answered: a drawing takes
//! minutes. It may not be silent in the middle of a request's head, nor keep a finished
//! conversation open for ever, nor leave an answer lying that it asked for.

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

/// How long a connection that has nothing under way is waited for when the server closes.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long a connection may keep the server waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// Between requests.
    pub idle: Duration,
    /// While the client takes nothing of an answer.
    pub stuck: Duration,
}

impl Patience {
    /// What is left of it when the server closes: nobody is waited for who asks for nothing.
    pub(super) fn at_the_end(self) -> Self {
        Self {
            head: self.head.min(FAREWELL),
            idle: self.idle.min(FAREWELL),
            ..self
        }
    }

    pub(super) fn shortest(self) -> Duration {
        self.head.min(self.idle).min(self.stuck)
    }
}

/// What one connection is doing.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Requests that are being answered.
    requests: usize,
    /// Since when there are none.
    idle: Instant,
    /// When the first byte of the next request came.
    head: Option<Instant>,
    /// Since when the client takes nothing of what is written.
    stuck: Option<Instant>,
}

impl Activity {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                requests: 0,
                idle: Instant::now(),
                head: None,
                stuck: None,
            }),
        })
    }

    /// When patience ends if nothing happens until then; never while a request is being answered
    /// to a client that takes the answer.
    pub(super) fn deadline(&self, patience: Patience) -> Option<Instant> {
        let state = self.state.lock();
        let stuck = state.stuck.map(|since| since + patience.stuck);
        let waiting = (state.requests == 0).then(|| {
            state
                .head
                .map_or(state.idle + patience.idle, |since| since + patience.head)
        });
        stuck.into_iter().chain(waiting).min()
    }

    /// Says that a request's head has come; the request ends when the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Answering {
        let mut state = self.state.lock();
        state.requests += 1;
        state.head = None;
        Answering(Arc::clone(self))
    }

    fn received(&self) {
        let mut state = self.state.lock();
        if state.requests == 0 {
            state.head.get_or_insert_with(Instant::now);
        }
    }

    fn written<T>(&self, outcome: &Poll<T>) {
        let mut state = self.state.lock();
        if outcome.is_pending() {
            state.stuck.get_or_insert_with(Instant::now);
        } else {
            state.stuck = None;
        }
    }
}

/// A request that is being answered, until the last byte of the answer is handed over.
#[derive(Debug)]
pub(super) struct Answering(Arc<Activity>);

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.requests -= 1;
        state.idle = Instant::now();
    }
}

/// The body of an answer, together with the knowledge that it is not sent yet.
#[derive(Debug)]
pub(super) struct AnswerBody {
    pub(super) body: Body,
    pub(super) _answering: Answering,
}

impl HttpBody for AnswerBody {
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

/// A connection that notes what it is doing.
#[derive(Debug)]
pub(super) struct WatchedStream {
    pub(super) stream: TcpStream,
    pub(super) activity: Arc<Activity>,
}

impl AsyncRead for WatchedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before {
            self.activity.received();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for WatchedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.activity.written(&outcome);
        outcome
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.activity.written(&outcome);
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

    const PATIENCE: Patience = Patience {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        stuck: Duration::from_mins(1),
    };

    #[tokio::test(start_paused = true)]
    async fn patience_is_long_between_requests_short_within_a_head_and_endless_during_an_answer() {
        let activity = Activity::new();
        let start = Instant::now();
        assert_eq!(activity.deadline(PATIENCE), Some(start + PATIENCE.idle));
        tokio::time::advance(Duration::from_secs(5)).await;
        activity.received();
        tokio::time::advance(Duration::from_secs(5)).await;
        activity.received();
        let first_byte = start + Duration::from_secs(5);
        assert_eq!(
            activity.deadline(PATIENCE),
            Some(first_byte + PATIENCE.head)
        );
        let answering = activity.begin();
        activity.received();
        assert_eq!(activity.deadline(PATIENCE), None);
        tokio::time::advance(Duration::from_secs(500)).await;
        drop(answering);
        let now = Instant::now();
        assert_eq!(activity.deadline(PATIENCE), Some(now + PATIENCE.idle));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_patience() {
        let activity = Activity::new();
        let _answering = activity.begin();
        activity.written::<()>(&Poll::Pending);
        let since = Instant::now();
        tokio::time::advance(Duration::from_secs(20)).await;
        activity.written::<()>(&Poll::Pending);
        assert_eq!(activity.deadline(PATIENCE), Some(since + PATIENCE.stuck));
        activity.written(&Poll::Ready(()));
        assert_eq!(activity.deadline(PATIENCE), None);
    }
}
