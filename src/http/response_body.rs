//! The body of a response, which keeps its request active and notices a client that does not read it.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};

use super::connection_watch::ActiveRequest;

/// The maximum size in bytes of the pieces in which hyper gets a body on HTTP/2. It accepts the next piece only
/// when the client has made room for the previous one, which shows whether the client reads.
const PIECE_BYTES: usize = 16 << 10;

/// The body of a response.
#[derive(Debug)]
pub(super) struct ResponseBody {
    /// The body that the router returned.
    body: Body,
    /// What is left of its last frame.
    rest: Bytes,
    /// Dropped together with the body.
    active_request: ActiveRequest,
}

impl ResponseBody {
    /// A body that keeps its request active until it is dropped.
    pub(super) fn new(body: Body, active_request: ActiveRequest) -> Self {
        Self {
            body,
            rest: Bytes::new(),
            active_request,
        }
    }

    /// The next piece of a frame; the rest of the frame follows.
    fn piece(&mut self, mut data: Bytes) -> Frame<Bytes> {
        if self.active_request.is_http2() && data.len() > PIECE_BYTES {
            self.rest = data.split_off(PIECE_BYTES);
        }
        Frame::data(data)
    }
}

impl HttpBody for ResponseBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.active_request.asked_for_more();
        let rest = std::mem::take(&mut self.rest);
        let polled = if rest.is_empty() {
            Pin::new(&mut self.body).poll_frame(context)
        } else {
            Poll::Ready(Some(Ok(Frame::data(rest))))
        };
        let Poll::Ready(Some(Ok(frame))) = polled else {
            return polled;
        };
        self.active_request.got_data();
        Poll::Ready(Some(Ok(match frame.into_data() {
            Ok(data) => self.piece(data),
            Err(other) => other,
        })))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let body = self.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower() + rest);
        if let Some(upper) = body.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::super::connection_watch::{ConnectionState, Protocol};
    use super::*;

    async fn pieces(protocol: Protocol, bytes: usize) -> Vec<usize> {
        let state = ConnectionState::new();
        let body = Body::from(vec![7; bytes]);
        let mut body = ResponseBody::new(body, state.begin_request(protocol));
        let mut found = Vec::new();
        loop {
            let left = body.size_hint().exact().unwrap();
            let polled = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context));
            let Some(frame) = polled.await else { break };
            let data = frame.unwrap().into_data().unwrap();
            assert_eq!(body.size_hint().exact(), Some(left - data.len() as u64));
            assert_eq!(body.is_end_stream(), left == data.len() as u64);
            found.push(data.len());
        }
        found
    }

    #[tokio::test]
    async fn on_http_2_a_body_is_handed_over_in_pieces() {
        let large = 2 * PIECE_BYTES + 1;
        assert_eq!(pieces(Protocol::Http1, large).await, [large]);
        assert_eq!(
            pieces(Protocol::Http2, large).await,
            [PIECE_BYTES, PIECE_BYTES, 1]
        );
        assert_eq!(pieces(Protocol::Http2, PIECE_BYTES).await, [PIECE_BYTES]);
    }

    #[tokio::test]
    async fn the_pieces_are_the_body() {
        let bytes: Vec<u8> = (0..100_000_u32).map(|number| number as u8).collect();
        let request = ConnectionState::new().begin_request(Protocol::Http2);
        let body = ResponseBody::new(Body::from(bytes.clone()), request);
        let read = to_bytes(Body::new(body), usize::MAX).await.unwrap();
        assert_eq!(read, bytes);
    }
}
