//! Inputs that are files: a data URL with the file in it, or the web address that it is at.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_url::DataUrl;
use data_url::forgiving_base64::InvalidBase64;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::hex::lower_hex;

/// The maximum size of a file in bytes.
pub const MAX_FILE_BYTES: usize = 10 << 20;

/// The parameter of a data URL with the web address that the file was fetched from, without a query.
const SOURCE: &str = "source";

/// The value of an input that is a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum File {
    /// The file itself.
    Content(FileContent),
    /// Where it is. It is fetched before the drawing begins.
    Link(Url),
}

/// A file.
#[derive(Clone, PartialEq, Eq)]
pub struct FileContent {
    /// Its media type, as the data URL or the host names it.
    pub media_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The web address that it was fetched from, without user, password, query and fragment.
    pub source: Option<String>,
}

/// Why a text is not a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It is neither a data URL nor a web address.
    #[error(
        "it must be a data URL or an http(s) address; on the command line, `name=@path` reads a file"
    )]
    NoUrl,
    /// The data URL is not valid.
    #[error("it is not a valid data URL")]
    DataUrl,
    /// The data URL ends before its text.
    #[error("a data URL ends at the character #; write it as %23")]
    Fragment,
    /// The Base64 text in the data URL is not valid.
    #[error("its Base64 text is not valid ({0})")]
    Base64(#[source] InvalidBase64),
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// The file is too large.
    #[error("the file has more than {MAX_FILE_BYTES} bytes")]
    TooLarge,
}

impl fmt::Debug for FileContent {
    /// Shows no content.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FileContent")
            .field("media_type", &self.media_type)
            .field("bytes", &self.bytes.len())
            .finish_non_exhaustive()
    }
}

impl FromStr for File {
    type Err = FileError;

    fn from_str(text: &str) -> Result<Self, FileError> {
        let text = text.trim();
        if text
            .get(..5)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
        {
            return read_data_url(text).map(Self::Content);
        }
        let url = Url::parse(text).map_err(|_| FileError::NoUrl)?;
        if matches!(url.scheme(), "http" | "https") && url.has_host() {
            return Ok(Self::Link(url));
        }
        Err(FileError::NoUrl)
    }
}

fn read_data_url(text: &str) -> Result<FileContent, FileError> {
    let url = DataUrl::process(text).map_err(|_| FileError::DataUrl)?;
    let mut bytes = Vec::new();
    let decoded = url.decode(|chunk| {
        if bytes.len() + chunk.len() > MAX_FILE_BYTES {
            return Err(());
        }
        bytes.extend_from_slice(chunk);
        Ok(())
    });
    let fragment = decoded.map_err(|error| match error {
        data_url::forgiving_base64::DecodeError::InvalidBase64(cause) => FileError::Base64(cause),
        data_url::forgiving_base64::DecodeError::WriteError(()) => FileError::TooLarge,
    })?;
    if fragment.is_some() {
        return Err(FileError::Fragment);
    }
    if bytes.is_empty() {
        return Err(FileError::Empty);
    }
    let media = url.mime_type();
    Ok(FileContent {
        media_type: format!("{}/{}", media.type_, media.subtype),
        bytes,
        source: media.get_parameter(SOURCE).map(decoded_address),
    })
}

