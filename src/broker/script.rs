//! The scripts, each a single atomic step in the broker.

use std::sync::LazyLock;

use super::version::{FORMAT, LAYOUT};

/// A script and its hash, by which the broker knows it after the first call.
#[derive(Debug)]
pub(super) struct Script {
    /// Its name, for metrics.
    pub(super) name: &'static str,
    pub(super) code: String,
    pub(super) hash: String,
    /// Whether the request is repeated after a lost answer. A repeated lease would take another job.
    pub(super) repeats: bool,
}

impl Script {
    fn new(name: &'static str, code: &str) -> Self {
        let common = include_str!("lua/common.lua");
        let code = format!("local FORMAT, LAYOUT = {FORMAT}, {LAYOUT}\n{common}{code}");
        let hash = redis::Script::new(&code).get_hash().to_owned();
        Self {
            name,
            code,
            hash,
            repeats: true,
        }
    }

    fn once(self) -> Self {
        Self {
            repeats: false,
            ..self
        }
    }
}

macro_rules! scripts {
    ($($constant:ident $file:literal $($once:ident)?),* $(,)?) => {
        $(pub(super) static $constant: LazyLock<Script> = LazyLock::new(|| {
            Script::new($file, include_str!(concat!("lua/", $file, ".lua")))$(.$once())?
        });)*
    };
}

scripts! {
    SETUP "setup",
    SUBMIT "submit",
    LEASE "lease" once,
    BEGIN "begin",
    PUBLISH "publish",
    RENEW "renew",
    FINISH "finish",
    RELEASE "release",
    CANCEL "cancel",
    READ "read",
    LOAD "load",
    LIST "list",
    DEPTH "depth",
    SECRET "secret",
    NOTE "note",
    DRAW_AGAIN "draw_again",
    HOOK_LEASE "hook_lease" once,
    HOOK_HOLD "hook_hold",
    HOOK_END "hook_end",
    DEAD "dead" once,
    TIDY "tidy",
    SWEEP "sweep",
    FILE_ADD "file_add",
    FILE_READ "file_read",
    FILE_LIST "file_list",
    FILE_REMOVE "file_remove",
}
