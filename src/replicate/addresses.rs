//! The addresses in messages: absolute, and those of streams and files with a token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;
use parking_lot::RwLock;

use super::model_name::ModelName;
use crate::output::DataUrl;
use crate::secret::{Secret, TokenKey, WebhookKey};

/// The address of a file is valid for this time at least, and for twice this time at most. It stays the same within such a
/// time, so that two answers in a row have the same addresses.
const FILE_PERIOD: Duration = Duration::from_hours(1);

/// What this server is to Replicate's clients.
#[derive(Debug)]
pub struct Api {
    /// The name of the model.
    pub model: ModelName,
    /// The form of output files.
    pub files: FileAddresses,
    /// The address under which clients reach this server, without a final slash, if it is not that of their requests.
    pub public_url: Option<String>,
    /// Used instead of the key that belongs to the secret.
    own_webhook_key: Option<WebhookKey>,
    keys: RwLock<Keys>,
}

/// The keys of a secret.
#[derive(Debug)]
struct Keys {
    webhooks: WebhookKey,
    tokens: TokenKey,
}

impl Keys {
    fn of(secret: &Secret) -> Self {
        Self {
            webhooks: secret.webhook_key(),
            tokens: secret.token_key(),
        }
    }
}

/// The form of output files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum FileAddresses {
    /// Addresses where the server is reached over https, and data URLs otherwise: the clients make a file object of both,
    /// but not of an address with http.
    #[default]
    Auto,
    /// Data URLs.
    Data,
    /// Addresses of this server, which are valid for one to two hours.
    Links,
}

/// The server as it is reached under one address.
#[derive(Debug, Clone)]
pub struct Site {
    api: Arc<Api>,
    /// `https://example.com`, without a final slash.
    base: String,
}

/// The part of a file's address that only this server can make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileToken {
    /// Until when the address is valid, in seconds since 1970.
    expires: i64,
    token: String,
}

impl Api {
    /// The settings of a server with that secret. `webhook_key` is used instead of the one that belongs to the secret.
    pub fn new(model: ModelName, secret: &Secret, webhook_key: Option<WebhookKey>) -> Self {
        Self {
            model,
            files: FileAddresses::default(),
            public_url: None,
            own_webhook_key: webhook_key,
            keys: RwLock::new(Keys::of(secret)),
        }
    }

    /// Takes the secret of all servers that share a store, which may be known only after the start.
    pub fn set_secret(&self, secret: &Secret) {
        *self.keys.write() = Keys::of(secret);
    }

    /// The key that signs webhooks.
    pub fn webhook_key(&self) -> WebhookKey {
        let own = self.own_webhook_key.clone();
        own.unwrap_or_else(|| self.keys.read().webhooks.clone())
    }

    /// The token for some parts of an address.
    pub fn token(&self, parts: &[impl AsRef<[u8]>]) -> String {
        self.keys.read().tokens.token(parts)
    }

    /// Whether a token is the one for some parts of an address.
    pub(super) fn is_token(&self, token: &str, parts: &[impl AsRef<[u8]>]) -> bool {
        self.keys.read().tokens.is_token(token, parts)
    }

    /// Whether a token is that of a prediction's stream.
    pub fn is_stream_token(&self, token: &str, id: &str) -> bool {
        self.is_token(token, &["stream", id])
    }

    /// Whether a token is that of a file of a prediction, expired or not.
    pub fn is_file_token(&self, token: &FileToken, id: &str, index: usize) -> bool {
        let parts = file_parts(id, index, token.expires);
        self.is_token(&token.token, &parts)
    }
}

impl Site {
    /// The server as it is reached under an address without a final slash.
    pub fn new(api: &Arc<Api>, base: String) -> Self {
        Self {
            api: Arc::clone(api),
            base,
        }
    }

    /// What this server is.
    pub fn api(&self) -> &Arc<Api> {
        &self.api
    }

    /// The address that all others begin with.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The address of a path.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The address of the stream of the prediction with that id.
    pub(super) fn stream(&self, id: &str) -> String {
        let token = self.api.token(&["stream", id]);
        self.at(&format!("/v1/streams/{id}?token={token}"))
    }

    fn gives_links(&self) -> bool {
        match self.api.files {
            FileAddresses::Auto => self.base.starts_with("https://"),
            FileAddresses::Data => false,
            FileAddresses::Links => true,
        }
    }

