//! Refuses requests that a page of another site makes through its visitor's browser.
//!
//! A page may send a request to any server, this one on the visitor's machine included. It may not read the
//! response, but a request that starts a drawing has its effect. With DNS rebinding, the page's host name
//! leads to this server, so that the browser treats both as one site; then only the header `Host` is foreign.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use url::Url;

use super::error::HttpError;
use super::problem;

/// Says where a request comes from. Browsers set it, and pages cannot.
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The pages that may use this server.
#[derive(Debug)]
pub(super) struct AllowedPages {
    /// The host names that this server answers to, without ports; `None` means every name.
    pub(super) hosts: Option<Vec<String>>,
    /// Further origins of pages; `*` means every origin.
    pub(super) origins: Vec<HeaderValue>,
}

impl AllowedPages {
    fn check(&self, request: &Request) -> Result<(), HttpError> {
        let host = host(request.uri(), request.headers());
        if let (Some(hosts), Some(host)) = (&self.hosts, host) {
            let name = without_port(host);
            if !hosts.iter().any(|known| known.eq_ignore_ascii_case(name)) {
                return Err(HttpError::ForeignHost(name.to_owned()));
            }
        }
        let is_safe = matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS
        );
        if is_safe || self.is_own(request.headers(), host) {
            return Ok(());
        }
        Err(HttpError::ForeignOrigin)
    }

    /// Whether a request comes from a page of this server, from an allowed page, or from no page.
    fn is_own(&self, headers: &HeaderMap, host: Option<&str>) -> bool {
        let origin = headers.get(header::ORIGIN);
        let is_allowed = |origin| {
            let mut allowed = self.origins.iter();
            allowed.any(|known| known == "*" || known == origin)
        };
        if origin.is_some_and(is_allowed) {
            return true;
        }
        if let Some(site) = headers.get(FETCH_SITE) {
            return site == "same-origin" || site == "none";
        }
        origin.is_none_or(|origin| is_origin_of(origin, host))
    }
}

/// Whether an origin is the server at `host`, over HTTP or, through a proxy, over HTTPS.
fn is_origin_of(origin: &HeaderValue, host: Option<&str>) -> bool {
    let address = |text: &str| {
        let url = Url::parse(text).ok()?;
        Some((url.host_str()?.to_owned(), url.port_or_known_default()?))
    };
    let Some((origin, host)) = origin.to_str().ok().zip(host) else {
        return false;
    };
    let Some((scheme, _)) = origin.split_once("://") else {
        return false;
    };
    let found = address(origin);
    found.is_some() && found == address(&format!("{scheme}://{host}"))
}

/// The host that a request is for, with its port.
pub(super) fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let authority = uri.authority();
    authority
        .map(Authority::as_str)
        .or_else(|| headers.get(header::HOST)?.to_str().ok())
}

/// `localhost` of `localhost:5000`, and `[::1]` of `[::1]:5000`.
fn without_port(host: &str) -> &str {
    let end = host.rfind(']').map_or(0, |bracket| bracket + 1);
    let port = host[end..].find(':').map(|colon| end + colon);
    &host[..port.unwrap_or(host.len())]
}

/// Refuses requests for other hosts, and those that other pages make.
pub(super) async fn refuse_foreign_pages(
    State(allowed): State<Arc<AllowedPages>>,
    request: Request,
    next: Next,
) -> Response {
    match allowed.check(&request) {
        Ok(()) => next.run(request).await,
        Err(error) => problem::refuse(request.uri().path(), error),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    type Headers = [(&'static str, &'static str)];

    fn is_refused(method: &str, headers: &Headers, allowed: &AllowedPages) -> bool {
        let mut request = Request::builder().method(method).uri("/predictions");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        allowed.check(&request).is_err()
    }

    fn allowed(hosts: &[&str], origins: &[&'static str]) -> AllowedPages {
        AllowedPages {
            hosts: (!hosts.is_empty()).then(|| hosts.iter().map(ToString::to_string).collect()),
            origins: origins
                .iter()
                .map(|origin| HeaderValue::from_static(origin))
                .collect(),
        }
    }

    #[test]
    fn only_requests_for_a_known_host_are_answered() {
        let local = allowed(&["localhost", "127.0.0.1", "[::1]"], &[]);
        for (host, refused) in [
            ("localhost:5000", false),
            ("LOCALHOST", false),
            ("127.0.0.1:1", false),
            ("[::1]:5000", false),
            ("[::1]", false),
            ("evil.example", true),
            ("evil.example:5000", true),
            ("localhost.evil.example", true),
            ("[::2]:5000", true),
            ("", true),
        ] {
            assert_eq!(
                is_refused("GET", &[("host", host)], &local),
                refused,
                "{host}"
            );
        }
        let every = allowed(&[], &[]);
        assert!(!is_refused("GET", &[("host", "evil.example")], &every));
        assert!(!is_refused("GET", &[], &local), "no browser leaves it out");
    }

    #[test]
    fn other_pages_can_only_read() {
        let none = allowed(&[], &[]);
        let some = allowed(&[], &["https://friend.example"]);
        let every = allowed(&[], &["*"]);
        let host = ("host", "draw.example:5000");
        let cases: [(&Headers, [bool; 3]); 9] = [
            (&[host], [false, false, false]),
            (
                &[host, ("origin", "http://draw.example:5000")],
                [false, false, false],
            ),
            (
                &[("host", "draw.example"), ("origin", "https://draw.example")],
                [false, false, false],
            ),
            (
                &[host, ("origin", "http://draw.example:5001")],
                [true, true, false],
            ),
            (
                &[host, ("origin", "https://friend.example")],
                [true, false, false],
            ),
            (&[host, ("origin", "null")], [true, true, false]),
            (
                &[host, ("sec-fetch-site", "cross-site")],
                [true, true, true],
            ),
            (
                &[
                    host,
                    ("origin", "https://proxy.example"),
                    ("sec-fetch-site", "same-origin"),
                ],
                [false, false, false],
            ),
            (
                &[
                    host,
                    ("origin", "http://draw.example:5000"),
                    ("sec-fetch-site", "cross-site"),
                ],
                [true, true, false],
            ),
        ];
        for (headers, refused) in cases {
            let found = [&none, &some, &every].map(|pages| is_refused("POST", headers, pages));
            assert_eq!(found, refused, "{headers:?}");
            assert!(!is_refused("GET", headers, &none), "{headers:?}");
        }
    }
}
