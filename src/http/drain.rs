//! What no handler has read of a request's body.
//!
//! A connection that is closed while bytes on it are unread is reset, and a reset takes answers away
//! that are on their way. So the rest of a body that was refused unread is taken in before the
//! answer is sent, if there is little of it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use tokio::time::timeout;

/// The most bytes that are taken in.
const MOST: usize = 1 << 20;

/// The longest time that they may take.
const LONGEST: Duration = Duration::from_secs(1);

/// A body that the handler reads, and after it who takes in the rest.
#[derive(Debug, Clone)]
pub(super) struct SharedBody(Arc<Mutex<Incoming>>);

impl SharedBody {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    /// Takes in what is left, within bounds.
    pub(super) async fn take_in(mut self) {
        let mut bytes = 0;
        let taking = async {
            while bytes < MOST && !self.is_end_stream() {
                let frame = std::future::poll_fn(|context| Pin::new(&mut self).poll_frame(context));
                let Some(Ok(frame)) = frame.await else { return };
                bytes += frame.data_ref().map_or(0, Bytes::len);
            }
        };
        // Who is slower loses the connection, and perhaps the answer.
        let _ = timeout(LONGEST, taking).await;
    }
}

impl HttpBody for SharedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut *self.0.lock()).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().size_hint()
    }
}
