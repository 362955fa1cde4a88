//! The response with a file of the page: its headers, compressed or not.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::preference::list_items;
use super::files::PageFile;

/// The page runs only its own scripts and connects only to its own server. Drawings are shown as images
/// from memory. No other page may show it in a frame.
const CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src blob: data:; connect-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// The headers of every file.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        header::VARY,
        HeaderValue::from_static("accept, accept-encoding"),
    ),
];

/// How long a browser may use a file that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caching {
    /// Only after it has asked whether the file has changed.
    Checked,
    /// Forever, without asking.
    Forever,
}

impl Caching {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Checked => "no-cache",
            Self::Forever => "public, max-age=31536000, immutable",
        })
    }
}

/// Answers with a file, or with 304 if the client has it.
pub(super) fn respond(file: &'static PageFile, caching: Caching, headers: &HeaderMap) -> Response {
    let is_compressed = accepts_gzip(headers);
    // The two forms are different bytes, so a strong tag has to differ.
    let tag = if is_compressed {
        format!("\"{}-gzip\"", file.digest())
    } else {
        format!("\"{}\"", file.digest())
    };
    let is_known = list_items(headers, &header::IF_NONE_MATCH)
        .map(str::trim)
        .any(|known| known == tag || known == "*");
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else if is_compressed {
        file.compressed().into_response()
    } else {
        file.bytes().into_response()
    };
    let members = response.headers_mut();
    if !is_known {
        let media_type = HeaderValue::from_static(file.media_type());
        members.insert(header::CONTENT_TYPE, media_type);
        if is_compressed {
            members.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    members.extend(HEADERS);
    members.insert(header::CACHE_CONTROL, caching.header());
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        members.insert(header::ETAG, tag);
    }
    response
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    list_items(headers, &header::ACCEPT_ENCODING).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_gzip = parts
            .next()
            .is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let is_refused = parts.any(|parameter| {
            let weight = parameter.strip_prefix("q=");
            weight.is_some_and(|weight| weight.parse() == Ok(0.0))
        });
        is_gzip && !is_refused
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_only_where_it_is_accepted() {
        for (accepted, expected) in [
            ("gzip, deflate, br", true),
            ("br;q=1, GZIP;q=0.5", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("identity", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, accepted.parse().unwrap());
            assert_eq!(accepts_gzip(&headers), expected, "{accepted}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }
}
