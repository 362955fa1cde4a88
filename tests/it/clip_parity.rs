//! Embeddings and gradients, compared with `open_clip`'s; `scripts/parity --fixtures` writes the files.
use std::path::{Path, PathBuf};

use clipdraw::clip::{Arithmetic, Clip, LoadOptions, TowerBackend, WeightsSource};
use clipdraw::compute::Precision;
use safetensors::SafeTensors;
use tch::{Device, Kind, Tensor};

/// Smallest cosine of an embedding with `open_clip`'s: 32-bit sums in another order differ by some 1e-6.
const EMBEDDING: f64 = 0.99999;
/// Smallest cosine of a picture's gradient with `open_clip`'s, which passes twice as many sums.
const GRADIENT: f64 = 0.9999;

fn fixture(name: &str) -> PathBuf {
    Path::new("tests/it/fixtures").join(name)
}

/// What `open_clip` computed, and from what.
struct Expected {
    texts: Vec<String>,
    pictures: Tensor,
    image: Tensor,
    text: Tensor,
    gradient: Tensor,
}

impl Expected {
    fn read(name: &str) -> Self {
        let bytes = std::fs::read(fixture(&format!("{name}_expected.safetensors")))
            .expect("readable fixture");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
        let texts = &header.metadata().as_ref().expect("facts")["texts"];
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let tensor = |name: &str| {
            let view = file.tensor(name).expect("a tensor");
            let shape: Vec<i64> = view.shape().iter().map(|&side| side as i64).collect();
            Tensor::from_data_size(view.data(), &shape, Kind::Float)
        };
        Self {
            texts: serde_json::from_str(texts).expect("a list of texts"),
            pictures: tensor("pictures"),
            image: tensor("image"),
            text: tensor("text"),
            gradient: tensor("gradient"),
        }
    }
}

/// The smallest cosine of a row of `found` with its row of `expected`.
fn smallest_cosine(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    let rows = |tensor: &Tensor| tensor.reshape([found.size()[0], -1]).to_kind(Kind::Double);
    let (found, expected) = (rows(found), rows(expected));
    let dot = |a: &Tensor, b: &Tensor| (a * b).sum_dim_intlist(-1, false, None);
    (dot(&found, &expected) / (dot(&found, &found) * dot(&expected, &expected)).sqrt())
        .min()
        .double_value(&[])
}

/// Compares both ways to compute image towers.
fn compare(source: &WeightsSource, expected: &Expected) {
    for backend in [TowerBackend::Native, TowerBackend::Libtorch] {
        let precision = Precision::Fp32;
        let arithmetic = Arithmetic { precision, backend };
        let clip = Clip::load_with(source, Device::Cpu, arithmetic, &LoadOptions::default());
        compare_model(&clip.expect("loadable weights"), expected);
    }
}

fn compare_model(clip: &Clip, expected: &Expected) {
    let texts: Vec<Tensor> = expected
        .texts
        .iter()
        .map(|text| clip.embed_text(text).expect("a short text"))
        .collect();
    let text = Tensor::stack(&texts, 0);
    let encoded = clip.encode(&expected.pictures).expect("pictures");
    let image = encoded.embeddings();
    // The gradient of the sum of all cosines.
    let direction = text.sum_dim_intlist(0, false, None).expand_as(&image);
    let gradient = encoded.pull_back(&direction).expect("a gradient");
    let checks = [
        ("image", smallest_cosine(&image, &expected.image), EMBEDDING),
        ("text", smallest_cosine(&text, &expected.text), EMBEDDING),
        (
            "gradient",
            smallest_cosine(&gradient, &expected.gradient),
            GRADIENT,
        ),
        (
            "gradient length",
            ratio(&gradient, &expected.gradient),
            0.999,
        ),
    ];
    let failed: Vec<_> = checks
        .iter()
        .filter(|(_, found, least)| found < least)
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}

/// The shorter length over the longer one.
fn ratio(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (a.norm().double_value(&[]), b.norm().double_value(&[]));
    a.min(b) / a.max(b)
}

fn file(name: &str) -> WeightsSource {
    WeightsSource::File(fixture(name))
}

#[test]
fn a_vision_transformer_agrees_with_open_clip() {
    compare(&file("tiny_vit.safetensors"), &Expected::read("tiny_vit"));
}

#[test]
fn a_resnet_agrees_with_open_clip() {
    compare(
        &file("tiny_resnet.safetensors"),
        &Expected::read("tiny_resnet"),
    );
}

#[test]
fn the_names_of_hugging_face_give_the_same_model() {
    compare(
        &file("tiny_vit_hf.safetensors"),
        &Expected::read("tiny_vit"),
    );
}

#[test]
fn an_archive_like_openais_gives_the_same_transformer() {
    compare(
        &file("tiny_vit_script.pt"),
        &Expected::read("tiny_vit_script"),
    );
}

#[test]
fn an_archive_like_openais_gives_the_same_resnet() {
    compare(
        &file("tiny_resnet_script.pt"),
        &Expected::read("tiny_resnet_script"),
    );
}

#[test]
fn the_embedded_model_agrees_with_open_clip() {
    compare(&WeightsSource::Embedded, &Expected::read("embedded"));
}
