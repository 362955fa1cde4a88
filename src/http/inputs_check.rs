//! `POST /inputs`: how the server reads inputs, without drawing anything.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::HttpError;
use super::output_budget::check_output;
use super::prediction_request::PredictionRequest;
use super::read_inputs::read_inputs;
use super::state::AppState;
use crate::cog::Detail;
use crate::inputs::find;
use crate::inputs::prompt::{count_tokens, parse_prompts};
use crate::service::Destination;

/// The name of the input with the prompts.
const PROMPT: &str = "prompt";

/// What the server finds in the inputs of a request.
#[derive(Debug, Serialize)]
pub(super) struct InputsCheck {
    /// The prompts; empty if the input cannot be divided into prompts.
    prompts: Vec<ReadPrompt>,
    /// The maximum number of tokens of a prompt, including the start and end tokens.
    token_limit: usize,
    /// What is wrong with the inputs, as in the response 422 to a prediction; empty if they can be drawn.
    detail: Vec<Detail>,
}

/// One of the prompts in the input `prompt`.
#[derive(Debug, Serialize)]
struct ReadPrompt {
    text: String,
    weight: f32,
    /// The part of the steps after which the weight is 0; absent if the prompt acts to the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<f32>,
    /// The number of tokens, including the start and end tokens.
    tokens: usize,
}

/// Answers with what a prediction with the same body would make of its inputs.
pub(super) async fn check(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Json<InputsCheck>, HttpError> {
    let mut request = PredictionRequest::read(request, state.config.limits.body_timeout).await?;
    let inputs = Arc::new(request.inputs()?);
    let token_limit = state.service().token_limit();
    Ok(Json(InputsCheck {
        prompts: prompts(inputs.get(PROMPT)),
        token_limit,
        detail: problems(&state, &inputs).await?,
    }))
}

async fn problems(
    state: &AppState,
    inputs: &Arc<Map<String, Value>>,
) -> Result<Vec<Detail>, HttpError> {
    let input = match read_inputs(state, inputs).await {
        Ok((input, _)) => input,
        Err(HttpError::Invalid(details)) => return Ok(details),
        Err(error) => return Err(error),
    };
    if !matches!(state.dependencies.destination, Destination::Inline) {
        return Ok(Vec::new());
    }
    let refused = check_output(&input, state.config.limits.output_bytes).err();
    Ok(refused.into_iter().collect())
}

fn prompts(value: Option<&Value>) -> Vec<ReadPrompt> {
    let Some(field) = find(PROMPT) else {
        return Vec::new();
    };
    let default = field.kind.default_value();
    let value = value.filter(|value| !value.is_null()).or(default.as_ref());
    // A text that is too long is not worth the time to read it.
    let value = value.filter(|value| field.kind.violations(value).is_empty());
    let parts = value.and_then(Value::as_str).map(parse_prompts);
    let parts = parts.and_then(Result::ok).unwrap_or_default();
    parts
        .into_iter()
        .map(|part| ReadPrompt {
            tokens: count_tokens(&part.text),
            text: part.text,
            weight: part.weight,
            stop: (part.stop < 1.0).then_some(part.stop),
        })
        .collect()
}
