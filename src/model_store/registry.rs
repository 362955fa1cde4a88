//! The published models, by name.

use crate::clip::EMBEDDED_SHA256;
use crate::suggest::suggest;

/// CLIP weights that were published under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedModel {
    /// The name, for example `ViT-B/32`.
    pub name: &'static str,
    /// The name of the published file.
    pub file_name: &'static str,
    /// Where to get it.
    pub source: ModelSource,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: &'static str,
    /// The size of the file in bytes.
    pub size: u64,
    /// The SPDX identifier of its license.
    pub license: &'static str,
}

/// Where to get a published model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelSource {
    /// It is embedded in the program.
    Embedded,
    /// It is downloaded from this URL.
    Url(&'static str),
}

impl PublishedModel {
    /// The file name without `.pt` or `.safetensors`, for example `ViT-B-32`.
    pub fn stem(&self) -> &'static str {
        self.file_name
            .rsplit_once('.')
            .map_or(self.file_name, |(stem, _)| stem)
    }
}

/// A model that `OpenAI` published. The SHA-256 is part of its URL.
macro_rules! openai {
    ($name:literal, $file_name:literal, $sha256:literal, $size:literal) => {
        PublishedModel {
            name: $name,
            file_name: $file_name,
            source: ModelSource::Url(concat!(
                "https://openaipublic.azureedge.net/clip/models/",
                $sha256,
                "/",
                $file_name
            )),
            sha256: $sha256,
            size: $size,
            license: "MIT",
        }
    };
}

/// The embedded model.
pub const EMBEDDED: &PublishedModel = &MODELS[0];

/// Every published model that this program knows: the embedded one, then `OpenAI`'s in the order
/// of preference when none is requested. Names, URLs and checksums are those of openai/CLIP (clip.py)
/// and `open_clip` (pretrained.py).
pub static MODELS: &[PublishedModel] = &[
    PublishedModel {
        name: "compact-v4",
        file_name: "compact-v4.safetensors",
        source: ModelSource::Embedded,
        sha256: EMBEDDED_SHA256,
        size: 27_923_314,
        license: "Apache-2.0",
    },
    openai!(
        "ViT-B/32",
        "ViT-B-32.pt",
        "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af",
        353_976_522
    ),
    openai!(
        "ViT-B/16",
        "ViT-B-16.pt",
        "5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f",
        350_837_078
    ),
    openai!(
        "RN50",
        "RN50.pt",
        "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762",
        255_827_503
    ),
    openai!(
        "ViT-L/14",
        "ViT-L-14.pt",
        "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836",
        932_768_134
    ),
    openai!(
        "ViT-L/14@336px",
        "ViT-L-14-336px.pt",
        "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02",
        934_088_680
    ),
    openai!(
        "RN101",
        "RN101.pt",
        "8fa8567bab74a42d41c5915025a8e4538c3bdbe8804a470a72f30b0d94fab599",
        291_791_292
    ),
    openai!(
        "RN50x4",
        "RN50x4.pt",
        "7e526bd135e493cef0776de27d5f42653e6b4c8bf9e0f653bb11773263205fdd",
        421_854_225
    ),
    openai!(
        "RN50x16",
        "RN50x16.pt",
        "52378b407f34354e150460fe41077663dd5b39c54cd0bfd2b27167a4a06ec9aa",
        661_125_706
    ),
];

/// Finds a model by its name, or by its file name without the extension, ignoring case.
pub fn find(name: &str) -> Option<&'static PublishedModel> {
    MODELS.iter().find(|model| {
        model.name.eq_ignore_ascii_case(name) || model.stem().eq_ignore_ascii_case(name)
    })
}

/// The name that was most likely meant by a mistyped one, if any is similar.
pub fn suggestion(name: &str) -> Option<&'static str> {
    suggest(name, MODELS.iter().map(|model| model.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_checksum_is_64_hexadecimal_digits_and_part_of_its_url() {
        for model in MODELS {
            assert_eq!(model.sha256.len(), 64, "{}", model.name);
            let digits = |text: &str| text.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
            assert!(digits(model.sha256), "{}", model.name);
            if let ModelSource::Url(url) = model.source {
                assert!(url.contains(model.sha256) && url.ends_with(model.file_name));
            }
        }
    }

    #[test]
    fn a_model_is_found_by_its_name_and_its_file_name_in_any_case() {
        for name in ["ViT-L/14@336px", "vit-l/14@336px", "ViT-L-14-336px"] {
            assert_eq!(
                find(name).map(|model| model.name),
                Some("ViT-L/14@336px"),
                "{name}"
            );
        }
        assert_eq!(find("ViT-B"), None, "the beginning of a name is not a name");
    }

    #[test]
    fn a_mistyped_name_is_corrected_and_nonsense_is_not() {
        assert_eq!(suggestion("vitb32"), Some("ViT-B/32"));
        assert_eq!(suggestion("RN50x5"), Some("RN50x4"));
        assert_eq!(suggestion("mona lisa"), None);
    }
}
