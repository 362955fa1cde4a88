//! Checkpoints in many forms: each is read correctly, or rejected with the name of what is not supported. The
//! numbers are from `open_clip` and transformers; `scripts/checkpoint_fixtures.py` prints them and writes the files.
use std::fs;
use std::path::Path;

use clipdraw::clip::{Activation, ImageConfig, LoadOptions, weights_files};
use safetensors::Dtype;
use serde_json::{Value, json};

use crate::support::clip_files::{
    Embedded, ModelFolder, Tensors, Wide, assert_close, first_four, floats, hugging_face, load,
    load_with, numbers, refusal, renamed, safetensors_file, weight,
};

const FILES: &str = "tests/it/fixtures/checkpoints";

const GELU_IMAGE: [f32; 4] = [0.34445, -0.06705, 0.03491, -0.05952];
const GELU_TEXTS: [[f32; 4]; 2] = [
    [0.01236, -0.32964, 0.28656, -0.07311],
    [0.40420, -0.20295, -0.01412, -0.40017],
];
const QUICK_GELU_IMAGE: [f32; 4] = [0.34533, -0.06522, 0.03337, -0.06208];
const QUICK_GELU_TEXTS: [[f32; 4]; 2] = [
    [0.01273, -0.33134, 0.28071, -0.07574],
    [0.40428, -0.20192, -0.01770, -0.40099],
];
const SMALL_IMAGE: [f32; 4] = [0.12222, -0.20218, 0.66424, -0.12330];
const SMALL_TEXTS: [[f32; 4]; 2] = [
    [-0.43697, -0.45294, -0.15974, -0.59682],
    [-0.58212, -0.47964, -0.10874, -0.63826],
];

/// The header of the wide model in our own format.
const HEADER: [(&str, &str); 3] = [
    ("vision_heads", "2"),
    ("text_heads", "2"),
    ("activation", "gelu"),
];

fn wide() -> Tensors {
    Wide::default().tensors()
}

/// `open_clip_config.json` of the wide model.
fn open_clip_config() -> Value {
    json!({"model_cfg": {
        "embed_dim": 12,
        "vision_cfg": {"image_size": 16, "layers": 2, "width": 96, "head_width": 48, "patch_size": 8, "mlp_ratio": 1.6667},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2, "mlp_ratio": 2.5}
    }})
}

/// `config.json` of the wide model, with an activation for each tower.
fn hugging_face_config(vision: &str, text: &str) -> Value {
    json!({
        "model_type": "clip",
        "projection_dim": 12,
        "vision_config": {"hidden_size": 96, "num_attention_heads": 2, "num_hidden_layers": 2, "image_size": 16,
            "patch_size": 8, "hidden_act": vision},
        "text_config": {"hidden_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "hidden_act": text,
            "eos_token_id": 2}
    })
}

/// The `open_clip` layout with one value of the configuration changed, named by a JSON pointer's parts.
fn with_open_clip(key: &str, value: Value) -> ModelFolder {
    let mut config = open_clip_config();
    set(&mut config, key, value);
    ModelFolder::new(&wide(), &[]).with("open_clip_config.json", &config)
}

fn with_hugging_face(key: &str, value: Value) -> ModelFolder {
    let mut config = hugging_face_config("gelu", "gelu");
    set(&mut config, key, value);
    ModelFolder::new(&hugging_face(&wide()), &[]).with("config.json", &config)
}

fn set(config: &mut Value, key: &str, value: Value) {
    let place = key
        .split('.')
        .fold(config, |object, part| &mut object[part]);
    *place = value;
}

#[test]
fn heads_are_read_from_the_header_or_a_configuration() {
    let layouts = [
        ModelFolder::new(&wide(), &HEADER),
        ModelFolder::new(&wide(), &[]).with("open_clip_config.json", &open_clip_config()),
        ModelFolder::new(&wide(), &[]).with("config.json", &hugging_face_config("gelu", "gelu")),
        ModelFolder::new(&hugging_face(&wide()), &[])
            .with("config.json", &hugging_face_config("gelu", "gelu")),
        ModelFolder::new(&hugging_face(&wide()), &[])
            .with("open_clip_config.json", &open_clip_config()),
    ];
    for layout in layouts {
        layout.embed().assert(GELU_IMAGE, GELU_TEXTS);
    }
}

