//! Checkpoints that cannot be used: the error contains the reason and what to do.
use std::fs;

use clipdraw::clip::{Clip, WeightsSource};
use clipdraw::draw::{Drawing, Spec};
use clipdraw::errors::chain;
use safetensors::Dtype;
use serde_json::json;
use tch::{Device, Kind};

use crate::support::clip_files::{
    ModelFolder, Tensors, Wide, floats, hugging_face, load, renamed, weight,
};
use crate::support::torch_files::{archive, in_one_storage, torch_file};

fn wide() -> Tensors {
    Wide::default().tensors()
}

/// The error of loading a file with these contents.
fn refusal_of(contents: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("weights.bin");
    fs::write(&file, contents).expect("room for the test's file");
    chain(&load(&file).expect_err("a file that is refused"))
}

/// A safetensors file of this header and some bytes.
fn with_header(header: &str, length: usize) -> Vec<u8> {
    let start = (header.len() as u64).to_le_bytes();
    [&start[..], header.as_bytes(), &vec![0; length]].concat()
}

#[test]
fn an_empty_file_is_reported() {
    let text = refusal_of(b"");
    assert!(text.ends_with("the file is empty"), "{text}");
}

#[test]
fn a_folder_whose_subfolder_has_the_weights_names_it() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let inside = folder.path().join("0_CLIPModel");
    fs::create_dir(&inside).expect("a folder");
    fs::create_dir(folder.path().join("1_Pooling")).expect("a folder");
    fs::write(inside.join("model.safetensors"), "x").expect("a small file");
    let text = chain(&load(folder.path()).expect_err("a folder without weights"));
    assert!(
        text.ends_with("0_CLIPModel; use this path") && !text.contains("1_Pooling"),
        "{text}"
    );
}

#[test]
fn a_name_that_is_twice_in_a_header_is_reported() {
    let header = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
        "a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    let text = refusal_of(&with_header(header, 8));
    assert!(text.ends_with("its header has `a` twice"), "{text}");
    let header = r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
    let text = refusal_of(&with_header(header, 8));
    assert!(text.ends_with("invalid offset for tensor `a`"), "{text}");
}

#[test]
fn the_cause_of_a_broken_header_is_printed_once() {
    let header = r#"{"__metadata__":{"step":5}}"#;
    let text = refusal_of(&with_header(header, 0));
    assert_eq!(text.matches("expected a string").count(), 1, "{text}");
}

#[test]
fn weights_of_bitsandbytes_are_refused_with_its_name() {
    let mut tensors = hugging_face(&wide());
    let names: Vec<String> = tensors
        .keys()
        .filter(|name| name.ends_with("mlp.fc1.weight"))
        .cloned()
        .collect();
    for name in names {
        let shape = tensors[&name].1.clone();
        let scale = name.replace(".weight", ".SCB");
        tensors.insert(scale, (Dtype::F32, vec![shape[0]], vec![0; 4 * shape[0]]));
        let count = shape.iter().product();
        tensors.insert(name, (Dtype::I8, shape, vec![1; count]));
    }
    let text = ModelFolder::new(&tensors, &[]).refusal();
    assert!(
        text.contains(".mlp.fc1.weight` is I8 of bitsandbytes; F16, BF16, F32 and F64 can be read"),
        "{text}"
    );
}

#[test]
fn lora_adapters_that_are_not_merged_are_reported() {
    let mut tensors = hugging_face(&wide());
    let weights: Vec<String> = tensors
        .keys()
        .filter(|name| name.ends_with("q_proj.weight"))
        .cloned()
        .collect();
    for name in weights {
        let tensor = tensors.remove(&name).expect("a tensor of the model");
        let base = name.replace(".weight", ".base_layer.weight");
        tensors.insert(base, tensor);
        for part in ["lora_A", "lora_B"] {
            let adapter = name.replace(".weight", &format!(".{part}.default.weight"));
            tensors.insert(adapter, weight(part, &[4, 4]));
        }
    }
    let tensors = renamed(&tensors, |name| format!("base_model.model.{name}"));
    let text = ModelFolder::new(&tensors, &[]).refusal();
    assert!(text.contains("is part of a LoRA adapter"), "{text}");
    assert!(text.contains("merge_and_unload()"), "{text}");
}

