//! The models that this server offers, as Replicate's clients read them.

use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::addresses::Site;
use super::model_name::ModelName;
use super::openapi::model_schema;
use crate::cog::openapi::COG_VERSION;
use crate::hex::lower_hex;
use crate::service::OutputShape;

/// What the models are for.
const DESCRIPTION: &str =
    "Turns a prompt into a vector drawing. The output has all frames, the finished drawing last.";

/// The same for the model whose output is one file.
const FINAL_DESCRIPTION: &str =
    "Turns a prompt into a vector drawing. The output is the finished drawing.";

/// The paper that the drawings follow (Frans et al. 2021).
const PAPER: &str = "https://arxiv.org/abs/2106.14843";

/// A model that clients can name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelEntry {
    /// Its name.
    pub name: ModelName,
    /// What its output is.
    pub output: OutputShape,
}

impl ModelEntry {
    /// The models of a server: the one with all files, and the one with the finished drawing.
    pub fn all(name: &ModelName) -> [Self; 2] {
        [OutputShape::AllFiles, OutputShape::FinishedDrawing].map(|output| Self {
            name: name.with_output(output),
            output,
        })
    }

    /// The model of that name, if it is one of the server's.
    pub fn find(server: &ModelName, owner: &str, name: &str) -> Option<Self> {
        Self::all(server)
            .into_iter()
            .find(|model| model.name.owner() == owner && model.name.name() == name)
    }

    /// The version of this model, 64 hexadecimal digits, by that of the weights and the program. Clients may name the version
    /// alone, so each model has its own.
    pub fn version(&self, common: &str) -> String {
        version_of(common, self.output)
    }

    fn description(&self) -> &'static str {
        match self.output {
            OutputShape::AllFiles => DESCRIPTION,
            OutputShape::FinishedDrawing => FINAL_DESCRIPTION,
        }
    }

    /// Whether the name and the description have all these words.
    pub fn matches(&self, words: &str) -> bool {
        let text = format!("{} {}", self.name, self.description()).to_lowercase();
        words
            .split_whitespace()
            .all(|word| text.contains(&word.to_lowercase()))
    }
}

/// The version of the model with that output.
pub(super) fn version_of(common: &str, output: OutputShape) -> String {
    match output {
        OutputShape::AllFiles => common.to_owned(),
        OutputShape::FinishedDrawing => {
            lower_hex(&Sha256::digest(format!("{common}\nfinished drawing")))
        }
    }
}

/// A time with milliseconds, in UTC.
pub(super) fn time(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// The models of a server whose model is loaded.
#[derive(Debug)]
pub struct Catalog<'a> {
    /// How the server is reached.
    pub site: &'a Site,
    /// The version of the weights and the program.
    pub version: String,
    /// When the model was loaded.
    pub created_at: Timestamp,
    /// The device that draws, as in `--device`.
    pub device: String,
}

impl Catalog<'_> {
    /// A model with its version.
    pub fn model(&self, model: &ModelEntry) -> Value {
        json!({
            "url": self.site.at("/studio"),
            "owner": model.name.owner(),
            "name": model.name.name(),
            "description": model.description(),
            "visibility": "public",
            "is_official": false,
            "github_url": null,
            "paper_url": PAPER,
            "license_url": null,
            "run_count": 0,
            "cover_image_url": null,
            "default_example": null,
            "latest_version": self.version(model),
        })
    }

    /// The version of a model.
    pub fn version(&self, model: &ModelEntry) -> Value {
        json!({
            "id": model.version(&self.version),
            "created_at": time(self.created_at),
            "cog_version": COG_VERSION,
            "openapi_schema": model_schema(model.output),
        })
    }

    /// The deployment of a model, which has its name.
    pub fn deployment(&self, model: &ModelEntry) -> Value {
        json!({
            "owner": model.name.owner(),
            "name": model.name.name(),
            "current_release": {
                "number": 1,
                "model": model.name.to_string(),
                "version": model.version(&self.version),
                "created_at": time(self.created_at),
                "created_by": account(&self.site.api().model),
                "configuration": {
                    "hardware": self.device_sku(),
                    "min_instances": 1,
                    "max_instances": 1,
                },
            },
        })
    }

    /// What draws.
    pub fn hardware(&self) -> Value {
        let name = if self.device.starts_with("cuda") {
            "GPU"
        } else {
            "CPU"
        };
        json!([{ "name": name, "sku": self.device_sku() }])
    }

    fn device_sku(&self) -> String {
        self.device.replace(':', "-")
    }
}

/// The owner of the models.
pub fn account(model: &ModelName) -> Value {
    json!({
        "type": "organization",
        "username": model.owner(),
        "name": model.owner(),
        "github_url": null,
        "avatar_url": null,
    })
}

/// A list that has only one page.
pub fn only_page(results: &[Value]) -> Value {
    json!({ "previous": null, "next": null, "results": results })
}