#[test]
fn of_two_configurations_the_one_of_the_layout_is_used() {
    let both = |tensors: &Tensors, config: Value, other: Value| {
        ModelFolder::new(tensors, &[])
            .with("open_clip_config.json", &config)
            .with("config.json", &other)
    };
    let quick = hugging_face_config("quick_gelu", "quick_gelu");
    let folder = both(&wide(), open_clip_config(), quick.clone());
    folder.embed().assert(GELU_IMAGE, GELU_TEXTS);
    let folder = both(&hugging_face(&wide()), open_clip_config(), quick);
    folder.embed().assert(QUICK_GELU_IMAGE, QUICK_GELU_TEXTS);
}

#[test]
fn published_widths_have_16_heads_by_default() {
    for (width, heads) in [
        (1280, 16),
        (1408, 16),
        (1664, 16),
        (1792, 16),
        (1024, 16),
        (768, 12),
        (1536, 24),
    ] {
        let tensors = Wide {
            width,
            layers: 0,
            ..Wide::default()
        };
        let clip = ModelFolder::new(&tensors.tensors(), &[])
            .load()
            .expect("a model");
        let ImageConfig::Transformer(size) = clip.config().image else {
            panic!("it is a transformer");
        };
        assert_eq!(size.heads, heads, "width {width}");
    }
}

#[test]
fn heads_that_do_not_divide_the_width_are_rejected() {
    let text = with_hugging_face("vision_config.num_attention_heads", json!(5)).refusal();
    assert!(
        text.contains("width 96 is not divisible by 5 heads"),
        "{text}"
    );
}

#[test]
fn the_activation_is_that_of_the_configuration_or_of_the_caller() {
    let heads = &HEADER[..2];
    let quick = with_open_clip("model_cfg.quick_gelu", json!(true));
    quick.embed().assert(QUICK_GELU_IMAGE, QUICK_GELU_TEXTS);
    let alone = ModelFolder::new(&wide(), heads);
    let clip = alone.load().expect("a model");
    assert!(clip.activation_is_assumed());
    Embedded::by(&clip).assert(QUICK_GELU_IMAGE, QUICK_GELU_TEXTS);
    let options = LoadOptions {
        activation: Some(Activation::Gelu),
        ..LoadOptions::default()
    };
    let clip = load_with(&alone.path().join("model.safetensors"), &options).expect("a model");
    assert!(!clip.activation_is_assumed());
    Embedded::by(&clip).assert(GELU_IMAGE, GELU_TEXTS);
    let clip = load_with(&quick.path().join("model.safetensors"), &options).expect("a model");
    Embedded::by(&clip).assert(GELU_IMAGE, GELU_TEXTS);
    assert!(!quick.load().expect("a model").activation_is_assumed());
}

#[test]
fn each_tower_has_its_activation_and_its_epsilon() {
    let mut config = hugging_face_config("gelu", "quick_gelu");
    set(&mut config, "text_config.layer_norm_eps", json!(0.25));
    let folder = ModelFolder::new(&hugging_face(&wide()), &[]).with("config.json", &config);
    folder.embed().assert(
        GELU_IMAGE,
        [
            [0.21960, -0.17075, 0.25143, 0.06023],
            [0.31072, -0.31251, -0.03580, -0.14795],
        ],
    );
    let mut config = open_clip_config();
    set(
        &mut config,
        "model_cfg.vision_cfg.norm_kwargs",
        json!({"eps": 0.5}),
    );
    set(
        &mut config,
        "model_cfg.text_cfg.norm_kwargs",
        json!({"eps": 0.25}),
    );
    let folder = ModelFolder::new(&wide(), &[]).with("open_clip_config.json", &config);
    folder.embed().assert(
        [0.34119, -0.17006, -0.07456, 0.05199],
        [
            [0.22000, -0.16982, 0.24747, 0.06077],
            [0.30716, -0.30992, -0.04118, -0.15279],
        ],
    );
}