#[test]
fn a_file_with_only_one_tower_says_which() {
    let only = |tensors: &Tensors, part: &str| -> Tensors {
        let tensors = tensors.iter().filter(|(name, _)| name.starts_with(part));
        tensors
            .map(|(name, tensor)| (name.clone(), tensor.clone()))
            .collect()
    };
    let text_tower = only(&hugging_face(&wide()), "text_model.");
    let image_tower = only(&hugging_face(&wide()), "vision_model.");
    let without = |tensors: &Tensors, part: &str| renamed(tensors, |name| name.replace(part, ""));
    let stable_diffusion = renamed(&text_tower, |name| {
        format!("cond_stage_model.transformer.{name}")
    });
    for tensors in [
        without(&text_tower, "text_model."),
        text_tower,
        stable_diffusion,
    ] {
        let text = ModelFolder::new(&tensors, &[]).refusal();
        assert!(
            text.contains("it has a text tower, with `") && text.contains("but no image tower"),
            "{text}"
        );
    }
    for tensors in [
        without(&image_tower, "vision_model."),
        image_tower,
        only(&wide(), "visual."),
    ] {
        let text = ModelFolder::new(&tensors, &[]).refusal();
        assert!(
            text.contains("it has an image tower, with `") && text.contains("but no text tower"),
            "{text}"
        );
    }
}

#[test]
fn empty_tensors_are_reported() {
    let mut tensors = hugging_face(&wide());
    for (dtype, shape, bytes) in tensors.values_mut() {
        (*dtype, *shape, *bytes) = (Dtype::F32, vec![0], Vec::new());
    }
    let text = ModelFolder::new(&tensors, &[]).refusal();
    assert!(text.contains("` is empty, [0]; if DeepSpeed"), "{text}");
    let (views, storage) = in_one_storage(&tensors);
    let text = refusal_of(&torch_file(&views, &[storage]));
    assert!(text.contains("` is empty, [0]; if DeepSpeed"), "{text}");
}

#[test]
fn numbers_that_are_not_finite_are_reported_with_their_tensor() {
    for (name, number) in [
        ("visual.ln_post.weight", f32::NAN),
        ("text_projection", f32::INFINITY),
        ("visual.conv1.weight", f32::NEG_INFINITY),
    ] {
        let mut tensors = wide();
        let stored = tensors.get_mut(name).expect("the tensor");
        stored.2.splice(8..12, floats([number]));
        let text = ModelFolder::new(&tensors, &[("vision_heads", "2")]).refusal();
        assert!(
            text.contains(&format!("`{name}` has a number that is NaN, infinite")),
            "{text}"
        );
    }
    let mut tensors = wide();
    let doubles = [0.5_f64, 1e300].map(f64::to_le_bytes).concat();
    let bias = (Dtype::F64, vec![96], doubles.repeat(48));
    tensors.insert("visual.ln_post.bias".to_owned(), bias);
    let text = ModelFolder::new(&tensors, &[("vision_heads", "2")]).refusal();
    assert!(
        text.contains("`visual.ln_post.bias` has a number that is"),
        "{text}"
    );
}

#[test]
fn a_mean_beyond_32_bits_is_refused() {
    let preprocessor = json!({"image_mean": [0.5, 0.5, 1e300]});
    let folder = ModelFolder::new(&wide(), &[("vision_heads", "2")]);
    let text = folder
        .with("preprocessor_config.json", &preprocessor)
        .refusal();
    assert!(
        text.contains("preprocessor_config.json has image_mean = [0.5,0.5,")
            && text.ends_with("it must be three numbers in the range of 32-bit floats"),
        "{text}"
    );
}

#[test]
fn a_pickle_of_an_old_protocol_is_refused_with_those_that_can_be_read() {
    for start in [
        "L119547037146038801333356L\n.",
        "(dp0\nS'visual.proj'\n",
        "}q\0.",
    ] {
        let refused = refusal_of(start.as_bytes());
        assert!(
            refused
                .contains("a pickle of protocol 0 or 1; those of the protocols 2 to 5 can be read"),
            "{refused}"
        );
    }
}

#[test]
fn a_mean_or_a_standard_deviation_that_is_not_usable_is_refused() {
    for (key, value, text) in [
        (
            "image_mean",
            "0.5,nan,0.5",
            "its image_mean is `0.5,nan,0.5`, not three finite numbers",
        ),
        (
            "image_mean",
            "0.5,0.5,1e39",
            "its image_mean is `0.5,0.5,1e39`, not three finite numbers",
        ),
        (
            "image_std",
            "inf,1,1",
            "its image_std is `inf,1,1`, not three finite numbers",
        ),
        (
            "image_std",
            "1,1",
            "its image_std is `1,1`, not three finite numbers",
        ),
        (
            "image_std",
            "1,0,1",
            "the standard deviation of its pictures is [1.0, 0.0, 1.0], which is not positive",
        ),
        (
            "image_std",
            "1,1,-1",
            "the standard deviation of its pictures is [1.0, 1.0, -1.0], which is not positive",
        ),
    ] {
        let refused = ModelFolder::new(&wide(), &[("vision_heads", "2"), (key, value)]).refusal();
        assert!(refused.ends_with(text), "{refused}");
    }
    let preprocessor = json!({"image_std": [0.5, 0, 0.5]});
    let folder = ModelFolder::new(&wide(), &[("vision_heads", "2")]);
    let refused = folder
        .with("preprocessor_config.json", &preprocessor)
        .refusal();
    assert!(
        refused.ends_with("[0.5, 0.0, 0.5], which is not positive"),
        "{refused}"
    );
}

