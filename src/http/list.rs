//! `GET /predictions`: the predictions that are known, page by page.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::Uri;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::error::HttpError;
use super::state::AppState;
use crate::cog::{Detail, Status};
use crate::service::{Cursor, ListQuery};

/// The number of predictions on a page, unless the request has another.
pub(super) const PAGE: usize = 100;

/// The maximum number of predictions on a page.
const MAX_PAGE: usize = 1000;

/// `GET /predictions`: the newest first, without their output files. With `?status=starting,processing` only those with
/// one of these statuses. `next` is the address of the next page, with `cursor`; the last page has none.
pub(super) async fn list(
    State(state): State<Arc<AppState>>,
    uri: Uri,
) -> Result<Json<Value>, HttpError> {
    let query = ListQuery {
        statuses: statuses(&uri)?,
        after: cursor(&uri)?,
        limit: limit(&uri)?,
    };
    let page = state.service().list(&query).await;
    let page = page.map_err(|error| HttpError::unavailable(&error))?;
    let mut body = json!({ "results": page.predictions });
    if let Some(next) = page.next {
        body["next"] = next_page(&uri, &next).into();
    }
    Ok(Json(body))
}

/// The value of a parameter of the query.
pub(super) fn parameter<'a>(uri: &'a Uri, name: &str) -> Option<Cow<'a, str>> {
    let query = uri.query().unwrap_or_default().as_bytes();
    let mut all = form_urlencoded::parse(query);
    all.find(|(found, _)| found == name).map(|(_, value)| value)
}

/// The statuses in the parameter `status`, separated by commas; without it, all.
fn statuses(uri: &Uri) -> Result<Vec<Status>, Detail> {
    let Some(text) = parameter(uri, "status") else {
        return Ok(Status::ALL.to_vec());
    };
    let read = |name: &str| {
        let mut all = Status::ALL.into_iter();
        all.find(|status| status.as_str() == name).ok_or_else(|| {
            let names = Status::ALL.map(Status::as_str).join(", ");
            Detail::query(
                "status",
                format!("must be some of {names}, separated by commas"),
            )
        })
    };
    text.split(',').map(read).collect()
}

pub(super) fn cursor(uri: &Uri) -> Result<Option<Cursor>, Detail> {
    let text = parameter(uri, "cursor");
    let cursor = text.map(|text| text.parse()).transpose();
    cursor.map_err(|_| Detail::query("cursor", "must be the cursor of a page".to_owned()))
}

fn limit(uri: &Uri) -> Result<usize, Detail> {
    let Some(text) = parameter(uri, "limit") else {
        return Ok(PAGE);
    };
    let limit = text.parse().ok();
    let limit = limit.filter(|limit| (1..=MAX_PAGE).contains(limit));
    limit.ok_or_else(|| Detail::query("limit", format!("must be a number from 1 to {MAX_PAGE}")))
}

/// The address of the next page: the same query with another cursor.
fn next_page(uri: &Uri, next: &Cursor) -> String {
    let query = uri.query().unwrap_or_default().as_bytes();
    let kept = form_urlencoded::parse(query).filter(|(name, _)| name != "cursor");
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(kept);
    query.append_pair("cursor", &next.to_string());
    format!("/predictions?{}", query.finish())
}
