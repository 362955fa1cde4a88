//! Weight files with several models, such as weights and their moving average (EMA), of which the caller chooses one.
use std::fs;
use std::path::Path;
use std::process::Command;

use clipdraw::clip::LoadOptions;
use serde_json::json;

use crate::support::clip_files::{
    Embedded, ModelFolder, Tensors, Wide, hugging_face, load, load_with, refusal, renamed,
    safetensors_file, weight,
};
use crate::support::torch_files::{in_one_storage, torch_file};

/// Two prefixes in one file, and how the first one may be written.
const PREFIXES: [(&str, &str, &[&str]); 8] = [
    (
        "state_dict_ema.",
        "state_dict.",
        &["state_dict_ema", "state_dict_ema."],
    ),
    ("state_dict.", "state_dict_ema.", &["state_dict"]),
    (
        "model_ema.module.",
        "model.module.",
        &["model_ema", "model_ema.module"],
    ),
    (
        "module.ema_model.",
        "module.online_model.",
        &["ema_model", "module.ema_model"],
    ),
    ("ema.", "", &["ema"]),
    ("", "ema.", &["."]),
    ("model.", "model.ema.", &["model", "model."]),
    ("module.", "", &["module"]),
];

/// A small model whose heads are 64 wide, so that it needs no configuration.
fn model() -> Tensors {
    let narrow = Wide {
        width: 64,
        ..Wide::default()
    };
    narrow.tensors()
}

/// The same model with other numbers in both towers.
fn other_model() -> Tensors {
    let mut other = model();
    for name in ["ln_final.bias", "visual.ln_post.bias"] {
        let tensor = weight(&format!("another {name}"), &other[name].1);
        other.insert(name.to_owned(), tensor);
    }
    other
}

type Layout = fn(&Tensors) -> Tensors;

/// Every layout of names, and whether the names in it have a common prefix.
const LAYOUTS: [(Layout, bool); 4] = [
    (Tensors::clone, true),
    (hugging_face, true),
    (custom_text, true),
    (separate_towers, false),
];

/// That of `open_clip`'s `CustomTextCLIP`.
fn custom_text(tensors: &Tensors) -> Tensors {
    renamed(tensors, |name| {
        let image = name.starts_with("visual.");
        format!("{}{name}", if image { "" } else { "text." })
    })
}

/// A dictionary for each tower.
fn separate_towers(tensors: &Tensors) -> Tensors {
    renamed(tensors, |name| {
        let image = name.starts_with("visual.");
        let tower = if image {
            "image_encoder"
        } else {
            "text_encoder"
        };
        format!("{tower}.{name}")
    })
}

/// Two models in one file.
fn both(layout: Layout, [first, second]: [&str; 2]) -> Tensors {
    let mut tensors = renamed(&layout(&model()), |name| format!("{first}{name}"));
    tensors.extend(renamed(&layout(&other_model()), |name| {
        format!("{second}{name}")
    }));
    tensors
}

fn chosen(prefix: &str) -> LoadOptions {
    LoadOptions {
        tensors: Some(prefix.to_owned()),
        ..LoadOptions::default()
    }
}

#[track_caller]
fn assert_chosen(file: &Path, prefix: &str, expected: &Embedded) {
    match load_with(file, &chosen(prefix)) {
        Ok(clip) => Embedded::by(&clip).assert(expected.image, expected.texts),
        Err(error) => panic!("{prefix}: {}", refusal(&error)),
    }
}

#[test]
fn one_of_several_models_can_be_chosen_in_every_layout() {
    let expected = ModelFolder::new(&model(), &[]).embed();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("weights");
    for (first, second, written) in PREFIXES {
        for (layout, is_joint) in LAYOUTS {
            if !is_joint && (first.is_empty() || second.is_empty() || second.starts_with(first)) {
                // Without a common prefix, the models cannot be distinguished.
                continue;
            }
            let tensors = both(layout, [first, second]);
            let (views, storage) = in_one_storage(&tensors);
            for contents in [
                safetensors_file(&tensors, &[]),
                torch_file(&views, &[storage]),
            ] {
                fs::write(&file, contents).unwrap();
                for prefix in written {
                    assert_chosen(&file, prefix, &expected);
                }
                let error = refusal(&load(&file).unwrap_err());
                assert!(error.contains("it contains several models"), "{error}");
            }
        }
    }
}