#[test]
fn mean_and_standard_deviation_are_read_from_the_configuration() {
    let (mean, std) = (json!([0.5, 0.25, 0.125]), json!([0.5, 0.25, 1.0]));
    let mut config = open_clip_config();
    config["preprocess_cfg"] = json!({"mean": mean, "std": std, "size": [16, 16], "mode": "RGB"});
    let preprocessor = json!({"image_mean": mean, "image_std": std, "crop_size": {"height": 16, "width": 16},
        "do_rescale": true, "rescale_factor": 0.003_921_568_627_450_98});
    let folders = [
        ModelFolder::new(&wide(), &[]).with("open_clip_config.json", &config),
        ModelFolder::new(&hugging_face(&wide()), &[])
            .with("config.json", &hugging_face_config("gelu", "gelu"))
            .with("preprocessor_config.json", &preprocessor),
        ModelFolder::new(&hugging_face(&wide()), &HEADER)
            .with("preprocessor_config.json", &preprocessor),
    ];
    for folder in folders {
        folder
            .embed()
            .assert([0.26761, -0.01445, 0.05169, -0.12770], GELU_TEXTS);
    }
    let odd = json!({"image_mean": mean, "image_std": std, "rescale_factor": 1.0});
    let folder = ModelFolder::new(&wide(), &HEADER).with("preprocessor_config.json", &odd);
    let text = folder.refusal();
    assert!(
        text.contains("preprocessor_config.json has rescale_factor = 1.0"),
        "{text}"
    );
}

#[test]
fn pixels_after_the_last_whole_patch_are_left_out() {
    let folder = with_open_clip("model_cfg.vision_cfg.image_size", json!(19));
    assert_eq!(folder.load().expect("a model").input_size(), 19);
    folder
        .embed()
        .assert([0.11538, -0.20060, 0.01682, 0.01552], GELU_TEXTS);
}

#[test]
fn a_setting_that_is_not_supported_is_rejected_with_its_name() {
    for (key, value) in [
        ("vision_cfg.pool_type", json!("avg")),
        ("vision_cfg.timm_model_name", json!("vit_base_patch16_224")),
        ("vision_cfg.attentional_pool", json!(true)),
        ("vision_cfg.no_ln_pre", json!(true)),
        ("vision_cfg.qk_norm", json!(true)),
        ("vision_cfg.act_kwargs", json!({"approximate": "tanh"})),
        ("vision_cfg.image_size", json!(32)),
        ("vision_cfg.width", json!(768)),
        ("vision_cfg.brightness", json!(3)),
        ("text_cfg.pool_type", json!("last")),
        ("text_cfg.no_causal_mask", json!(true)),
        ("text_cfg.hf_model_name", json!("roberta-base")),
        ("text_cfg.hf_tokenizer_name", json!("bert-base")),
        (
            "text_cfg.tokenizer_kwargs",
            json!({"clean": "canonicalize"}),
        ),
        ("text_cfg.vocab_size", json!(49_409)),
        ("text_cfg.context_length", json!(64)),
        ("multimodal_cfg", json!({"width": 512})),
    ] {
        let text = with_open_clip(&format!("model_cfg.{key}"), value).refusal();
        assert!(
            text.contains("open_clip_config.json has model_cfg."),
            "{key}: {text}"
        );
        let last = key.rsplit('.').next().unwrap_or(key);
        assert!(text.contains(last), "{key}: {text}");
    }
    for (key, value) in [
        ("vision_config.hidden_act", json!("relu")),
        ("text_config.hidden_act", json!("gelu_new")),
        ("text_config.eos_token_id", json!(3)),
        ("vision_config.image_size", json!(224)),
        ("vision_config.num_channels", json!(1)),
        ("model_type", json!("siglip")),
        ("projection_dim", json!(512)),
    ] {
        let text = with_hugging_face(key, value).refusal();
        assert!(
            text.contains(&format!("config.json has {key} = ")),
            "{key}: {text}"
        );
    }
}

#[test]
fn settings_that_change_nothing_are_accepted() {
    for (key, value) in [
        ("vision_cfg.patch_dropout", json!(0.5)),
        ("vision_cfg.final_ln_after_pool", json!(true)),
        ("vision_cfg.timm_model_name", Value::Null),
        ("vision_cfg.image_size", json!([16, 16])),
        ("text_cfg.pad_id", json!(1)),
        ("text_cfg.norm_kwargs", json!({})),
        ("custom_text", json!(true)),
        ("init_logit_bias", json!(-10)),
    ] {
        let folder = with_open_clip(&format!("model_cfg.{key}"), value);
        folder.embed().assert(GELU_IMAGE, GELU_TEXTS);
    }
    // Another library's file of the same name.
    let folder =
        ModelFolder::new(&wide(), &HEADER).with("config.json", &json!({"architecture": "vit"}));
    folder.embed().assert(GELU_IMAGE, GELU_TEXTS);
}

