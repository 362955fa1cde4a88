//! Many machines on one queue: a queue and a store on streams of Redis or Valkey.
//!
//! Front ends accept predictions and answer everything about them; workers lease and draw them. Both are the same program
//! with the same [`Service`](crate::service::Service). All changes of predictions are Lua scripts (`lua/`), each a single
//! atomic step; most may be repeated after a lost answer.
//!
//! - A prediction is a hash with its job, and a stream of its events, whose ids are the numbers that clients see.
//! - A queue is a stream of tickets, one for each unfinished prediction. A ticket is leased by one worker, which renews the
//!   lease. Whose turn it is when a ticket is leased is in lists beside it, so that callers take turns.
//! - Each lease has a number, the fence. A script refuses what comes from a worker with an earlier one.
//! - Front ends follow the streams of the predictions that somebody watches, and send webhooks.

mod error;
mod config;
mod value;
mod version;
mod script;
mod measure;
mod outage;
mod link;
mod subscriptions;
mod record;
mod replica;
mod held;
mod shared;
mod take_over;
mod renewal;
mod follow;
mod store;
mod input_files;
mod dead;
mod leasing;
mod queue;
mod upkeep;
mod sweep;
mod hooks;

pub use config::{BrokerConfig, TokenCommand};
pub use dead::{DeadJob, DeadList};
pub use error::BrokerError;
pub use hooks::HookRunner;
pub use input_files::RedisInputFiles;
pub use queue::RedisQueue;
pub use shared::Broker;
pub use store::RedisStore;
pub use sweep::sweep;
pub use upkeep::{Role, upkeep};
