//! Bearer-token authentication. Without the token, only the health endpoints and the pages are available.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::accept::accepts_html;
use super::error::HttpError;
use super::problem;

/// Paths that need no token, because orchestrators and load balancers do not have it.
pub(super) const PUBLIC_PATHS: [&str; 2] = ["/health-check", "/ready"];

/// The folders of the pages. They need no token, because they ask for it; what they contain is the same on
/// every server.
const PAGES: [&str; 2] = ["/studio", "/docs"];

/// The folder of streams, whose addresses have a token of their own, which their handler checks.
const STREAMS: &str = "/v1/streams/";

/// The folder of files. Those of predictions have a token of their own in their address, and files that clients have sent
/// can have one in the address of their content.
const FILES: &str = "/v1/files/";

/// Rejects requests without the token.
pub(super) async fn require_token(
    State(token): State<SecretString>,
    request: Request,
    next: Next,
) -> Response {
    if is_public(&request) || has_token(request.headers(), &token) {
        next.run(request).await
    } else {
        problem::refuse(request.uri().path(), HttpError::Unauthorized)
    }
}

fn is_public(request: &Request) -> bool {
    let path = request.uri().path();
    let is_page = PAGES.iter().any(|page| {
        let rest = path.strip_prefix(page);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    PUBLIC_PATHS.contains(&path)
        || has_own_token(path)
        || (is_read && (is_page || (path == "/" && accepts_html(request.headers()))))
}

/// Whether the handler of a path checks a token of its own.
fn has_own_token(path: &str) -> bool {
    let Some(file) = path.strip_prefix(FILES) else {
        return path.starts_with(STREAMS);
    };
    let mut parts = file.split('/').skip(1);
    match (parts.next(), parts.next()) {
        (Some(_token), Some(_name)) => true,
        (last, _) => last == Some("download"),
    }
}

/// Whether the headers contain the token. Digests are compared, so that the time reveals neither where
/// a wrong token differs nor how long the right one is.
pub(super) fn has_token(headers: &HeaderMap, token: &SecretString) -> bool {
    let Some(presented) = headers.get(header::AUTHORIZATION).and_then(bearer) else {
        return false;
    };
    let expected = Sha256::digest(token.expose_secret());
    Sha256::digest(presented).ct_eq(&expected).into()
}

fn bearer(value: &header::HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    // Some of Replicate's clients send `Token`.
    let is_known = ["bearer", "token"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    is_known.then(|| token.trim_matches(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_with_a_token_of_their_own_need_no_other_one() {
        for (path, expected) in [
            ("/v1/streams/one", true),
            ("/v1/files/one/1-token/0.svg", true),
            ("/v1/files/file-1/download", true),
            ("/v1/files/file-1", false),
            ("/v1/files/file-1/", false),
            ("/v1/files/file-1/uploads", false),
            ("/v1/files/", false),
            ("/v1/files", false),
            ("/v1/predictions/one", false),
        ] {
            assert_eq!(has_own_token(path), expected, "{path}");
        }
    }

    #[test]
    fn only_the_exact_token_is_accepted() {
        let token = SecretString::from("s3cret");
        let cases = [
            ("Bearer s3cret", true),
            ("bearer  s3cret", true),
            ("Token s3cret", true),
            ("Token s3cre", false),
            ("Bearer s3cre", false),
            ("Bearer s3crets", false),
            ("Bearer S3CRET", false),
            ("Basic s3cret", false),
            ("s3cret", false),
            ("Bearer ", false),
            ("", false),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            assert_eq!(has_token(&headers, &token), expected, "{value}");
        }
        assert!(!has_token(&HeaderMap::new(), &token));
    }
}