#[test]
fn a_configuration_that_is_not_json_is_rejected() {
    let folder = ModelFolder::new(&wide(), &HEADER);
    fs::write(folder.path().join("open_clip_config.json"), "{").expect("a small file");
    let text = folder.refusal();
    assert!(text.contains("open_clip_config.json: broken"), "{text}");
}

#[test]
fn a_layer_scale_is_used() {
    let mut tensors = wide();
    for (tower, width) in [("visual.transformer", 96), ("transformer", 16)] {
        for layer in 0..2 {
            for scale in ["ls_1", "ls_2"] {
                let name = format!("{tower}.resblocks.{layer}.{scale}.gamma");
                tensors.insert(name.clone(), weight(&name, &[width]));
            }
        }
    }
    ModelFolder::new(&tensors, &HEADER).embed().assert(
        [0.31159, -0.06805, 0.04724, -0.03102],
        [
            [0.02467, -0.25876, 0.30498, -0.05067],
            [0.46667, -0.09654, 0.07135, -0.45080],
        ],
    );
}

#[test]
fn longclip_reads_248_tokens_with_both_of_its_tables() {
    let mut tensors = Wide {
        context: 248,
        ..Wide::default()
    }
    .tensors();
    let name = "positional_embedding_res";
    tensors.insert(name.to_owned(), weight(name, &[248, 16]));
    let folder = ModelFolder::new(&tensors, &HEADER);
    let clip = folder.load().expect("a model");
    assert_eq!(clip.token_limit(), 248);
    Embedded::by(&clip).assert(GELU_IMAGE, GELU_TEXTS);
    let cats = clip.embed_text(&"cat ".repeat(200)).expect("202 tokens");
    assert_close(first_four(&cats), [0.25353, -0.17053, 0.19609, -0.33537]);
    let error = clip
        .embed_text(&"cat ".repeat(247))
        .expect_err("249 tokens");
    let expected = "the prompt has 249 tokens, but the model reads at most 248";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_unused_float_tensor_is_rejected_with_its_name() {
    for name in [
        "visual.attn_pool.query",
        "visual.transformer.resblocks.1.attn.q_norm.weight",
        "transformer.resblocks.1.ln_1.weight_extra",
        "text_projection_bias",
        "transformer.resblocks.0.attn.logit_scale",
        "visual.proj_lora_a",
        "head.weight",
    ] {
        for prefix in ["", "model.clip."] {
            let mut tensors = renamed(&wide(), |name| format!("{prefix}{name}"));
            tensors.insert(format!("{prefix}{name}"), weight(name, &[3]));
            let text = ModelFolder::new(&tensors, &HEADER).refusal();
            assert!(
                text.contains(&format!("nothing uses `{prefix}{name}`, [3]")),
                "{text}"
            );
        }
    }
    let mut tensors = renamed(&wide(), |name| format!("clip.{name}"));
    tensors.insert("head.weight".to_owned(), weight("head.weight", &[2, 12]));
    let text = ModelFolder::new(&tensors, &HEADER).refusal();
    assert!(
        text.contains("nothing uses `head.weight`, [2, 12]"),
        "{text}"
    );
}

#[test]
fn tensors_that_embeddings_do_not_depend_on_are_ignored() {
    let mut tensors = hugging_face(&wide());
    let ids = (Dtype::I64, vec![1, 77], vec![0; 77 * 8]);
    tensors.insert("text_model.embeddings.position_ids".to_owned(), ids.clone());
    tensors.insert("vision_model.embeddings.position_ids".to_owned(), ids);
    tensors.insert("logit_bias".to_owned(), (Dtype::F32, vec![], floats([1.0])));
    let mask = (Dtype::F32, vec![77, 77], vec![0; 4 * 77 * 77]);
    tensors.insert("attn_mask".to_owned(), mask.clone());
    let block = "text_model.encoder.layers.1.attn_mask";
    tensors.insert(block.to_owned(), mask);
    ModelFolder::new(&tensors, &HEADER)
        .embed()
        .assert(GELU_IMAGE, GELU_TEXTS);
}

#[test]
fn another_vocabulary_is_rejected() {
    let tensors = Wide {
        vocabulary: 49_409,
        ..Wide::default()
    };
    let text = ModelFolder::new(&tensors.tensors(), &HEADER).refusal();
    assert!(
        text.contains("its vocabulary has 49409 tokens, and CLIP's tokenizer has 49408"),
        "{text}"
    );
}

#[test]
fn a_model_is_found_under_any_prefix() {
    for prefix in [
        "module.",
        "state_dict.module.",
        "a.b.c.",
        "_orig_mod.module.",
        "model_state_dict.",
        "visual_language.text_and_visual.",
    ] {
        for tensors in [wide(), hugging_face(&wide())] {
            let tensors = renamed(&tensors, |name| format!("{prefix}{name}"));
            let folder = ModelFolder::new(&tensors, &HEADER);
            folder.embed().assert(GELU_IMAGE, GELU_TEXTS);
        }
        let custom = renamed(&wide(), |name| {
            let folder = if name.starts_with("visual.") {
                ""
            } else {
                "text."
            };
            format!("{prefix}{folder}{name}")
        });
        let folder = ModelFolder::new(&custom, &HEADER);
        folder.embed().assert(GELU_IMAGE, GELU_TEXTS);
    }
    // A wrapper around only one tower, and towers in separate dictionaries.
    let wrapped = renamed(&wide(), |name| name.replace("visual.", "visual.module."));
    let apart = renamed(&wide(), |name| {
        let image = name.starts_with("visual.");
        let folder = if image {
            "image_encoder"
        } else {
            "text_encoder"
        };
        format!("{folder}.{name}")
    });
    for tensors in [wrapped, apart] {
        let folder = ModelFolder::new(&tensors, &HEADER);
        folder.embed().assert(GELU_IMAGE, GELU_TEXTS);
    }
}

#[test]
fn several_models_in_one_file_are_rejected() {
    let mut tensors = renamed(&wide(), |name| format!("model.{name}"));
    tensors.extend(renamed(&wide(), |name| format!("model_ema.{name}")));
    let text = ModelFolder::new(&tensors, &HEADER).refusal();
    assert!(
        text.contains("it contains several models, with the prefixes `model.` and `model_ema.`"),
        "{text}"
    );
}

#[test]
fn the_error_contains_what_was_found_instead_of_a_model() {
    let mut tensors = Tensors::new();
    for name in [
        "state_dict.module.visual.prox",
        "state_dict.module.bert.weight",
    ] {
        tensors.insert(name.to_owned(), weight(name, &[2, 2]));
    }
    let text = ModelFolder::new(&tensors, &[]).refusal();
    assert!(
        text.contains("it has `state_dict.module.visual.prox`, `state_dict.module.bert.weight`"),
        "{text}"
    );
    let mut tensors = wide();
    let projection = (Dtype::F8_E4M3, vec![96, 12], vec![0; 96 * 12]);
    tensors.insert("visual.proj".to_owned(), projection.clone());
    let text = ModelFolder::new(&tensors, &HEADER).refusal();
    assert!(text.contains("`visual.proj` is F8_E4M3"), "{text}");
    let mut tensors = wide();
    tensors.insert("visual.more".to_owned(), projection);
    let text = ModelFolder::new(&tensors, &HEADER).refusal();
    assert!(text.contains("`visual.more` is F8_E4M3"), "{text}");
}

#[test]
fn a_missing_part_of_an_attention_layer_is_reported() {
    let mut tensors = hugging_face(&wide());
    tensors.remove("text_model.encoder.layers.1.self_attn.k_proj.weight");
    let text = ModelFolder::new(&tensors, &HEADER).refusal();
    assert!(
        text.contains("`transformer.resblocks.1.attn.in_proj_weight` is missing"),
        "{text}"
    );
}

#[test]
fn pytorch_files_are_read_in_every_form() {
    for name in [
        "epoch_3.pt",
        "before_1_6.pt",
        "custom_text.pt",
        "whole_module.pt",
        "sharded",
        "sharded/pytorch_model.bin.index.json",
    ] {
        let clip = load(&Path::new(FILES).join(name));
        let clip = clip.unwrap_or_else(|error| panic!("{name}: {}", refusal(&error)));
        Embedded::by(&clip).assert(SMALL_IMAGE, SMALL_TEXTS);
    }
}

#[test]
fn a_truncated_or_changed_file_of_the_old_format_never_panics() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("weights.pt");
    for name in ["before_1_6.pt", "custom_text.pt"] {
        let bytes = fs::read(Path::new(FILES).join(name)).expect("the fixture");
        for length in [3, 40, 500, bytes.len() / 2, bytes.len() - 1] {
            fs::write(&file, &bytes[..length]).expect("room for the test's file");
            let error = load(&file).expect_err("a cut file");
            assert!(
                error.to_string().contains("broken or truncated"),
                "{length}: {error}"
            );
        }
        for place in (0..6_000).step_by(53) {
            let mut changed = bytes.clone();
            changed[place] ^= 0x55;
            fs::write(&file, changed).expect("room for the test's file");
            let _ = load(&file);
        }
    }
    fs::write(&file, b"\x80\x02}q\x00.").expect("room for the test's file");
    let text = refusal(&load(&file).expect_err("an empty dictionary"));
    assert!(text.contains("not one that torch.save wrote"), "{text}");
}

