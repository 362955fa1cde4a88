//! A file that a client has sent, as Replicate's clients read it.

use jiff::Timestamp;
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use super::addresses::{Api, Site};
use super::model::time;
use crate::service::InputFile;

/// A file as JSON. Its address in `get` is what clients name as an input; the one in `download` has the content, and needs no
/// other token.
pub fn file_message(file: &InputFile, site: &Site) -> Value {
    let id = &file.id;
    json!({
        "id": id,
        "name": file.name,
        "content_type": file.media_type,
        "size": file.length,
        "etag": file.sha256,
        "checksums": { "sha256": file.sha256 },
        "metadata": file.metadata,
        "created_at": moment(file.created_at),
        "expires_at": moment(file.expires_at),
        "urls": {
            "get": site.at(&format!("/v1/files/{id}")),
            "download": site.at(&format!("/v1/files/{id}/download?{}", query(file, site.api()))),
        },
    })
}

/// What allows a client without the server's token to download a file, named as on Replicate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadPermit {
    /// Who has sent the file: the owner of the models.
    pub owner: String,
    /// Until when it is valid, in seconds since 1970.
    pub expiry: i64,
    /// What only this server can make.
    pub signature: String,
}

impl DownloadPermit {
    /// Whether this server has made it for the file with this id, and whether it has expired or not.
    pub fn is_for(&self, id: &str, api: &Api) -> bool {
        api.is_token(&self.signature, &parts(&self.owner, id, self.expiry))
    }

    /// Whether it is no longer valid.
    pub fn has_expired(&self) -> bool {
        self.expiry <= Timestamp::now().as_second()
    }
}

/// The parameters of a download, named as on Replicate.
fn query(file: &InputFile, api: &Api) -> String {
    let owner = api.model.owner();
    let expiry = file.expires_at.div_euclid(1000);
    Serializer::new(String::new())
        .append_pair("owner", owner)
        .append_pair("expiry", &expiry.to_string())
        .append_pair("signature", &api.token(&parts(owner, &file.id, expiry)))
        .finish()
}

fn parts(owner: &str, id: &str, expiry: i64) -> [String; 4] {
    [
        "input file".to_owned(),
        owner.to_owned(),
        id.to_owned(),
        expiry.to_string(),
    ]
}

/// A time in milliseconds since 1970.
fn moment(milliseconds: i64) -> String {
    time(Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX))
}