#[test]
fn an_image_tower_that_overflows_in_fp16_is_reported_with_a_remedy() {
    let mut tensors = wide();
    for block in 0..2 {
        let name = format!("visual.transformer.resblocks.{block}.mlp.c_fc.bias");
        let bias = tensors.get_mut(&name).expect("the tensor");
        bias.2 = floats([60_000.0; 160]);
    }
    let folder = ModelFolder::new(&tensors, &[("vision_heads", "2")]);
    let source = WeightsSource::File(folder.path().join("model.safetensors"));
    let first_step = |kind| {
        let clip = Clip::load(&source, Device::Cpu, kind).expect("a model");
        let spec = Spec {
            strokes: 4,
            steps: 1,
            ..Spec::prompt("a cat")
        };
        let mut drawing = Drawing::start(&clip, spec).expect("a drawing");
        drawing.step(&clip).map(drop)
    };
    assert!(first_step(Kind::BFloat16).is_ok());
    let error = first_step(Kind::Half).expect_err("an overflow");
    assert!(
        error.to_string().ends_with("try --precision bf16 or fp32"),
        "{error}"
    );
}

#[test]
fn weights_whose_sum_overflows_are_not_infinite() {
    let mut tensors = wide();
    let bias = tensors.get_mut("visual.ln_post.bias").expect("the tensor");
    bias.2 = floats([f32::MAX; 96]);
    let folder = ModelFolder::new(&tensors, &[("vision_heads", "2")]);
    assert!(folder.load().is_ok());
}

#[test]
fn a_text_tower_that_overflows_is_reported() {
    let mut tensors = wide();
    let bias = tensors.get_mut("ln_final.bias").expect("the tensor");
    bias.2 = floats([f32::MAX; 16]);
    let clip = ModelFolder::new(&tensors, &[("vision_heads", "2")]).load();
    let error = clip.expect("a model").embed_text("a cat");
    let text = error
        .expect_err("an embedding that is not finite")
        .to_string();
    assert!(text.contains("infinite or not a number (NaN)"), "{text}");
}

#[test]
fn a_long_list_of_numbers_beside_the_weights_is_accepted() {
    // More numbers than a pickle may have other values.
    let count = (1 << 20) + 9;
    let numbers = b"G\0\0\0\0\0\0\0\0".repeat(count);
    let pickle = [b"\x80\x02](", &numbers[..], b"e."].concat();
    let text = refusal_of(&archive(&pickle, &[]));
    assert!(text.contains("it has no tensors"), "{text}");
    let lists = b"]".repeat(count);
    let pickle = [b"\x80\x02](", &lists[..], b"e."].concat();
    let text = refusal_of(&archive(&pickle, &[]));
    assert!(
        text.contains("more than 1048576 values; save only the state dictionary"),
        "{text}"
    );
    assert!(!text.contains("broken"), "{text}");
}

#[test]
fn a_second_configuration_of_a_tower_takes_the_place_of_the_first() {
    let config = |text: serde_json::Value, dict: serde_json::Value| {
        let vision = json!({"num_attention_heads": 2, "hidden_act": "gelu"});
        json!({"model_type": "clip", "vision_config": vision, "text_config": text, "text_config_dict": dict})
    };
    let embed = |config: &serde_json::Value| {
        ModelFolder::new(&hugging_face(&wide()), &[])
            .with("config.json", config)
            .embed()
    };
    let text = json!({"num_attention_heads": 4, "hidden_act": "gelu", "layer_norm_eps": 0.1});
    let defaults =
        json!({"num_attention_heads": 8, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5});
    let heads =
        json!({"num_attention_heads": 2, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5});
    let null = serde_json::Value::Null;
    for (dict, alone) in [
        (json!({"projection_dim": 12}), defaults.clone()),
        (json!({}), defaults),
        (json!({"num_attention_heads": 2}), heads),
        (null.clone(), text.clone()),
    ] {
        let expected = embed(&config(alone, null.clone()));
        let found = embed(&config(text.clone(), dict));
        found.assert(expected.image, expected.texts);
    }
}