fn decoded_address(text: &str) -> String {
    let pairs = format!("={text}");
    url::form_urlencoded::parse(pairs.as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

impl FileContent {
    /// A file that was fetched from an address.
    pub fn fetched(media_type: String, bytes: Vec<u8>, address: &Url) -> Self {
        Self {
            media_type,
            bytes,
            source: Some(public_part(address)),
        }
    }

    /// The file as a data URL (RFC 2397), which [`File::from_str`] reads.
    pub fn to_data_url(&self) -> String {
        let mut text = format!("data:{}", self.media_type);
        if let Some(source) = &self.source {
            text.push_str(";source=");
            text.extend(byte_serialize(source.as_bytes()));
        }
        text.push_str(";base64,");
        STANDARD.encode_string(&self.bytes, &mut text);
        text
    }

    /// What is written of the file where its content does not belong: media type, length, digest and source.
    pub fn description(&self) -> Value {
        let mut described = json!({
            "media_type": self.media_type,
            "length": self.bytes.len(),
            "sha256": sha256(&self.bytes),
        });
        if let Some(source) = &self.source {
            described["url"] = source.as_str().into();
        }
        described
    }
}

impl File {
    /// What is shown of the file in responses, as a URL: the public part of its address, or a data URL with its length and
    /// digest in the place of its content.
    pub fn shown(&self) -> String {
        match self {
            Self::Link(url) => public_part(url),
            Self::Content(FileContent {
                source: Some(source),
                ..
            }) => source.clone(),
            Self::Content(content) => format!(
                "data:{};length={};sha256={},",
                content.media_type,
                content.bytes.len(),
                sha256(&content.bytes)
            ),
        }
    }
}

/// A value as it is quoted in an error message: a data URL up to its content, an address without its secrets.
pub(super) fn quotable(value: &Value) -> Value {
    let Some(text) = value.as_str() else {
        return value.clone();
    };
    match text.parse() {
        Ok(File::Link(url)) => public_part(&url).into(),
        _ => match text.split_once(',') {
            Some((head, rest)) if !rest.is_empty() => format!("{head},…").into(),
            _ => text.into(),
        },
    }
}

/// An address without user, password, query and fragment, which may be secrets.
fn public_part(address: &Url) -> String {
    let mut public = address.clone();
    // These fail only for URLs without a host.
    let _ = public.set_username("");
    let _ = public.set_password(None);
    public.set_query(None);
    public.set_fragment(None);
    public.into()
}

/// The digest in lower-case hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    lower_hex(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> FileContent {
        match text.parse().unwrap() {
            File::Content(content) => content,
            File::Link(url) => panic!("{url} is a link"),
        }
    }

    #[test]
    fn a_data_url_is_decoded_in_either_encoding() {
        for text in [
            "data:image/svg+xml;base64,PHN2Zy8+",
            "DATA:image/svg+xml;charset=utf-8,%3Csvg/%3E",
            " data:image/svg+xml;base64,PHN2\nZy8+ ",
        ] {
            let content = content(text);
            assert_eq!(content.bytes, b"<svg/>", "{text}");
            assert_eq!(content.media_type, "image/svg+xml");
        }
    }

    #[test]
    fn a_file_that_was_fetched_is_the_same_after_it_was_written_and_read() {
        let url = "https://me:hush@a.example/p%20q/fox.png?key=hush#top";
        let fetched =
            FileContent::fetched("image/png".to_owned(), vec![1, 2, 3], &url.parse().unwrap());
        let read = content(&fetched.to_data_url());
        assert_eq!(read, fetched);
        assert_eq!(
            read.source.as_deref(),
            Some("https://a.example/p%20q/fox.png")
        );
        assert_eq!(read.description()["url"], "https://a.example/p%20q/fox.png");
    }

    #[test]
    fn a_path_of_the_server_is_no_file() {
        for text in [
            "/etc/passwd",
            "file:///etc/passwd",
            "ftp://a.example/x",
            "fox.png",
            "",
            "C:\\fox.png",
            "http://",
        ] {
            let error = text.parse::<File>().unwrap_err();
            assert!(matches!(error, FileError::NoUrl), "{text}: {error}");
        }
    }

    #[test]
    fn a_bad_data_url_is_an_error() {
        let large = format!("data:,{}", "x".repeat(MAX_FILE_BYTES + 1));
        for (text, expected) in [
            ("data:image/png;base64", "not a valid data URL"),
            ("data:image/png;base64,", "is empty"),
            ("data:;base64,a", "Base64"),
            ("data:image/svg+xml,<svg fill='#fff'/>", "write it as %23"),
            (large.as_str(), "more than 10485760 bytes"),
        ] {
            let error = text.parse::<File>().unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn no_content_and_no_secret_is_shown() {
        let file: File = "data:image/png;base64,aGkh".parse().unwrap();
        assert_eq!(
            file.shown(),
            "data:image/png;length=3;sha256=c0ddd62c7717180e7ffb8a15bb9674d3ec92592e0b7ac7d1d5289836b4553be2,"
        );
        assert!(!format!("{file:?}").contains("104"));
        let secret = json!("https://me:hush@a.example/fox.png?key=hush");
        assert_eq!(quotable(&secret), "https://a.example/fox.png");
        assert_eq!(
            quotable(&json!("data:image/png;base64,aGkh")),
            "data:image/png;base64,…"
        );
    }
}
