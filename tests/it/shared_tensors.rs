//! Checkpoints in which tensors share a storage, or a tensor has several names.
use std::fs;

use crate::support::clip_files::{
    Embedded, ModelFolder, Tensors, Wide, hugging_face, load, refusal, renamed,
};
use crate::support::torch_files::{StoredView, in_one_storage, torch_file};

/// The header of the wide model in our own format.
const HEADER: [(&str, &str); 3] = [
    ("vision_heads", "2"),
    ("text_heads", "2"),
    ("activation", "gelu"),
];

/// Names of a wrapper's attributes, and of the image tower in the model that it wraps.
const WRAPPERS: [[&str; 2]; 4] = [
    ["encoder", "model"],
    ["clip", "visual"],
    ["image_encoder", "clip_model"],
    ["vision", "net"],
];

/// A model with heads of 64 channels, because a PyTorch file has no header to state them.
fn narrow() -> Tensors {
    let narrow = Wide {
        width: 64,
        ..Wide::default()
    };
    narrow.tensors()
}

/// A model in a wrapper.
struct Wrapped {
    wrapper: [&'static str; 2],
    tensors: Tensors,
    /// The name of the image tower.
    tower: &'static str,
}

/// Every wrapper, around the model in each layout.
fn wrapped_models() -> impl Iterator<Item = Wrapped> {
    WRAPPERS.into_iter().flat_map(|wrapper| {
        let layouts = [
            (narrow(), "visual"),
            (hugging_face(&narrow()), "vision_model"),
        ];
        layouts.map(|(tensors, tower)| Wrapped {
            wrapper,
            tensors,
            tower,
        })
    })
}

fn embed_torch_file(views: &[StoredView], storages: &[Vec<u8>]) -> Embedded {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("weights.pt");
    fs::write(&file, torch_file(views, storages)).expect("room for the test's file");
    match load(&file) {
        Ok(clip) => Embedded::by(&clip),
        Err(error) => panic!("{}", refusal(&error)),
    }
}

#[track_caller]
fn assert_same(found: &Embedded, expected: &Embedded) {
    found.assert(expected.image, expected.texts);
}

/// The names of a wrapper: each tensor of the image tower is there a second time.
fn aliases(tensors: &Tensors, [first, second]: [&str; 2], tower: &str) -> Vec<(String, String)> {
    let (alias, model) = if first == "clip" {
        (second, first)
    } else {
        (first, second)
    };
    let names = tensors.keys().filter_map(|name| {
        let inside = name.strip_prefix(tower)?.strip_prefix('.')?;
        Some((format!("{alias}.{inside}"), format!("{model}.{name}")))
    });
    names.collect()
}

fn model_name(wrapper: [&str; 2]) -> &str {
    wrapper[usize::from(wrapper[0] != "clip")]
}

#[test]
fn tensors_that_share_one_storage_are_read() {
    let expected = ModelFolder::new(&narrow(), &[]).embed();
    let (views, storage) = in_one_storage(&narrow());
    assert_same(&embed_torch_file(&views, &[storage]), &expected);
}

#[test]
fn a_tensor_with_the_negative_bit_is_read_with_its_sign() {
    let expected = ModelFolder::new(&narrow(), &[]).embed();
    let mut negated = narrow();
    let name = "visual.ln_post.weight";
    let stored = negated.get_mut(name).expect("the tensor");
    for number in stored.2.chunks_exact_mut(4) {
        number[3] ^= 0x80;
    }
    let (mut views, storage) = in_one_storage(&negated);
    for view in views.iter_mut().filter(|view| view.name == name) {
        view.is_negated = true;
    }
    assert_same(&embed_torch_file(&views, &[storage]), &expected);
}

#[test]
fn further_names_of_a_models_tensors_are_ignored() {
    let expected = ModelFolder::new(&narrow(), &[]).embed();
    for Wrapped {
        wrapper,
        tensors,
        tower,
    } in wrapped_models()
    {
        let prefix = model_name(wrapper);
        let named = renamed(&tensors, |name| format!("{prefix}.{name}"));
        let (mut views, storage) = in_one_storage(&named);
        for (alias, name) in aliases(&tensors, wrapper, tower) {
            let view = views.iter().find(|view| view.name == name);
            let view = view.expect("a tensor of the model").clone();
            views.push(StoredView {
                name: alias,
                ..view
            });
        }
        let storages = [storage];
        assert_same(&embed_torch_file(&views, &storages), &expected);
    }
    // A second name inside of the model itself.
    let (mut views, storage) = in_one_storage(&narrow());
    let projection = views.iter().find(|view| view.name == "text_projection");
    let projection = projection.expect("a tensor of the model").clone();
    let name = "head".to_owned();
    views.push(StoredView { name, ..projection });
    assert_same(&embed_torch_file(&views, &[storage]), &expected);
}

#[test]
fn names_that_save_model_lists_in_the_metadata_are_read() {
    let expected = ModelFolder::new(&narrow(), &[]).embed();
    for Wrapped {
        wrapper,
        tensors,
        tower,
    } in wrapped_models()
    {
        let prefix = model_name(wrapper);
        let mut kept = renamed(&tensors, |name| format!("{prefix}.{name}"));
        let mut metadata = Vec::new();
        // The name that sorts first is kept.
        for (alias, name) in aliases(&tensors, wrapper, tower) {
            if alias < name {
                let tensor = kept.remove(&name).expect("a tensor of the model");
                kept.insert(alias.clone(), tensor);
                metadata.push((name, alias));
            } else {
                metadata.push((alias, name));
            }
        }
        let metadata: Vec<(&str, &str)> = metadata
            .iter()
            .map(|(dropped, kept)| (dropped.as_str(), kept.as_str()))
            .collect();
        assert_same(&ModelFolder::new(&kept, &metadata).embed(), &expected);
    }
}

#[test]
fn a_copy_with_other_numbers_is_not_a_further_name() {
    let name = "head.weight";
    let mut tensors = renamed(&narrow(), |name| format!("model.{name}"));
    tensors.insert(name.to_owned(), tensors["model.text_projection"].clone());
    let text = ModelFolder::new(&tensors, &HEADER).refusal();
    assert!(text.contains("nothing uses `head.weight`"), "{text}");
    let (views, storage) = in_one_storage(&tensors);
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("weights.pt");
    fs::write(&file, torch_file(&views, &[storage])).expect("room for the test's file");
    let text = refusal(&load(&file).expect_err("a tensor beside the model"));
    assert!(text.contains("nothing uses `head.weight`"), "{text}");
}
