//! Opens the store that the arguments name, or the default one.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use signal_hook::consts::SIGXFSZ;
use tracing::{info, warn};

use super::arguments::StoreArguments;
use crate::environment;
use crate::errors::chain;
use crate::service::{InMemoryStore, Limits, OpenError, SqliteStore, Store};

/// The value of `--store` that keeps predictions in memory.
const NONE: &str = "none";

/// The default file, within the user's folder for state.
const DEFAULT_FILE: &str = "clipdraw/predictions.sqlite3";

/// What to do about a store that cannot be used.
const ADVICE: &str =
    "choose another file with --store, or keep predictions in memory with --store none";

/// Opens the store. One that the arguments name has to work; without the default one predictions are kept in memory.
///
/// # Errors
/// If the named file cannot be used, or the default one was written by a later version.
pub(super) fn open(arguments: &StoreArguments, limits: Limits) -> anyhow::Result<Arc<dyn Store>> {
    let named = arguments.store.as_deref();
    if named != Some(Path::new(NONE)) {
        survive_size_limit();
    }
    let opened = match named.filter(|name| !name.as_os_str().is_empty()) {
        Some(name) if name == Path::new(NONE) => return Ok(in_memory(limits)),
        Some(file) => SqliteStore::open(file, limits).context(ADVICE)?,
        None => match open_default(limits)? {
            Some(store) => store,
            None => return Ok(in_memory(limits)),
        },
    };
    Ok(Arc::new(opened))
}

/// Opens the default file; `None`, with a line in the log, if it cannot be used.
fn open_default(limits: Limits) -> anyhow::Result<Option<SqliteStore>> {
    let Some(folder) = environment::user_state_folder() else {
        info!("predictions are kept in memory: the user has no home folder; see --store");
        return Ok(None);
    };
    match SqliteStore::open(&folder.join(DEFAULT_FILE), limits) {
        Ok(store) => Ok(Some(store)),
        Err(error @ OpenError::Newer { .. }) => Err(error).context(ADVICE),
        Err(error) => {
            warn!(
                reason = chain(&error),
                "predictions are kept in memory: the default store cannot be used; see --store"
            );
            Ok(None)
        }
    }
}

/// Lets a write beyond the limit on the size of files (`ulimit -f`) fail as on a full disk, instead of ending the program.
fn survive_size_limit() {
    if let Err(error) = signal_hook::flag::register(SIGXFSZ, Arc::default()) {
        warn!(%error, "a limit on the size of files would end the program");
    }
}

fn in_memory(limits: Limits) -> Arc<dyn Store> {
    Arc::new(InMemoryStore::new(limits))
}