    /// The address of a file, given by the id of its prediction and its index: the URL that it has been stored under, or an
    /// address of this server instead of a data URL.
    pub fn file(&self, id: &str, index: usize, stored: &Arc<str>) -> Arc<str> {
        let data_url = DataUrl::parse(stored).filter(|_| self.gives_links());
        let Some(DataUrl { media_type, .. }) = data_url else {
            return Arc::clone(stored);
        };
        let expires = expiry(Timestamp::now().as_second());
        let parts = file_parts(id, index, expires);
        let token = FileToken {
            expires,
            token: self.api.token(&parts),
        };
        let extension = extension(media_type);
        self.at(&format!("/v1/files/{id}/{token}/{index}.{extension}"))
            .into()
    }
}

fn file_parts(id: &str, index: usize, expires: i64) -> [String; 4] {
    [
        "file".to_owned(),
        id.to_owned(),
        index.to_string(),
        expires.to_string(),
    ]
}

/// When an address that is made now expires, in seconds since 1970: at the end of the next period.
fn expiry(now: i64) -> i64 {
    let period = FILE_PERIOD.as_secs() as i64;
    (now.div_euclid(period) + 2) * period
}

/// How the names of files of a media type end.
fn extension(media_type: &str) -> &str {
    match media_type {
        "image/svg+xml" => "svg",
        other => other.rsplit('/').next().unwrap_or(other),
    }
}

impl FileToken {
    /// Reads a token; `None` if it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        let (expires, token) = text.split_once('-')?;
        Some(Self {
            expires: expires.parse().ok()?,
            token: token.to_owned(),
        })
    }

    /// Whether the address is no longer valid.
    pub fn has_expired(&self) -> bool {
        self.expires <= Timestamp::now().as_second()
    }
}

impl fmt::Display for FileToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.expires, self.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(files: FileAddresses, base: &str) -> Site {
        let secret = Secret::from_bytes(vec![1; 32]).unwrap();
        let mut api = Api::new("a/b".parse().unwrap(), &secret, None);
        api.files = files;
        Site::new(&Arc::new(api), base.to_owned())
    }

    /// The token and the name in the address of a file.
    fn parts(address: &str) -> (FileToken, String) {
        let (rest, name) = address.rsplit_once('/').unwrap();
        (
            FileToken::parse(rest.rsplit('/').next().unwrap()).unwrap(),
            name.to_owned(),
        )
    }

    #[test]
    fn files_have_addresses_over_https_and_are_data_urls_otherwise() {
        let svg: Arc<str> = "data:image/svg+xml;base64,AAAA".into();
        let uploaded: Arc<str> = "https://files.example/1.svg".into();
        let cases = [
            (FileAddresses::Auto, "http://a.example", false),
            (FileAddresses::Auto, "https://a.example", true),
            (FileAddresses::Data, "https://a.example", false),
            (FileAddresses::Links, "http://a.example", true),
        ];
        for (files, base, is_link) in cases {
            let site = site(files, base);
            let address = site.file("one", 3, &svg);
            assert_eq!(
                address.starts_with(&format!("{base}/v1/files/one/")),
                is_link
            );
            assert_eq!(address == svg, !is_link);
            assert_eq!(site.file("one", 3, &uploaded), uploaded);
        }
    }

    #[test]
    fn the_address_of_a_file_is_good_for_that_file_alone() {
        let site = site(FileAddresses::Links, "https://a.example");
        let address = site.file("one", 3, &"data:image/png;base64,AA==".into());
        let (token, name) = parts(&address);
        assert_eq!(name, "3.png");
        assert!(!token.has_expired());
        let api = site.api();
        assert!(api.is_file_token(&token, "one", 3));
        assert!(!api.is_file_token(&token, "one", 2));
        assert!(!api.is_file_token(&token, "two", 3));
        let later = FileToken {
            expires: token.expires + 1,
            ..token.clone()
        };
        assert!(!api.is_file_token(&later, "one", 3));
        assert!(!api.is_stream_token(&token.token, "one"));
    }

    #[test]
    fn an_address_is_valid_for_one_to_two_hours() {
        for now in [0, 1, 3599, 3600, 1_800_000_000, 1_800_001_799] {
            let left = expiry(now) - now;
            assert!((3600..=7200).contains(&left), "{now} {left}");
        }
        let past = FileToken {
            expires: 1,
            token: String::new(),
        };
        assert!(past.has_expired());
    }
}