#[test]
fn the_weights_in_a_folder_are_found() {
    let tensors = wide();
    let folder = ModelFolder::new(&tensors, &HEADER);
    let embed = |path: &Path| Embedded::by(&load(path).expect("a model"));
    embed(folder.path()).assert(GELU_IMAGE, GELU_TEXTS);
    // The cache of Hugging Face's hub keeps the files of a model by commit.
    let cache = tempfile::tempdir().expect("a folder for the test");
    let snapshot = cache.path().join("snapshots/0123abcd");
    fs::create_dir_all(&snapshot).expect("a folder");
    fs::create_dir_all(cache.path().join("refs")).expect("a folder");
    fs::create_dir_all(cache.path().join("snapshots/other")).expect("a folder");
    fs::write(cache.path().join("refs/main"), "0123abcd").expect("a small file");
    let file = snapshot.join("open_clip_model.safetensors");
    fs::write(file, safetensors_file(&tensors, &[])).expect("room for the test's file");
    let config = open_clip_config().to_string();
    fs::write(snapshot.join("open_clip_config.json"), config).expect("a small file");
    embed(cache.path()).assert(GELU_IMAGE, GELU_TEXTS);
    let empty = tempfile::tempdir().expect("a folder for the test");
    let text = refusal(&load(empty.path()).expect_err("an empty folder"));
    assert!(
        text.contains("a folder without open_clip_model.safetensors"),
        "{text}"
    );
    for name in ["a.pt", "b.pt"] {
        fs::write(empty.path().join(name), "x").expect("a small file");
    }
    let text = refusal(&load(empty.path()).expect_err("a folder with two files"));
    assert!(text.contains("several weight files: a.pt, b.pt"), "{text}");
}

