//! Output files as data URLs.

use base64::engine::general_purpose::STANDARD;
use base64::{DecodeError, Engine as _};

/// A file in a data URL, `data:TYPE;base64,CONTENT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DataUrl<'a> {
    /// The media type.
    pub(crate) media_type: &'a str,
    base64: &'a str,
}

impl<'a> DataUrl<'a> {
    /// Divides the URL of an output file into its parts; `None` if the file was uploaded.
    pub(crate) fn parse(url: &'a str) -> Option<Self> {
        let (media_type, base64) = url.strip_prefix("data:")?.split_once(";base64,")?;
        Some(Self { media_type, base64 })
    }

    /// The file.
    ///
    /// # Errors
    /// If the content is not in base64.
    pub(crate) fn decode(self) -> Result<Vec<u8>, DecodeError> {
        STANDARD.decode(self.base64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_from_its_data_url() {
        let url = DataUrl::parse("data:image/png;base64,aGk=").unwrap();
        assert_eq!(url.media_type, "image/png");
        assert_eq!(url.decode().unwrap(), b"hi");
        let broken = DataUrl::parse("data:image/png;base64,?").unwrap();
        assert!(broken.decode().is_err());
        for other in ["https://files.example/1.svg", "data:image/png,hi", ""] {
            assert_eq!(DataUrl::parse(other), None, "{other}");
        }
    }
}
