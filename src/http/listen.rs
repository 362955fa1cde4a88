//! Connections: accepting them, serving HTTP/1.1 and HTTP/2 on them, and letting go of them.

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

use super::connection_watch::{Activity, AnswerBody, Answering, Patience, WatchedStream};
use super::drain::SharedBody;
use crate::backoff::Backoff;

/// The pauses after the system refused a connection, as when no file is left to open.
const ACCEPT_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(5),
    longest: Duration::from_secs(1),
    repeats: Backoff::ENDLESS,
};

/// Serves until `closing` is cancelled, and then until the last request is answered.
///
/// From that moment on new connections are refused, and each connection ends after the requests
/// that it is answering.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    patience: Patience,
    closing: CancellationToken,
) {
    let connections = TaskTracker::new();
    let mut pauses = ACCEPT_BACKOFF.pauses();
    while let Some(accepted) = closing.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                pauses = ACCEPT_BACKOFF.pauses();
                let connection = serve_one(stream, router.clone(), patience, closing.clone());
                connections.spawn(connection);
            }
            Err(error) if belongs_to_one_client(&error) => debug!(%error, "a client left early"),
            Err(error) => {
                let pause = pauses.next().unwrap_or(ACCEPT_BACKOFF.longest);
                warn!(%error, ?pause, "no connection can be accepted, trying again");
                sleep(pause).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Whether an error tells about the connection that was to be accepted rather than about us.
fn belongs_to_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

async fn serve_one(
    stream: TcpStream,
    router: Router,
    patience: Patience,
    closing: CancellationToken,
) {
    // Events are small and must not wait for each other.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "a connection cannot be told not to wait");
    }
    let activity = Activity::new();
    let io = TokioIo::new(WatchedStream {
        stream,
        activity: Arc::clone(&activity),
    });
    let noting = Arc::clone(&activity);
    let service = service_fn(move |request| answer(router.clone(), request, noting.begin()));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // The watch knows more than this timer, which also counts the pauses between requests.
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None);
    builder.http2().timer(TokioTimer::new());
    let mut connection = pin!(builder.serve_connection(io, service));
    tokio::select! {
        biased;
        ended = connection.as_mut() => return note(ended),
        () = patience_ends(&activity, patience) => return,
        () = closing.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let patience = patience.at_the_end();
    tokio::select! {
        biased;
        ended = connection.as_mut() => note(ended),
        () = patience_ends(&activity, patience) => {}
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    answering: Answering,
) -> Result<Response<AnswerBody>, Infallible> {
    let (parts, body) = request.into_parts();
    // HTTP/2 resets no more than the one stream, and who asks first has not sent the body yet.
    let resets = parts.version < Version::HTTP_2 && !parts.headers.contains_key(EXPECT);
    let body = SharedBody::new(body);
    let rest = resets.then(|| body.clone());
    let response = router
        .oneshot(Request::from_parts(parts, Body::new(body)))
        .await?;
    if let Some(rest) = rest {
        rest.take_in().await;
    }
    Ok(response.map(|body| AnswerBody {
        body,
        _answering: answering,
    }))
}

/// Waits until a connection has kept the server waiting for too long.
async fn patience_ends(activity: &Activity, patience: Patience) {
    loop {
        let now = Instant::now();
        let deadline = activity.deadline(patience);
        if deadline.is_some_and(|deadline| deadline <= now) {
            debug!("a connection kept waiting for too long is closed");
            return;
        }
        // A deadline that arises meanwhile lies no earlier than this.
        let again = now + patience.shortest();
        sleep_until(deadline.map_or(again, |deadline| deadline.min(again))).await;
    }
}

fn note(ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        debug!(%error, "a connection broke");
    }
}