#[test]
fn shards_are_read_as_one_file() {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let mut shards = [Tensors::new(), Tensors::new()];
    let mut places = serde_json::Map::new();
    for (index, (name, tensor)) in wide().into_iter().enumerate() {
        places.insert(
            name.clone(),
            format!("model-{}.safetensors", index % 2).into(),
        );
        shards[index % 2].insert(name, tensor);
    }
    for (index, shard) in shards.iter().enumerate() {
        let file = folder.path().join(format!("model-{index}.safetensors"));
        fs::write(file, safetensors_file(shard, &HEADER)).expect("room for the test's file");
    }
    let index = folder.path().join("model.safetensors.index.json");
    let write = |places: &serde_json::Map<String, Value>| {
        let text = json!({"metadata": {}, "weight_map": places}).to_string();
        fs::write(&index, text).expect("a small file");
    };
    write(&places);
    for path in [folder.path(), index.as_path()] {
        Embedded::by(&load(path).expect("a model")).assert(GELU_IMAGE, GELU_TEXTS);
        let files = weights_files(path).expect("an index");
        assert_eq!(files.len(), 2);
    }
    places.insert("visual.more".to_owned(), "model-1.safetensors".into());
    write(&places);
    let text = refusal(&load(&index).expect_err("a tensor is not there"));
    assert!(
        text.contains("`visual.more` is in model-1.safetensors"),
        "{text}"
    );
    places.insert("visual.more".to_owned(), "../model-1.safetensors".into());
    write(&places);
    let text = refusal(&load(&index).expect_err("a file outside"));
    assert!(text.contains("`../model-1.safetensors`"), "{text}");
    fs::remove_file(folder.path().join("model-1.safetensors")).expect("a file");
    places.remove("visual.more");
    write(&places);
    let text = refusal(&load(&index).expect_err("a shard is missing"));
    assert!(text.contains("model-1.safetensors"), "{text}");
}

#[test]
fn the_formula_of_the_numbers_is_that_of_the_script() {
    let first: Vec<f32> = numbers("picture", 2).collect();
    assert!(first.iter().all(|number| number.abs() <= 0.5) && first[0] != first[1]);
}