#[test]
fn the_error_about_several_models_says_how_to_choose_one() {
    for (prefixes, text) in [
        (
            ["state_dict.", "state_dict_ema."],
            "with the prefixes `state_dict.` and `state_dict_ema.`; choose one of them, for example with --tensors \
             state_dict_ema",
        ),
        (
            ["", "ema."],
            "with the prefixes `.` (none) and `ema.`; choose one of them, for example with --tensors ema",
        ),
        (
            ["", "module."],
            "with the prefixes `.` (none) and `module.`; choose one of them, for example with --tensors module",
        ),
    ] {
        let refusal = ModelFolder::new(&both(Tensors::clone, prefixes), &[]).refusal();
        assert!(refusal.ends_with(text), "{refusal}");
    }
}

#[test]
fn a_prefix_that_no_tensor_has_is_refused_with_those_of_the_file() {
    let several = ModelFolder::new(&both(Tensors::clone, ["a.", "b."]), &[]);
    let single = ModelFolder::new(&model(), &[]);
    for (folder, prefix, text) in [
        (
            &several,
            "c",
            "no tensor has the prefix `c` (--tensors); it has models with the prefixes `a.` and `b.`",
        ),
        (
            &single,
            "ema",
            "no tensor has the prefix `ema` (--tensors); it has `text_projection`",
        ),
        (
            &single,
            "visual",
            "it has an image tower, with `visual.class_embedding`",
        ),
    ] {
        let file = folder.path().join("model.safetensors");
        let error = refusal(&load_with(&file, &chosen(prefix)).unwrap_err());
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn weights_outside_of_a_model_can_be_left_out() {
    // Moving averages in the forms of torch-ema and of LDM, whose names do not say what they belong to.
    let mut tensors = renamed(&model(), |name| format!("model.{name}"));
    for name in ["ema.shadow_params.0", "model_ema.visualproj"] {
        tensors.insert(name.to_owned(), weight(name, &[64, 12]));
    }
    let folder = ModelFolder::new(&tensors, &[]);
    let refused = folder.refusal();
    assert!(
        refused.contains("nothing uses `ema.shadow_params.0`, [64, 12], nor 1 other tensor; if it is not part of the model, add --tensors model"),
        "{refused}"
    );
    let expected = ModelFolder::new(&model(), &[]).embed();
    assert_chosen(&folder.path().join("model.safetensors"), "model", &expected);
}

#[test]
fn the_chosen_prefix_and_activation_are_part_of_the_drawing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("both.safetensors");
    let tensors = both(Tensors::clone, ["state_dict.", "state_dict_ema."]);
    fs::write(&file, safetensors_file(&tensors, &[])).unwrap();
    let draw = |arguments: &[&str], variable: &str| {
        let input = json!({"num_iterations": 1, "num_paths": 1, "num_augmentations": 1, "seed": 1});
        fs::write(folder.path().join("input.json"), input.to_string()).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_clipdraw"))
            .args(["predict", "--json", "input.json", "-o", "-", "-q"])
            .args(arguments)
            .current_dir(folder.path())
            .env("CLIPDRAW_WEIGHTS", &file)
            .env("CLIPDRAW_TENSORS", variable)
            .output()
            .expect("the program starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        (text(output.stdout), text(output.stderr))
    };
    let (svg, _) = draw(&["--tensors", "state_dict_ema"], "state_dict");
    assert!(
        svg.contains("&quot;tensors&quot;:&quot;state_dict_ema&quot;"),
        "{svg}"
    );
    let (svg, _) = draw(&[], "state_dict");
    assert!(
        svg.contains("&quot;tensors&quot;:&quot;state_dict&quot;"),
        "{svg}"
    );
    assert!(!svg.contains("activation"), "{svg}");
    let (svg, _) = draw(&["--activation", "gelu"], "state_dict");
    assert!(
        svg.contains("&quot;activation&quot;:&quot;gelu&quot;"),
        "{svg}"
    );
    let (svg, _) = draw(
        &["--weights", "compact-v4", "--activation", "gelu"],
        "state_dict",
    );
    assert!(svg.starts_with("<svg") && !svg.contains("tensors"), "{svg}");
    assert!(!svg.contains("activation"), "{svg}");
    let (_, errors) = draw(&[], "");
    assert!(errors.contains("it contains several models"), "{errors}");
}
