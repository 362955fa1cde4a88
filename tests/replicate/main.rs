//! The interface for Replicate's clients under `/v1`: the rules that they depend on, and the clients themselves.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics has failed as it should"
)]

#[allow(
    dead_code,
    reason = "the tests here use a part of what is shared with the other tests"
)]
#[path = "../it/support"]
mod support {
    pub(crate) mod fake_engine;
    pub(crate) mod server;
    pub(crate) mod skip;
}
mod client;
mod rules;
mod streams;
mod files;
mod input_files;
mod waits;
mod webhooks;
mod captures;
mod document;
mod tls_proxy;
mod clients;
