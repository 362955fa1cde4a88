//! Drains the part of a request body that no handler has read.
//!
//! Closing a connection with unread bytes resets it, and a reset can discard a response that is
//! still on its way. So when a body is rejected unread, a small remainder is read and discarded
//! before the response is sent.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use tokio::time::timeout;

/// The maximum number of bytes that are drained.
const MAX_BYTES: usize = 1 << 20;

/// The maximum time that draining may take.
const MAX_TIME: Duration = Duration::from_secs(1);

/// A request body that is read first by the handler and then by [`SharedBody::drain`].
#[derive(Debug, Clone)]
pub(super) struct SharedBody(Arc<Mutex<Incoming>>);

impl SharedBody {
    /// Wraps the body of a request.
    pub(super) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }

    /// Reads and discards what is left of the body, within [`MAX_BYTES`] and [`MAX_TIME`].
    pub(super) async fn drain(mut self) {
        let mut bytes = 0;
        let draining = async {
            while bytes < MAX_BYTES && !self.is_end_stream() {
                let frame = std::future::poll_fn(|context| Pin::new(&mut self).poll_frame(context));
                let Some(Ok(frame)) = frame.await else { return };
                bytes += frame.data_ref().map_or(0, Bytes::len);
            }
        };
        // A slower client loses the connection, and possibly the response.
        let _ = timeout(MAX_TIME, draining).await;
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
