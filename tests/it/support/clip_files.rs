//! Weight files of small CLIP models whose numbers follow from a formula. `scripts/checkpoint_fixtures.py` has the
//! same formula, and computes the expected embeddings with `open_clip` and transformers.
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clipdraw::clip::{Clip, ClipError, LoadOptions, WeightsSource};
use clipdraw::compute::Precision;
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::Value;
use tch::{Device, Tensor};

/// A tensor in a file: number type, shape, bytes.
pub(crate) type Stored = (Dtype, Vec<usize>, Vec<u8>);
/// The tensors of a file by name.
pub(crate) type Tensors = BTreeMap<String, Stored>;

/// The upper 24 bits of splitmix64, begun with the FNV-1a of a name, as numbers from -0.5 to 0.5.
pub(crate) fn numbers(name: &str, count: usize) -> impl Iterator<Item = f32> {
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    (1..=count as u64).map(move |index| {
        let x = seed.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let x = x ^ (x >> 31);
        (x >> 40) as f32 / 16_777_216.0 - 0.5
    })
}

/// A weight as 32-bit floats.
pub(crate) fn weight(name: &str, shape: &[usize]) -> Stored {
    let (mut scale, mut offset) = (0.5, 0.0);
    if shape.len() > 1 || name == "visual.class_embedding" {
        let fan: usize = shape.iter().skip(usize::from(shape.len() > 1)).product();
        scale = 4.0 * 0.5_f32.powi((fan.ilog2() / 2) as i32);
    } else if name.ends_with("weight") || name.ends_with("gamma") {
        offset = 1.0;
    }
    let values = numbers(name, shape.iter().product()).map(|number| number * scale + offset);
    (Dtype::F32, shape.to_vec(), floats(values))
}

pub(crate) fn floats(numbers: impl IntoIterator<Item = f32>) -> Vec<u8> {
    numbers.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// A model: `width` channels in the image tower, two blocks in both, patches of 8 of 16 by 16 pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wide {
    pub(crate) width: usize,
    pub(crate) layers: usize,
    pub(crate) context: usize,
    pub(crate) vocabulary: usize,
}

impl Default for Wide {
    /// The model of the expected embeddings: 2 heads of 48 channels, and 2 of 8 in the text tower.
    fn default() -> Self {
        Self {
            width: 96,
            layers: 2,
            context: 77,
            vocabulary: 49_408,
        }
    }
}

impl Wide {
    /// The tensors under OpenAI's names.
    pub(crate) fn tensors(self) -> Tensors {
        let mut shapes: Vec<(String, Vec<usize>)> = Vec::new();
        let mut add = |name: &str, shape: &[usize]| shapes.push((name.to_owned(), shape.to_vec()));
        add("visual.conv1.weight", &[self.width, 3, 8, 8]);
        add("visual.class_embedding", &[self.width]);
        add("visual.positional_embedding", &[5, self.width]);
        add("visual.proj", &[self.width, 12]);
        add("token_embedding.weight", &[self.vocabulary, 16]);
        add("positional_embedding", &[self.context, 16]);
        add("text_projection", &[16, 12]);
        add("logit_scale", &[]);
        let norms = [
            ("visual.ln_pre", self.width),
            ("visual.ln_post", self.width),
            ("ln_final", 16),
        ];
        for (norm, width) in norms {
            add(&format!("{norm}.weight"), &[width]);
            add(&format!("{norm}.bias"), &[width]);
        }
        for (tower, width, hidden) in [
            ("visual.transformer", self.width, 160),
            ("transformer", 16, 40),
        ] {
            for layer in 0..self.layers {
                let block = format!("{tower}.resblocks.{layer}");
                for (part, outputs, inputs) in [
                    ("attn.in_proj_", 3 * width, width),
                    ("attn.out_proj.", width, width),
                    ("mlp.c_fc.", hidden, width),
                    ("mlp.c_proj.", width, hidden),
                ] {
                    add(&format!("{block}.{part}weight"), &[outputs, inputs]);
                    add(&format!("{block}.{part}bias"), &[outputs]);
                }
                for norm in ["ln_1", "ln_2"] {
                    add(&format!("{block}.{norm}.weight"), &[width]);
                    add(&format!("{block}.{norm}.bias"), &[width]);
                }
            }
        }
        let tensors = shapes.into_iter();
        tensors
            .map(|(name, shape)| {
                let tensor = weight(&name, &shape);
                (name, tensor)
            })
            .collect()
    }
}

/// The same tensors with other names.
pub(crate) fn renamed(tensors: &Tensors, rename: impl Fn(&str) -> String) -> Tensors {
    let tensors = tensors.iter();
    tensors
        .map(|(name, tensor)| (rename(name), tensor.clone()))
        .collect()
}

/// The same tensors in the layout of transformers' `CLIPModel`.
pub(crate) fn hugging_face(tensors: &Tensors) -> Tensors {
    let mut renamed = Tensors::new();
    for (name, tensor) in tensors {
        if let Some((block, kind)) = name.split_once(".attn.in_proj_") {
            let length = tensor.2.len() / 3;
            for (index, part) in ["q", "k", "v"].into_iter().enumerate() {
                let mut shape = tensor.1.clone();
                shape[0] /= 3;
                let bytes = tensor.2[index * length..][..length].to_vec();
                let name = format!("{}.self_attn.{part}_proj.{kind}", hugging_face_name(block));
                renamed.insert(name, (tensor.0, shape, bytes));
            }
        } else {
            let tensor = match name.as_str() {
                "visual.proj" | "text_projection" => transposed(tensor),
                _ => tensor.clone(),
            };
            renamed.insert(hugging_face_name(name), tensor);
        }
    }
    renamed
}

