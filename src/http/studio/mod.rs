//! The page under `/studio`, on which one types a prompt and watches the drawing. All its files are built in.

mod files;
mod response;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use self::files::{PAGE, folder, folder_file};
use self::response::{Caching, respond};

/// The path of the page.
pub(super) const PATH: &str = "/studio";

/// The page, and its files in a folder that is named by their contents.
pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route(PATH, get(page)).route(
        "/studio/{folder}/{*file}",
        get(
            async |Path((name, file)): Path<(String, String)>, headers| {
                asset(&name, &file, &headers)
            },
        ),
    )
}

/// `GET /studio`: the page.
pub(super) async fn page(headers: HeaderMap) -> Response {
    respond(&PAGE, Caching::Checked, &headers)
}

/// A file of the page. Browsers may keep it forever, because another content has another address.
fn asset(name: &str, file: &str, headers: &HeaderMap) -> Response {
    match folder_file(file) {
        Some(file) if name == folder() => respond(file, Caching::Forever, headers),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::files::FILES;

    /// The maximum size of everything that a browser loads, in bytes.
    const MAX_BYTES: usize = 150_000;

    #[test]
    fn the_page_has_less_than_150_kilobytes_in_all() {
        let files = FILES.iter().map(|file| file.compressed().len());
        let bytes = files.sum::<usize>() + super::PAGE.compressed().len();
        assert!(bytes < MAX_BYTES, "{bytes}");
    }
}
