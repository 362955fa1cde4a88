//! A prediction on its way to a worker, as plain data.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use url::Url;

use super::origin::Origin;
use crate::inputs::Input;

/// Everything that a worker has to know about a prediction. It holds no handle and no channel, so
/// that a queue can store it or send it to another process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// The identifier of the prediction.
    pub id: String,
    /// The checked inputs with defaults filled in, the chosen seed included.
    pub input: Input,
    /// Lines of the log after the first one, such as inputs that are ignored.
    pub notes: Vec<String>,
    /// Where the files go.
    pub destination: Destination,
    /// What cancels the prediction.
    pub cancel_policy: CancelPolicy,
    /// When it was accepted.
    #[serde(with = "text")]
    pub created_at: Timestamp,
    /// How it was asked for.
    #[serde(default)]
    pub origin: Origin,
}

#[cfg(test)]
impl Job {
    /// A job for tests, accepted at the beginning of 1970.
    pub(crate) fn sample(id: &str) -> Self {
        let values = serde_json::json!({"prompt": "a house", "seed": 7});
        Self {
            id: id.to_owned(),
            input: Input::from_values(values.as_object().unwrap()).unwrap(),
            notes: Vec::new(),
            destination: Destination::Inline,
            cancel_policy: CancelPolicy::OnRequest,
            created_at: Timestamp::UNIX_EPOCH,
            origin: Origin::default(),
        }
    }
}

/// Where the files of a prediction go.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Destination {
    /// Into the response, as data URLs.
    Inline,
    /// Below a URL, with or without a final slash, in a folder for each prediction (`--upload-url`).
    Folder(#[serde(with = "text")] Url),
    /// To URLs that begin with this one, used unchanged (`output_file_prefix`).
    Prefix(#[serde(with = "text")] Url),
}

impl fmt::Debug for Destination {
    /// Shows only the host: signed URLs are secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, url) = match self {
            Self::Inline => return formatter.write_str("Inline"),
            Self::Folder(url) => ("Folder", url),
            Self::Prefix(url) => ("Prefix", url),
        };
        formatter.debug_tuple(name).field(&url.host_str()).finish()
    }
}

/// What cancels a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CancelPolicy {
    /// Only a request to cancel it.
    OnRequest,
    /// Also that the last subscriber of its events has disconnected.
    WithoutSubscribers,
}

/// Serializes values as text, with their `Display` and `FromStr`.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn job(destination: Destination) -> Job {
        let values = json!({"prompt": "a red fox | a tree:0.5", "background": "#fff", "seed": 7});
        Job {
            id: "one".to_owned(),
            input: Input::from_values(values.as_object().unwrap()).unwrap(),
            notes: vec!["a note".to_owned()],
            destination,
            cancel_policy: CancelPolicy::WithoutSubscribers,
            created_at: Timestamp::now(),
            origin: Origin::default(),
        }
    }

    #[test]
    fn a_job_of_an_earlier_version_has_the_origin_of_cogs_protocol() {
        let mut text: Value = json!(job(Destination::Inline));
        text.as_object_mut().unwrap().remove("origin").unwrap();
        let read: Job = serde_json::from_value(text).unwrap();
        assert_eq!(read.origin, Origin::default());
    }

    #[test]
    fn a_job_is_the_same_after_it_was_written_and_read() {
        let url: Url = "https://me:hush@a.example/up/?sig=1".parse().unwrap();
        for destination in [
            Destination::Inline,
            Destination::Folder(url.clone()),
            Destination::Prefix(url),
        ] {
            let job = job(destination);
            let text = serde_json::to_string(&job).unwrap();
            assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job);
        }
    }

    #[test]
    fn a_seed_that_was_chosen_stays() {
        let values = json!({"prompt": "a cat"});
        let input = Input::from_values(values.as_object().unwrap()).unwrap();
        let job = Job {
            input,
            ..job(Destination::Inline)
        };
        let read: Job = serde_json::from_value(json!(job)).unwrap();
        assert_eq!(read.input.spec().seed, job.input.spec().seed);
    }

    #[test]
    fn inputs_are_checked_again() {
        let mut text: Value = json!(job(Destination::Inline));
        text["input"]["num_paths"] = json!(0);
        let error = serde_json::from_value::<Job>(text).unwrap_err();
        assert!(error.to_string().contains("num_paths"), "{error}");
    }

    #[test]
    fn the_debug_output_shows_no_path_and_no_query() {
        let url = "http://user:hush@a.example/hush?sig=hush".parse().unwrap();
        let shown = format!("{:?}", job(Destination::Folder(url)));
        assert!(
            shown.contains("a.example") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