fn transposed((dtype, shape, bytes): &Stored) -> Stored {
    let (rows, columns) = (shape[0], shape[1]);
    let numbers = (0..rows * columns).map(|index| (index % rows) * columns + index / rows);
    let bytes = numbers.flat_map(|index| bytes[4 * index..][..4].to_vec());
    (*dtype, vec![columns, rows], bytes.collect())
}

fn hugging_face_name(name: &str) -> String {
    let whole = match name {
        "visual.class_embedding" => "vision_model.embeddings.class_embedding",
        "visual.conv1.weight" => "vision_model.embeddings.patch_embedding.weight",
        "visual.positional_embedding" => "vision_model.embeddings.position_embedding.weight",
        "token_embedding.weight" => "text_model.embeddings.token_embedding.weight",
        "positional_embedding" => "text_model.embeddings.position_embedding.weight",
        "visual.proj" => "visual_projection.weight",
        "text_projection" => "text_projection.weight",
        _ => "",
    };
    if !whole.is_empty() {
        return whole.to_owned();
    }
    let parts = [
        (
            "visual.transformer.resblocks.",
            "vision_model.encoder.layers.",
        ),
        ("transformer.resblocks.", "text_model.encoder.layers."),
        ("visual.ln_pre.", "vision_model.pre_layrnorm."),
        ("visual.ln_post.", "vision_model.post_layernorm."),
        ("ln_final.", "text_model.final_layer_norm."),
        (".attn.out_proj.", ".self_attn.out_proj."),
        (".ln_1.", ".layer_norm1."),
        (".ln_2.", ".layer_norm2."),
        (".mlp.c_fc.", ".mlp.fc1."),
        (".mlp.c_proj.", ".mlp.fc2."),
    ];
    parts.iter().fold(name.to_owned(), |name, (ours, theirs)| {
        name.replace(ours, theirs)
    })
}

/// A file in the safetensors format.
pub(crate) fn safetensors_file(tensors: &Tensors, metadata: &[(&str, &str)]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        let view = TensorView::new(*dtype, shape.clone(), bytes);
        (name, view.expect("as many bytes as the shape says"))
    });
    let metadata = metadata
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    safetensors::serialize(views, Some(metadata)).expect("a file")
}

/// A folder with `model.safetensors` and configurations next to it.
pub(crate) struct ModelFolder(tempfile::TempDir);

impl ModelFolder {
    pub(crate) fn new(tensors: &Tensors, metadata: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let file = folder.path().join("model.safetensors");
        fs::write(file, safetensors_file(tensors, metadata)).expect("room for the test's file");
        Self(folder)
    }

    /// Writes a configuration.
    pub(crate) fn with(self, name: &str, config: &Value) -> Self {
        fs::write(self.0.path().join(name), config.to_string()).expect("a small file");
        self
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn load(&self) -> Result<Clip, ClipError> {
        load(&self.0.path().join("model.safetensors"))
    }

    pub(crate) fn embed(&self) -> Embedded {
        Embedded::by(&self.load().expect("a model"))
    }

    /// The error of loading it, with its causes.
    pub(crate) fn refusal(&self) -> String {
        refusal(&self.load().expect_err("a file that is refused"))
    }
}

pub(crate) fn load(path: &Path) -> Result<Clip, ClipError> {
    load_with(path, &LoadOptions::default())
}

pub(crate) fn load_with(path: &Path, options: &LoadOptions) -> Result<Clip, ClipError> {
    let source = WeightsSource::File(path.to_owned());
    Clip::load_with(&source, Device::Cpu, Precision::Fp32, options)
}

/// An error with its causes.
pub(crate) fn refusal(error: &ClipError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

/// The embeddings of a picture and two texts: the first four numbers of each.
#[derive(Debug)]
pub(crate) struct Embedded {
    pub(crate) image: [f32; 4],
    pub(crate) texts: [[f32; 4]; 2],
}

impl Embedded {
    pub(crate) fn by(clip: &Clip) -> Self {
        let size = clip.input_size();
        let pixels: Vec<f32> = numbers("picture", 3 * (size * size) as usize)
            .map(|number| number + 0.5)
            .collect();
        let picture = Tensor::from_slice(&pixels).reshape([1, 3, size, size]);
        let image = clip.embed_pictures(&picture).expect("a picture");
        let texts = ["a cat", "a watercolor painting of an underwater submarine"];
        Self {
            image: first_four(&image),
            texts: texts.map(|text| first_four(&clip.embed_text(text).expect("a short text"))),
        }
    }

    /// Fails unless all numbers are those of `PyTorch`, which were rounded to five digits.
    #[track_caller]
    pub(crate) fn assert(&self, image: [f32; 4], texts: [[f32; 4]; 2]) {
        assert_close(self.image, image);
        assert_close(self.texts[0], texts[0]);
        assert_close(self.texts[1], texts[1]);
    }
}

pub(crate) fn first_four(vector: &Tensor) -> [f32; 4] {
    let vector = Vec::<f32>::try_from(vector.flatten(0, -1)).expect("numbers");
    [vector[0], vector[1], vector[2], vector[3]]
}

#[track_caller]
pub(crate) fn assert_close(found: [f32; 4], expected: [f32; 4]) {
    let close = found
        .iter()
        .zip(expected)
        .all(|(a, b)| (a - b).abs() < 2e-5);
    assert!(close, "{found:?} is not {expected:?}");
}
