//! The limit on open connections. A few connections beyond it are still served, so that health checks are
//! answered and other clients get an error with the reason.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{info, warn};

/// How many connections beyond the limit are served at the same time. Each is open only briefly.
const RESERVE: usize = 32;

/// What a connection may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Every request.
    Full,
    /// Health checks. All other requests are refused.
    HealthOnly,
}

/// A permit for one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    /// What the connection may be used for.
    pub(super) access: Access,
    _permit: OwnedSemaphorePermit,
}

/// Counts the open connections.
#[derive(Debug)]
pub(super) struct ConnectionLimit {
    maximum: usize,
    regular: Arc<Semaphore>,
    reserve: Arc<Semaphore>,
    /// Whether the last connection was beyond the limit.
    reached: AtomicBool,
}

impl ConnectionLimit {
    /// Allows `maximum` connections, and a few that are for health checks only.
    pub(super) fn new(maximum: usize) -> Self {
        Self {
            maximum,
            regular: Arc::new(Semaphore::new(maximum.min(Semaphore::MAX_PERMITS))),
            reserve: Arc::new(Semaphore::new(RESERVE)),
            reached: AtomicBool::new(false),
        }
    }

    /// Admits a connection. If the reserve is used up too, it waits until one of those connections ends,
    /// which is soon. Until then new connections wait in the backlog of the operating system.
    pub(super) async fn admit(&self) -> ConnectionPermit {
        let (permit, access) = tokio::select! {
            biased;
            permit = Arc::clone(&self.regular).acquire_owned() => (permit, Access::Full),
            permit = Arc::clone(&self.reserve).acquire_owned() => (permit, Access::HealthOnly),
        };
        self.report(access);
        ConnectionPermit {
            access,
            _permit: permit.expect("the semaphores are never closed"),
        }
    }

    fn report(&self, access: Access) {
        let beyond = access == Access::HealthOnly;
        if self.reached.swap(beyond, Ordering::Relaxed) == beyond {
            return;
        }
        let maximum = self.maximum;
        if beyond {
            warn!(maximum, "the maximum number of connections is reached");
        } else {
            info!(maximum, "there is room for connections again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[tokio::test]
    async fn connections_beyond_the_limit_are_for_health_checks_and_then_have_to_wait() {
        let limit = ConnectionLimit::new(2);
        let mut open = Vec::new();
        for index in 0..2 + RESERVE {
            let permit = limit.admit().await;
            assert_eq!(permit.access == Access::Full, index < 2);
            open.push(permit);
        }
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = pin!(limit.admit());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        open.remove(0);
        let Poll::Ready(permit) = waiting.as_mut().poll(&mut context) else {
            panic!("a place has become free");
        };
        assert_eq!(permit.access, Access::Full);
    }
}
