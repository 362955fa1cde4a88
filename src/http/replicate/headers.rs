//! What the headers of a request for a prediction say.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::cog::Detail;
use crate::http::preference::list_items;

/// How much earlier the answer is sent than the client expects it, because it takes some time to arrive.
const MARGIN: Duration = Duration::from_millis(200);

/// The shortest and the longest time after which a prediction may be cancelled, as on Replicate.
const DEADLINES: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(5)..=Duration::from_hours(24);

/// The maximum length of an idempotency key in bytes.
const MAX_KEY_LENGTH: usize = 255;

const PREFER: HeaderName = HeaderName::from_static("prefer");
const CANCEL_AFTER: HeaderName = HeaderName::from_static("cancel-after");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const RETRY_COUNT: HeaderName = HeaderName::from_static("x-stainless-retry-count");

/// How long a client waits for the end of a prediction before it polls: a whole number of seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait(u64);

impl Wait {
    /// Reads `Prefer: wait` or `Prefer: wait=N`, where N may be up to `longest`; `None` if the client does not wait.
    pub(super) fn of(headers: &HeaderMap, longest: Duration) -> Option<Self> {
        let longest = longest.as_secs().max(1);
        list_items(headers, &PREFER).find_map(|item| {
            let item = item.split(';').next().unwrap_or_default();
            let (name, value) = item.split_once('=').unwrap_or((item, ""));
            if !name.trim().eq_ignore_ascii_case("wait") {
                return None;
            }
            let seconds = value.trim().trim_matches('"').parse();
            Some(Self(seconds.unwrap_or(longest).clamp(1, longest)))
        })
    }

    /// The time from the arrival of the request to its answer.
    pub(super) fn time(self) -> Duration {
        Duration::from_secs(self.0).saturating_sub(MARGIN)
    }

    /// The value of `Preference-Applied`.
    pub(super) fn applied(self) -> HeaderValue {
        HeaderValue::try_from(format!("wait={}", self.0)).expect("a number is a valid header")
    }
}

/// Reads `Cancel-After`: the time after which a prediction is cancelled, such as `90`, `90s`, `5m` or `1h30m`.
///
/// # Errors
/// If it is not such a time, or too short or too long.
pub(super) fn cancel_after(headers: &HeaderMap) -> Result<Option<Duration>, Detail> {
    let Some(value) = headers.get(CANCEL_AFTER) else {
        return Ok(None);
    };
    let time = value.to_str().ok().and_then(duration);
    match time.filter(|time| DEADLINES.contains(time)) {
        Some(time) => Ok(Some(time)),
        None => Err(Detail::header(
            "Cancel-After",
            "it must be a time from 5s to 24h, such as 90s, 5m or 1h30m",
        )),
    }
}

/// A time such as `90`, `90s` or `1h30m10s`.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let mut total: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit())?;
        let (number, unit) = rest.split_at(end);
        let seconds = match unit.as_bytes().first()? {
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        let part = number.parse::<u64>().ok()?.checked_mul(seconds)?;
        total = total.checked_add(part)?;
        rest = &unit[1..];
    }
    (!text.is_empty()).then(|| Duration::from_secs(total))
}

/// Reads `Idempotency-Key`.
///
/// # Errors
/// If it is too long or not a text.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Detail> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let key = value.to_str().ok();
    let key = key.filter(|key| (1..=MAX_KEY_LENGTH).contains(&key.len()));
    let refused = || {
        let message = format!("it must have 1 to {MAX_KEY_LENGTH} characters");
        Detail::header("Idempotency-Key", message)
    };
    key.map(Some).ok_or_else(refused)
}

/// Whether a client says that it has sent this request before.
pub(super) fn is_repetition(headers: &HeaderMap) -> bool {
    let count = headers
        .get(RETRY_COUNT)
        .and_then(|count| count.to_str().ok());
    count.is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(value))])
    }

    #[test]
    fn a_client_waits_for_a_minute_at_most() {
        for (value, expected) in [
            ("wait", Some(60)),
            ("Wait=5", Some(5)),
            ("wait=\"5\"", Some(5)),
            ("respond-async, wait=10", Some(10)),
            ("wait=0", Some(1)),
            ("wait=600", Some(60)),
            ("wait=soon", Some(60)),
            ("respond-async", None),
            ("waiting", None),
            ("", None),
        ] {
            let wait = Wait::of(&headers(&PREFER, value), Duration::from_mins(1));
            assert_eq!(wait, expected.map(Wait), "{value}");
        }
        assert_eq!(Wait::of(&HeaderMap::new(), Duration::from_mins(1)), None);
        assert!(Wait(1).time() < Duration::from_secs(1));
        assert_eq!(Wait(60).applied(), "wait=60");
    }

    #[test]
    fn a_deadline_is_a_number_of_seconds_or_has_units() {
        for (value, seconds) in [
            ("90", 90),
            ("90s", 90),
            ("5m", 300),
            ("1h", 3600),
            ("1h30m10s", 5410),
        ] {
            let time = cancel_after(&headers(&CANCEL_AFTER, value));
            assert_eq!(time, Ok(Some(Duration::from_secs(seconds))), "{value}");
        }
        for value in [
            "",
            "4s",
            "25h",
            "m",
            "5x",
            "-1",
            "1.5m",
            "99999999999999999999h",
            "5m3",
        ] {
            let refused = cancel_after(&headers(&CANCEL_AFTER, value)).unwrap_err();
            assert_eq!(refused.loc, ["header", "Cancel-After"], "{value}");
        }
        assert_eq!(cancel_after(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn only_a_count_above_0_is_a_repetition() {
        for (value, expected) in [("0", false), ("1", true), ("2", true), ("x", false)] {
            assert_eq!(
                is_repetition(&headers(&RETRY_COUNT, value)),
                expected,
                "{value}"
            );
        }
        assert!(!is_repetition(&HeaderMap::new()));
    }
}
