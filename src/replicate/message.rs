//! A prediction as Replicate's clients read it.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Value, json};

use super::addresses::Site;
use super::model::{time, version_of};
use super::progress::with_progress;
use crate::cog::Status;
use crate::output::Provenance;
use crate::service::{OutputShape, Snapshot};

/// The state of a prediction as JSON. Everything that the clients may ask for is there: what is not known yet is `null`,
/// except in `urls`, where they allow no `null`.
#[derive(Debug)]
pub struct Message<'a> {
    snapshot: &'a Snapshot,
    site: &'a Site,
}

/// A page of predictions as JSON.
#[derive(Debug)]
pub struct MessageList<'a> {
    /// The address of the next page.
    pub next: Option<String>,
    /// The predictions, the newest first.
    pub results: Vec<Message<'a>>,
}

impl<'a> Message<'a> {
    /// The state of a prediction, with the addresses of a site.
    pub fn new(snapshot: &'a Snapshot, site: &'a Site) -> Self {
        Self { snapshot, site }
    }

    /// The number of files in the output.
    pub fn file_count(&self) -> usize {
        let files = self.snapshot.output.len();
        match self.snapshot.origin.output() {
            OutputShape::AllFiles => files,
            OutputShape::FinishedDrawing if self.snapshot.status == Status::Succeeded => {
                files.min(1)
            }
            OutputShape::FinishedDrawing => 0,
        }
    }

    fn model(&self) -> String {
        match &self.snapshot.origin.model {
            Some(model) => model.name.clone(),
            None => self.site.api().model.to_string(),
        }
    }

    fn version(&self) -> String {
        let version = self.snapshot.origin.version.clone();
        let common = version.unwrap_or_else(Provenance::version_of_program);
        version_of(&common, self.snapshot.origin.output())
    }

    fn urls(&self) -> Value {
        let id = &self.snapshot.id;
        json!({
            "cancel": self.site.at(&format!("/v1/predictions/{id}/cancel")),
            "get": self.site.at(&format!("/v1/predictions/{id}")),
            "stream": self.site.stream(id),
            "web": self.site.at("/studio"),
        })
    }

    fn metrics(&self) -> Map<String, Value> {
        let mut metrics = self.snapshot.metrics.clone();
        if let Some(end) = self.snapshot.completed_at {
            let total = end.duration_since(self.snapshot.created_at).as_secs_f64();
            metrics.insert("total_time".to_owned(), total.into());
        }
        metrics
    }
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let state = self.snapshot;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &*state.id)?;
        map.serialize_entry("model", &self.model())?;
        map.serialize_entry("version", &self.version())?;
        if let Some(deployment) = state
            .origin
            .model
            .as_ref()
            .and_then(|model| model.deployment.as_ref())
        {
            map.serialize_entry("deployment", deployment)?;
        }
        map.serialize_entry("input", &*state.input)?;
        map.serialize_entry("logs", &with_progress(&state.logs))?;
        map.serialize_entry("output", &Output(self))?;
        map.serialize_entry("data_removed", &false)?;
        map.serialize_entry("error", &state.error.as_deref())?;
        map.serialize_entry("source", "api")?;
        map.serialize_entry("status", &state.status)?;
        map.serialize_entry("created_at", &time(state.created_at))?;
        map.serialize_entry("started_at", &state.started_at.map(time))?;
        map.serialize_entry("completed_at", &state.completed_at.map(time))?;
        map.serialize_entry("urls", &self.urls())?;
        map.serialize_entry("metrics", &self.metrics())?;
        map.end()
    }
}

impl Serialize for MessageList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        // Pages are read forward only.
        map.serialize_entry("previous", &None::<&str>)?;
        map.serialize_entry("next", &self.next)?;
        map.serialize_entry("results", &self.results)?;
        map.end()
    }
}

/// The output of a prediction.
struct Output<'a>(&'a Message<'a>);

impl Serialize for Output<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Message { snapshot, site } = self.0;
        let files = snapshot.output.iter().zip(snapshot.omitted..);
        let address = |(file, index)| site.file(&snapshot.id, index, file);
        match snapshot.origin.output() {
            _ if snapshot.output.is_empty() => serializer.serialize_none(),
            OutputShape::AllFiles => {
                let mut list = serializer.serialize_seq(Some(snapshot.output.len()))?;
                for file in files.map(address) {
                    list.serialize_element(&*file)?;
                }
                list.end()
            }
            OutputShape::FinishedDrawing if snapshot.status == Status::Succeeded => {
                match files.last().map(address) {
                    Some(file) => serializer.serialize_str(&file),
                    None => serializer.serialize_none(),
                }
            }
            OutputShape::FinishedDrawing => serializer.serialize_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::replicate::addresses::{Api, FileAddresses};
    use crate::secret::Secret;
    use crate::service::{NamedModel, Origin};

    fn site(files: FileAddresses) -> Site {
        let secret = Secret::from_bytes(vec![1; 32]).unwrap();
        let mut api = Api::new("a/b".parse().unwrap(), &secret, None);
        api.files = files;
        Site::new(&Arc::new(api), "http://c.example".to_owned())
    }

    fn state(output: OutputShape, status: Status) -> Snapshot {
        let input = Arc::new(Map::new());
        let model = NamedModel {
            name: "x/y".to_owned(),
            deployment: None,
            output,
        };
        let origin = Origin {
            model: Some(model),
            ..Origin::default()
        };
        let created_at = Timestamp::UNIX_EPOCH;
        let accepted = Snapshot::accepted("one".into(), input, created_at, Arc::new(origin));
        Snapshot {
            status,
            output: vec![
                "data:image/png;base64,AA==".into(),
                "data:image/png;base64,BB==".into(),
            ],
            ..accepted
        }
    }

    #[test]
    fn the_output_of_the_model_with_one_file_is_null_until_the_end() {
        let site = site(FileAddresses::Data);
        for status in Status::ALL {
            let state = state(OutputShape::FinishedDrawing, status);
            let json = json!(Message::new(&state, &site));
            let expected = match status {
                Status::Succeeded => json!("data:image/png;base64,BB=="),
                _ => Value::Null,
            };
            assert_eq!(json["output"], expected, "{status:?}");
            let files = Message::new(&state, &site).file_count();
            assert_eq!(files, usize::from(status == Status::Succeeded));
            assert_eq!(json["model"], "x/y");
        }
    }

    #[test]
    fn a_file_has_the_same_address_although_files_before_it_are_left_out() {
        let site = site(FileAddresses::Links);
        let all = state(OutputShape::AllFiles, Status::Succeeded);
        let mut last = all.clone();
        last.output.remove(0);
        last.omitted = 1;
        let [all, last] = [&all, &last].map(|state| json!(Message::new(state, &site)));
        assert_eq!(all["output"][1], last["output"][0]);
    }

    #[test]
    fn times_have_milliseconds() {
        let at: Timestamp = "2026-11-28T02:10:37.1954321Z".parse().unwrap();
        assert_eq!(time(at), "2026-11-28T02:10:37.195Z");
        assert_eq!(time(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
    }
}
