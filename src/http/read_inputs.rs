//! Reads the inputs of a request without blocking other requests.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::task::spawn_blocking;

use super::error::HttpError;
use super::state::AppState;
use crate::cog::Detail;
use crate::inputs::Input;

/// Inputs with a longer text are read on a blocking thread. There may be a picture in it, which takes long to decode.
const MAX_INLINE_LENGTH: usize = 1 << 14;

/// Checks the inputs of a request for the model of this server, and the addresses of files by the policy. The second part
/// of the result has the first lines of the log.
///
/// # Errors
/// If an input is not allowed.
pub(super) async fn read_inputs(
    state: &AppState,
    raw: &Arc<Map<String, Value>>,
) -> Result<(Input, Vec<String>), HttpError> {
    let token_limit = state.service().token_limit();
    let read = with_inputs(raw, move |raw| Input::from_request_within(raw, token_limit)).await?;
    let (input, notes) = read?;
    let policy = state.dependencies.client.policy();
    let refused = input.links().into_iter().filter_map(|(name, url)| {
        let refusal = policy.check(&url).err()?;
        Some(Detail::input(name, refusal.to_string()))
    });
    let refused: Vec<_> = refused.collect();
    if refused.is_empty() {
        Ok((input, notes))
    } else {
        Err(HttpError::Invalid(refused))
    }
}

/// Does some work with the inputs of a request: on a blocking thread if one of them is long.
///
/// # Errors
/// If the work panics.
pub(super) async fn with_inputs<T: Send + 'static>(
    raw: &Arc<Map<String, Value>>,
    work: impl FnOnce(&Map<String, Value>) -> T + Send + 'static,
) -> Result<T, HttpError> {
    if !raw.values().any(is_long) {
        return Ok(work(raw));
    }
    let raw = Arc::clone(raw);
    spawn_blocking(move || work(&raw))
        .await
        .map_err(|error| HttpError::internal(&error))
}

fn is_long(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.len() > MAX_INLINE_LENGTH)
}
