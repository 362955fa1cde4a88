//! The drawings made by hand for this project, in `training/subjects`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::captions;
use super::pack::{Record, Style};
use super::packs::{self, PackError, SUBJECTS};
use super::render;
use super::sources::error::{read_json, read_text};

/// The set of these drawings.
const SET: &str = "subjects";
/// How often a drawing is shown, beside the pictures of packages: they are few, of things that are asked for.
const WEIGHT: f32 = 4.0;

/// What `captions.json` says of a drawing.
#[derive(Debug, Clone, Deserialize)]
struct SubjectCaptions {
    captions: Vec<String>,
    concept: String,
    object: bool,
}

/// Renders every drawing that `captions.json` in a folder names into the pack `subjects`.
///
/// # Errors
/// When a file is missing, a drawing cannot be rendered or the pack cannot be written.
pub fn render(drawings: &Path, training: &Path) -> Result<usize, PackError> {
    let listed: BTreeMap<String, SubjectCaptions> = read_json(&drawings.join("captions.json"))?;
    let listed: Vec<_> = listed.into_iter().collect();
    let pack = packs::folder(training).join(SUBJECTS);
    packs::write(&pack, &listed, |(name, subject)| {
        let file = drawings.join(name);
        let document = read_text(&file)?;
        let rendered = if subject.object {
            render::svg(&document)
        } else {
            render::svg_page(&document)
        };
        let picture = rendered.map_err(|source| PackError::Drawing {
            drawing: file,
            source,
        })?;
        Ok((picture, record(name, subject)))
    })?;
    Ok(listed.len())
}

fn record(name: &str, subject: &SubjectCaptions) -> Record {
    let concept = &subject.concept;
    let phrase = subject.captions.first().unwrap_or(concept);
    let mut plain = subject.captions.clone();
    for caption in [
        concept.clone(),
        format!("a drawing of {concept}"),
        format!("a picture of {concept}"),
    ] {
        if !plain.contains(&caption) {
            plain.push(caption);
        }
    }
    Record {
        set: SET.to_owned(),
        name: name.to_owned(),
        style: Style::Drawing,
        weight: WEIGHT,
        concept: concept.clone(),
        plain,
        keywords: Vec::new(),
        scenes: if subject.object {
            captions::scenes(phrase, concept)
        } else {
            Vec::new()
        },
        filtered: captions::filtered(concept),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::pack::Pack;
    use super::*;

    const SQUARE: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><rect width="100" height="100" fill="#0a0"/></svg>"##;

    #[test]
    fn a_landscape_fills_its_picture_and_an_object_goes_into_scenes() {
        let folder = tempfile::tempdir().unwrap();
        let drawings = folder.path().join("subjects");
        fs::create_dir_all(drawings.join("cat")).unwrap();
        for name in ["cat/meadow.svg", "cat/green.svg"] {
            fs::write(drawings.join(name), SQUARE).unwrap();
        }
        let listed = r#"{
            "cat/green.svg": {"captions": ["cat", "a green cat"], "concept": "a cat", "object": true},
            "cat/meadow.svg": {"captions": ["meadow"], "concept": "a meadow", "object": false}
        }"#;
        fs::write(drawings.join("captions.json"), listed).unwrap();
        assert_eq!(render(&drawings, folder.path()).unwrap(), 2);
        let pack = Pack::open(&packs::folder(folder.path()).join(SUBJECTS)).unwrap();
        let [cat, meadow] = [0, 1].map(|index| &pack.records[index]);
        assert_eq!(
            cat.plain,
            [
                "cat",
                "a green cat",
                "a cat",
                "a drawing of a cat",
                "a picture of a cat"
            ]
        );
        assert!(!cat.scenes.is_empty() && meadow.scenes.is_empty());
        assert_eq!(pack.picture(0)[..4], [0; 4]);
        assert_eq!(pack.picture(1)[..4], [0, 170, 0, 255]);
    }

    #[test]
    fn the_drawings_of_this_project_are_listed_and_can_be_rendered() {
        let folder = tempfile::tempdir().unwrap();
        let drawings = Path::new(env!("CARGO_MANIFEST_DIR")).join("subjects");
        assert!(render(&drawings, folder.path()).unwrap() > 0);
    }
}
