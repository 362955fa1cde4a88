//! The secret of a server: it signs webhooks, and makes tokens for addresses that nobody can guess.
//!
//! All keys are derived from one secret, each for its own purpose, so that whoever knows the key of webhooks
//! cannot make the token of an address.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

/// The number of bytes of a secret.
const BYTES: usize = 32;

/// What a secret for webhooks begins with (Standard Webhooks).
const PREFIX: &str = "whsec_";

/// The sizes of a secret for webhooks in bytes (Standard Webhooks).
const WEBHOOK_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The secret of a server.
pub struct Secret(SecretSlice<u8>);

impl Secret {
    /// A new one.
    pub fn generate() -> Self {
        let mut bytes = vec![0; BYTES];
        SystemRandom::new()
            .fill(&mut bytes)
            .expect("the system has random numbers, as the seeds of drawings need them too");
        Self(bytes.into())
    }

    /// One that was kept; `None` if it is too short to be one.
    pub fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (bytes.len() >= BYTES).then(|| Self(bytes.into()))
    }

    /// What has to be kept of it.
    pub fn expose_bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// The key that signs webhooks.
    pub fn webhook_key(&self) -> WebhookKey {
        WebhookKey::new(self.derive("webhooks").as_ref())
    }

    /// The key that makes tokens for addresses.
    pub fn token_key(&self) -> TokenKey {
        let derived = self.derive("addresses");
        TokenKey(hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()))
    }

    fn derive(&self, purpose: &str) -> hmac::Tag {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose_secret());
        hmac::sign(&key, purpose.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

/// The key that signs webhooks as Replicate does (Standard Webhooks, symmetric).
#[derive(Clone)]
pub struct WebhookKey {
    key: hmac::Key,
    text: SecretString,
}

/// A text is not a secret for webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it must be `whsec_` and 24 to 64 bytes in base64, as from `openssl rand -base64 32`")]
pub struct WebhookKeyError;

impl WebhookKey {
    fn new(bytes: &[u8]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, bytes),
            text: format!("{PREFIX}{}", STANDARD.encode(bytes)).into(),
        }
    }

    /// The key as receivers get it: `whsec_` and its bytes in standard base64.
    pub fn expose_text(&self) -> &str {
        self.text.expose_secret()
    }

    /// The value of `webhook-signature`: the version of the scheme, and the signature of the id, the time in
    /// seconds since 1970 and the body, joined by dots.
    pub fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.key);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

impl FromStr for WebhookKey {
    type Err = WebhookKeyError;

    fn from_str(text: &str) -> Result<Self, WebhookKeyError> {
        let base64 = text.strip_prefix(PREFIX).ok_or(WebhookKeyError)?;
        let bytes = STANDARD.decode(base64).map_err(|_| WebhookKeyError)?;
        if WEBHOOK_BYTES.contains(&bytes.len()) {
            Ok(Self::new(&bytes))
        } else {
            Err(WebhookKeyError)
        }
    }
}

impl fmt::Debug for WebhookKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WebhookKey")
    }
}

/// The key that makes tokens for addresses.
#[derive(Debug, Clone)]
pub struct TokenKey(hmac::Key);

impl TokenKey {
    /// The token for what the parts name. It is safe in every part of an address.
    pub fn token(&self, parts: &[impl AsRef<[u8]>]) -> String {
        let tag = hmac::sign(&self.0, &framed(parts));
        URL_SAFE_NO_PAD.encode(tag)
    }

    /// Whether a token is the one for these parts. The time that this takes says nothing about the right one.
    pub fn is_token(&self, token: &str, parts: &[impl AsRef<[u8]>]) -> bool {
        URL_SAFE_NO_PAD
            .decode(token)
            .is_ok_and(|tag| hmac::verify(&self.0, &framed(parts), &tag).is_ok())
    }
}

/// The parts with their lengths, so that other parts never give the same bytes.
pub(crate) fn framed(parts: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut framed = Vec::new();
    for part in parts.iter().map(AsRef::as_ref) {
        framed.extend_from_slice(&(part.len() as u64).to_le_bytes());
        framed.extend_from_slice(part);
    }
    framed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(byte: u8) -> Secret {
        Secret::from_bytes(vec![byte; BYTES]).unwrap()
    }

    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        // The example of the specification of Standard Webhooks.
        let key: WebhookKey = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let signature = key.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_key_for_webhooks_is_read_as_it_is_shown_and_has_no_letters_that_clients_cannot_decode() {
        for byte in 0..=255 {
            let shown = secret(byte).webhook_key();
            let read: WebhookKey = shown.expose_text().parse().unwrap();
            assert_eq!(read.sign("a", 1, b"x"), shown.sign("a", 1, b"x"));
            let base64 = shown.expose_text().strip_prefix(PREFIX).unwrap();
            assert!(!base64.contains(['_', '-']), "{base64}");
        }
        for text in [
            "",
            "whsec_",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "whsec_MfKQ9r8GKYqrTwjU",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS-",
        ] {
            assert_eq!(
                text.parse::<WebhookKey>().unwrap_err(),
                WebhookKeyError,
                "{text}"
            );
        }
    }

    #[test]
    fn a_token_is_valid_for_its_parts_and_its_secret_only() {
        let key = secret(1).token_key();
        let token = key.token(&["stream", "ab", "c"]);
        assert!(key.is_token(&token, &["stream", "ab", "c"]));
        for parts in [
            &["stream", "a", "bc"][..],
            &["stream", "ab"],
            &["file", "ab", "c"],
            &[],
        ] {
            assert!(!key.is_token(&token, parts), "{parts:?}");
        }
        for wrong in ["", "x", &token[1..], &token.to_lowercase()] {
            assert!(!key.is_token(wrong, &["stream", "ab", "c"]), "{wrong}");
        }
        assert!(
            !secret(2)
                .token_key()
                .is_token(&token, &["stream", "ab", "c"])
        );
    }

    #[test]
    fn no_debug_output_shows_a_secret() {
        let secret = secret(7);
        let shown = format!(
            "{secret:?} {:?} {:?}",
            secret.webhook_key(),
            secret.token_key()
        );
        assert!(
            !shown.contains("7, 7") && !shown.contains(PREFIX),
            "{shown}"
        );
    }
}
