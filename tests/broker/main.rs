//! Many machines on one broker: processes of the real program, with tiny drawings.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that panics has failed as it should"
)]

#[path = "../it/support/skip.rs"]
mod skip;
#[path = "../nginx/proxy.rs"]
mod proxy;
mod cluster;
mod event_log;
mod receiver;
mod front_ends;
mod workers;
mod outages;
mod webhooks;
mod queues;
mod security;
mod damage;
mod rolling;
mod versions;
mod chaos;
