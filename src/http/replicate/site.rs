//! The address under which a client reaches this server.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, Uri};
use url::Url;

use crate::http::same_origin::host;
use crate::http::state::AppState;
use crate::replicate::Site;

/// What a proxy has received the request for.
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The part of the path that a proxy has removed.
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

impl FromRequestParts<Arc<AppState>> for Site {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<AppState>,
    ) -> Result<Self, Self::Rejection> {
        Ok(site_of(state, &parts.uri, &parts.headers))
    }
}

/// The address in the settings, or the one that the request was sent to.
pub(super) fn site_of(state: &AppState, uri: &Uri, headers: &HeaderMap) -> Site {
    let api = &state.dependencies.api;
    let base = match &api.public_url {
        Some(url) => url.clone(),
        None => requested(uri, headers),
    };
    Site::new(api, base)
}

/// The scheme, the host and the beginning of the path that a request was sent to, as proxies report them.
fn requested(uri: &Uri, headers: &HeaderMap) -> String {
    let scheme = match first(headers, &FORWARDED_PROTO) {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => "https",
        _ => "http",
    };
    let host = first(headers, &FORWARDED_HOST).or_else(|| host(uri, headers));
    let is_host =
        |host: &&str| Url::parse(&format!("{scheme}://{host}")).is_ok_and(|url| is_bare(&url));
    // A request of HTTP/1.0 may have no host.
    let host = host.filter(is_host).unwrap_or("localhost");
    let prefix = first(headers, &FORWARDED_PREFIX).filter(|prefix| is_prefix(prefix));
    let prefix = prefix.unwrap_or_default().trim_end_matches('/');
    format!("{scheme}://{host}{prefix}")
}

/// Whether a text is a path that needs no escapes.
fn is_prefix(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/_.-~".contains(&byte);
    text.starts_with('/') && !text.starts_with("//") && text.bytes().all(allowed)
}

/// Whether a URL has a host and nothing after it.
fn is_bare(url: &Url) -> bool {
    url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
}

/// The first item of a list; each proxy appends one.
fn first<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let list = headers.get(name)?.to_str().ok()?;
    let item = list.split(',').next()?.trim();
    (!item.is_empty()).then_some(item)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_address_is_the_one_that_the_client_has_used() {
        let cases: [(&[(&str, &str)], &str); 10] = [
            (&[("host", "a.example:5000")], "http://a.example:5000"),
            (&[("host", "[::1]:80")], "http://[::1]:80"),
            (
                &[("host", "a.example"), ("x-forwarded-proto", "https")],
                "https://a.example",
            ),
            (
                &[
                    ("host", "10.0.0.1"),
                    ("x-forwarded-proto", "https, http"),
                    ("x-forwarded-host", "b.example, c"),
                ],
                "https://b.example",
            ),
            (
                &[("host", "a.example"), ("x-forwarded-proto", "ftp")],
                "http://a.example",
            ),
            (
                &[("host", "a.example"), ("x-forwarded-prefix", "/draw/")],
                "http://a.example/draw",
            ),
            (
                &[("host", "a.example"), ("x-forwarded-prefix", "/")],
                "http://a.example",
            ),
            (
                &[("host", "a.example"), ("x-forwarded-prefix", "//b.example")],
                "http://a.example",
            ),
            (&[("host", "a.example/x?y")], "http://localhost"),
            (&[], "http://localhost"),
        ];
        for (headers, expected) in cases {
            let headers = headers.iter().map(|(name, value)| {
                let name: HeaderName = name.parse().unwrap();
                (name, HeaderValue::from_str(value).unwrap())
            });
            let headers: HeaderMap = headers.collect();
            assert_eq!(
                requested(&Uri::from_static("/v1/predictions"), &headers),
                expected
            );
        }
        let uri = Uri::from_static("http://d.example/v1/predictions");
        assert_eq!(requested(&uri, &HeaderMap::new()), "http://d.example");
    }
}
