//! Accepts connections, serves HTTP/1.1 and HTTP/2 on them, and closes them.
//!
//! `axum::serve` is not enough here. It gives hyper no timer, without which none of hyper's timeouts takes
//! effect, and no way to set one. hyper's header timeout would not do either: it runs from the moment at which a
//! connection waits for a request, so a limit for slow heads would also be the limit for idle keep-alive
//! connections. Neither has a timeout for a client that stops reading its response.
//!
//! This loop tracks both sides of every connection, so that a drawing may take minutes while a slow head, an
//! idle connection and a stalled response each have a limit. It also drains rejected bodies before it responds.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::header::EXPECT;
use hyper::service::service_fn;
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::connection_watch::{
    ActiveRequest, ConnectionState, ConnectionTimeouts, ResponseBody, TrackedStream,
};
use super::drain::SharedBody;
use crate::backoff::Backoff;

/// The pauses after a failed `accept`, for example when no file descriptor is left.
const ACCEPT_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(5),
    longest: Duration::from_secs(1),
    repeats: Backoff::ENDLESS,
};

/// Serves until `closing` is cancelled, and then until the last request is answered.
///
/// After cancellation, new connections are refused, and each open connection closes once its
/// active requests are answered.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    timeouts: ConnectionTimeouts,
    closing: CancellationToken,
) {
    let connections = TaskTracker::new();
    let mut pauses = ACCEPT_BACKOFF.pauses();
    while let Some(accepted) = closing.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                pauses = ACCEPT_BACKOFF.pauses();
                let connection =
                    serve_connection(stream, router.clone(), timeouts, closing.clone());
                connections.spawn(connection);
            }
            Err(error) if is_connection_error(&error) => {
                debug!(%error, "a client disconnected before its connection was accepted");
            }
            Err(error) => {
                let pause = pauses.next().unwrap_or(ACCEPT_BACKOFF.longest);
                warn!(%error, ?pause, "accepting a connection failed, retrying");
                sleep(pause).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Whether an `accept` error concerns only the one connection, and not the listener.
fn is_connection_error(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

async fn serve_connection(
    stream: TcpStream,
    router: Router,
    timeouts: ConnectionTimeouts,
    closing: CancellationToken,
) {
    // Events are small and must not be delayed by Nagle's algorithm.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "TCP_NODELAY cannot be set");
    }
    let connection_state = ConnectionState::new();
    let io = TokioIo::new(TrackedStream {
        stream,
        state: Arc::clone(&connection_state),
    });
    let tracked = Arc::clone(&connection_state);
    let service =
        service_fn(move |request| respond(router.clone(), request, tracked.begin_request()));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // hyper's timer also counts the idle time between requests; `timed_out` tells them apart.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None);
    builder.http2().timer(TokioTimer::new());
    let mut connection = pin!(builder.serve_connection(io, service));
    tokio::select! {
        biased;
        ended = connection.as_mut() => return log_end(ended),
        () = timed_out(&connection_state, timeouts) => return,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let timeouts = timeouts.while_closing();
    tokio::select! {
        biased;
        ended = connection.as_mut() => log_end(ended),
        () = timed_out(&connection_state, timeouts) => {}
    }
}

async fn respond(
    router: Router,
    request: Request<Incoming>,
    active_request: ActiveRequest,
) -> Result<Response<ResponseBody>, Infallible> {
    let (parts, body) = request.into_parts();
    // HTTP/2 resets only the one stream, and a client that sent `Expect` holds its body back.
    let resets = parts.version < Version::HTTP_2 && !parts.headers.contains_key(EXPECT);
    let body = SharedBody::new(body);
    let rest = resets.then(|| body.clone());
    let response = router
        .oneshot(Request::from_parts(parts, Body::new(body)))
        .await?;
    if let Some(rest) = rest {
        rest.drain().await;
    }
    Ok(response.map(|body| ResponseBody {
        body,
        _active_request: active_request,
    }))
}

/// Returns when a connection has exceeded one of its timeouts.
async fn timed_out(state: &ConnectionState, timeouts: ConnectionTimeouts) {
    loop {
        let now = Instant::now();
        let deadline = state.deadline(timeouts);
        if deadline.is_some_and(|deadline| deadline <= now) {
            debug!("closing a connection that timed out");
            return;
        }
        // A deadline that is set in the meantime cannot be earlier than this.
        let next_check = now + timeouts.shortest();
        sleep_until(deadline.map_or(next_check, |deadline| deadline.min(next_check))).await;
    }
}

fn log_end(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        debug!(%error, "a connection failed");
    }
}
