//! Reads the inputs of a request without blocking other requests.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::task::spawn_blocking;
use url::Url;

use super::error::HttpError;
use super::state::AppState;
use crate::cog::Detail;
use crate::inputs::Input;
use crate::service::input_file_id;

/// Why a file that was sent to a server cannot be an input.
const NOT_KEPT: &str =
    "this server does not keep that file, or no longer; send it again with POST /v1/files";

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
    let mut refused = Vec::new();
    for (name, url) in input.links() {
        refused.extend(
            refusal(state, &url)
                .await?
                .map(|reason| Detail::input(name, reason)),
        );
    }
    if refused.is_empty() {
        Ok((input, notes))
    } else {
        Err(HttpError::Invalid(refused))
    }
}

/// Why the file at an address cannot be an input: this server should keep it and does not, or the policy refuses to fetch it.
async fn refusal(state: &AppState, url: &Url) -> Result<Option<String>, HttpError> {
    let Some(id) = input_file_id(url) else {
        let checked = state.dependencies.client.policy().check(url);
        return Ok(checked.err().map(|refusal| refusal.to_string()));
    };
    let kept = state.dependencies.input_files.find(id).await;
    let kept = kept.map_err(|error| HttpError::unavailable(&error))?;
    Ok(kept.is_none().then(|| NOT_KEPT.to_owned()))
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
