//! Invalid weight files, and properties of a loaded model.
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clipdraw::clip::{
    Clip, ClipConfig, ClipError, TowerBackend, WeightsSource, embedded_is_intact,
};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use tch::{Device, Kind, Tensor};

use crate::support::scores::{Scores, score};

const TINY: &str = "tests/it/fixtures/tiny_vit.safetensors";
const SCRIPT: &str = "tests/it/fixtures/tiny_resnet_script.pt";

fn load(file: impl Into<PathBuf>) -> Result<Clip, ClipError> {
    Clip::load(&WeightsSource::File(file.into()), Device::Cpu, Kind::Float)
}

/// The error of loading these bytes, its causes included.
fn refusal(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("weights.bin");
    fs::write(&file, bytes).expect("room for the test's file");
    let error = load(&file).expect_err("a file that is no model");
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    assert!(
        text.contains("weights.bin") || !text.starts_with("weights"),
        "{text} names no file"
    );
    text
}

/// The tiny model's file with its header changed.
fn with_header(change: impl Fn(&str) -> String) -> Vec<u8> {
    let bytes = fs::read(TINY).expect("the fixture");
    let (length, rest) = bytes.split_at(8);
    let length = u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize;
    let header = change(std::str::from_utf8(&rest[..length]).expect("a header of text"));
    [
        &(header.len() as u64).to_le_bytes()[..],
        header.as_bytes(),
        &rest[length..],
    ]
    .concat()
}

fn tiny_transformer() -> Clip {
    Clip::random(ClipConfig::tiny_transformer(), 1, Device::Cpu, Kind::Float).expect("a tiny model")
}

#[test]
fn the_error_names_an_absent_file() {
    let error = load("no/such/file.safetensors").expect_err("an absent file");
    assert_eq!(
        error.to_string(),
        "cannot read weights no/such/file.safetensors"
    );
}

#[test]
fn a_folder_is_not_a_weight_file() {
    assert!(matches!(load("tests"), Err(ClipError::Unreadable { .. })));
}

#[test]
fn a_web_page_is_not_a_weight_file() {
    let text = refusal(b"<!DOCTYPE html><html>404</html>");
    assert!(
        text.contains(
            "neither safetensors nor a PyTorch archive: it starts with \"<!DOCTYPE html>"
        ),
        "{text}"
    );
    assert!(refusal(b"").contains("neither"), "an empty file");
}

#[test]
fn a_cut_file_is_broken() {
    for name in [TINY, SCRIPT] {
        let bytes = fs::read(name).expect("the fixture");
        for length in [9, 100, 5_000, bytes.len() / 2, bytes.len() - 1] {
            let text = refusal(&bytes[..length]);
            assert!(
                text.contains("broken or truncated"),
                "{name} cut to {length}: {text}"
            );
        }
    }
}

#[test]
fn a_header_that_promises_too_much_is_broken() {
    let text = refusal(&[&u64::MAX.to_le_bytes()[..], b"{}"].concat());
    assert!(text.contains("broken"), "{text}");
}

#[test]
fn a_changed_byte_anywhere_in_an_archive_never_panics() {
    let bytes = fs::read(SCRIPT).expect("the fixture");
    let folder = tempfile::tempdir().expect("a folder for the test");
    let file = folder.path().join("weights.bin");
    // The names lie in front and the directory at the end; what is between are plain numbers.
    let places = (0..20_000)
        .step_by(97)
        .chain((bytes.len() - 12_000..bytes.len()).step_by(61));
    for place in places {
        let mut changed = bytes.clone();
        changed[place] ^= 0x55;
        fs::write(&file, changed).expect("room for the test's file");
        let _ = load(&file);
    }
}

/// What is said of the tiny model's file when one tensor of its image tower has another name.
fn refusal_of_bias_called(name: &str) -> String {
    refusal(&with_header(|header| {
        header.replace("visual.ln_post.bias", name)
    }))
}

#[test]
fn the_error_names_a_missing_tensor_and_its_shape() {
    let text = refusal_of_bias_called("visual.ln_post.tias");
    assert!(
        text.ends_with("`visual.ln_post.bias` is missing, expected [32]"),
        "{text}"
    );
}

#[test]
fn image_towers_that_differ_or_leave_a_gap_are_refused() {
    for tower in ["visual_2", "visual_3"] {
        // A further tower of one tensor, taken from the first, which then lacks it too.
        let text = refusal_of_bias_called(&format!("{tower}.ln_post.bias"));
        assert!(
            text.contains("`visual_2` has not the same tensors as `visual`"),
            "{text}"
        );
    }
}

#[test]
fn a_tower_before_the_second_is_none() {
    for tower in ["visual_0", "visual_1"] {
        let text = refusal_of_bias_called(&format!("{tower}.ln_post.bias"));
        assert!(
            text.ends_with("`visual.ln_post.bias` is missing, expected [32]"),
            "{text}"
        );
    }
}

#[test]
fn the_error_for_a_wrong_shape_has_both_shapes() {
    let bytes = with_header(|header| {
        let (before, after) = header.split_once("\"visual.proj\"").expect("the tensor");
        format!(
            "{before}\"visual.proj\"{}",
            after.replacen("[32,24]", "[24,32]", 1)
        )
    });
    let text = refusal(&bytes);
    assert!(
        text.ends_with("`visual.proj` has the shape [24, 32], expected [32, 24]"),
        "{text}"
    );
}

/// A tensor in a file: kind, shape, bytes.
type Stored = (Dtype, Vec<usize>, Vec<u8>);

/// The tiny model's file with its tensors changed.
fn with_tensors(change: impl Fn(&mut BTreeMap<String, Stored>)) -> Vec<u8> {
    let file = fs::read(TINY).expect("the fixture");
    let (_, header) = SafeTensors::read_metadata(&file).expect("a header");
    let views = SafeTensors::deserialize(&file).expect("tensors").tensors();
    let stored = |view: TensorView<'_>| (view.dtype(), view.shape().to_vec(), view.data().to_vec());
    let mut tensors = views
        .into_iter()
        .map(|(name, view)| (name, stored(view)))
        .collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        let view = TensorView::new(*dtype, shape.clone(), bytes);
        (name, view.expect("as many bytes as the shape says"))
    });
    safetensors::serialize(views, header.metadata().clone()).expect("a file")
}

fn floats(numbers: impl IntoIterator<Item = f32>) -> Vec<u8> {
    numbers.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// The tiny model's file with a projection of texts, `[4, 24]`, of bytes and these scales.
fn with_quantized_projection(scale: Option<&Stored>) -> Vec<u8> {
    with_tensors(|tensors| {
        let bytes = (0..96).map(|number: u8| number.wrapping_mul(37)).collect();
        let name = "text_projection".to_owned();
        tensors.insert(name, (Dtype::I8, vec![4, 24], bytes));
        if let Some(scale) = scale {
            tensors.insert("text_projection.scale".to_owned(), scale.clone());
        }
    })
}

#[test]
fn bytes_with_a_scale_for_each_row_are_read_as_floats() {
    let scales = [0.5, 0.25, 0.0, 3.0];
    let with_floats = with_tensors(|tensors| {
        let numbers = (0..96_u8).map(|number| {
            let byte = f32::from(number.wrapping_mul(37).cast_signed());
            byte * scales[usize::from(number) / 24]
        });
        let name = "text_projection".to_owned();
        tensors.insert(name, (Dtype::F32, vec![4, 24], floats(numbers)));
    });
    let halves = [0x3800_u16, 0x3400, 0, 0x4200];
    let halves = halves.into_iter().flat_map(u16::to_le_bytes).collect();
    let with_bytes = [
        (Dtype::F32, vec![4], floats(scales)),
        (Dtype::F16, vec![4], halves),
    ]
    .map(|scale| with_quantized_projection(Some(&scale)));
    let folder = tempfile::tempdir().expect("a folder for the test");
    let embed = |bytes: &[u8]| {
        let file = folder.path().join("weights.safetensors");
        fs::write(&file, bytes).expect("room for the test's file");
        let clip = load(&file).expect("a model");
        clip.embed_text("a cat").expect("a short prompt")
    };
    for bytes in with_bytes {
        assert_eq!(embed(&bytes), embed(&with_floats));
    }
}

#[test]
fn bytes_without_a_scale_are_refused() {
    let text = refusal(&with_quantized_projection(None));
    assert!(
        text.ends_with("`text_projection.scale` is missing, expected [4]"),
        "{text}"
    );
    // A scale of whole numbers is none.
    let whole = (Dtype::I64, vec![4], vec![1; 32]);
    let text = refusal(&with_quantized_projection(Some(&whole)));
    assert!(
        text.contains("`text_projection.scale` is missing"),
        "{text}"
    );
}

#[test]
fn a_scale_for_columns_is_refused() {
    let scale = (Dtype::F32, vec![24], floats([1.0; 24]));
    let text = refusal(&with_quantized_projection(Some(&scale)));
    assert!(
        text.ends_with("`text_projection.scale` has the shape [24], expected [4]"),
        "{text}"
    );
}

#[test]
fn tensors_of_another_model_are_refused() {
    let text = refusal(&with_header(|header| {
        header.replace("visual.proj", "visual.prox")
    }));
    assert!(text.contains("not a known CLIP model"), "{text}");
}

#[test]
fn the_embedded_weights_are_intact() {
    assert!(embedded_is_intact());
}

#[test]
fn every_preset_has_its_own_name() {
    for name in ClipConfig::preset_names() {
        assert_eq!(ClipConfig::preset(name).expect("a preset").name(), name);
    }
}

#[test]
fn a_prompt_that_is_too_long_says_how_long() {
    let text = "cat ".repeat(100);
    let error = tiny_transformer()
        .embed_text(&text)
        .expect_err("a long prompt");
    assert_eq!(
        error.to_string(),
        "the prompt has 102 tokens, but the model reads at most 77"
    );
}

#[test]
fn the_longest_prompt_fits() {
    let clip = tiny_transformer();
    let text = "cat ".repeat(75);
    assert_eq!(clip.count_tokens(&text), 77);
    let vector = clip.embed_text(&text).expect("77 tokens");
    assert!((vector.norm().double_value(&[]) - 1.0).abs() < 1e-6);
    assert_eq!(vector.size(), [clip.embedding_width()]);
}

#[test]
fn a_prompt_is_read_once() {
    let clip = tiny_transformer();
    let first = clip.embed_text("a cat").expect("a short prompt");
    let second = clip.embed_text("a cat").expect("a short prompt");
    assert_eq!(first.data_ptr(), second.data_ptr());
}

#[test]
fn pictures_of_another_size_are_refused() {
    let clip = tiny_transformer();
    for shape in [
        vec![1, 3, 31, 32],
        vec![3, 32, 32],
        vec![0, 3, 32, 32],
        vec![1, 4, 32, 32],
    ] {
        let pictures = Tensor::zeros(&shape, (Kind::Float, Device::Cpu));
        assert!(
            matches!(
                clip.embed_pictures(&pictures),
                Err(ClipError::WrongPictures { .. })
            ),
            "{shape:?}"
        );
    }
    assert!(matches!(
        clip.encode(&Tensor::zeros([0, 3, 32, 32], (Kind::Float, Device::Cpu))),
        Err(ClipError::WrongPictures { .. })
    ));
    let views = Tensor::zeros([1, 3, 32, 32], (Kind::Float, Device::Cpu));
    let gradient = Tensor::zeros([1, 7], (Kind::Float, Device::Cpu));
    assert!(matches!(
        clip.encode(&views).expect("views").pull_back(&gradient),
        Err(ClipError::WrongGradient { .. })
    ));
}

/// A model with random weights, the ones of seed 1, whose image towers are computed by libtorch.
fn on_libtorch(config: ClipConfig) -> Clip {
    let backend = TowerBackend::Libtorch;
    Clip::random_on(config, 1, Device::Cpu, Kind::Float, backend).expect("room for it")
}

#[test]
fn nothing_but_the_pictures_gets_a_gradient() {
    for config in [ClipConfig::tiny_transformer(), ClipConfig::tiny_resnet()] {
        let clip = on_libtorch(config);
        let side = clip.input_size();
        let still = Tensor::rand([1, 3, side, side], (Kind::Float, Device::Cpu));
        assert!(
            !clip
                .embed_pictures(&still)
                .expect("a picture")
                .requires_grad(),
            "some weight asks for a gradient"
        );
        let moving = still.set_requires_grad(true);
        assert!(
            clip.embed_pictures(&moving)
                .expect("a picture")
                .requires_grad()
        );
        assert!(
            !clip
                .embed_text("a cat")
                .expect("a short prompt")
                .requires_grad()
        );
    }
}

#[test]
fn scores_are_the_same_bytes_at_any_number_of_threads() {
    let clips = [
        Clip::load(&WeightsSource::Embedded, Device::Cpu, Kind::Float).expect("the embedded model"),
        tiny_transformer(),
    ];
    for clip in clips {
        let side = clip.input_size();
        let views: Vec<f32> = (0..5 * 3 * side * side)
            .map(|index| ((index * 37) % 256) as f32 / 255.0)
            .collect();
        let views = || Tensor::from_slice(&views).reshape([5, 3, side, side]);
        let (clip, one) = score_on(1, clip, views());
        assert!(one.gradient.iter().any(|&change| change != 0.0));
        let (clip, two) = score_on(2, clip, views());
        let (_, three) = score_on(3, clip, views());
        assert!(
            one == two && one == three,
            "the number of threads changes the bytes"
        );
    }
}

/// A model may move to another thread but not be shared with it, so it comes back.
fn score_on(threads: usize, clip: Clip, views: Tensor) -> (Clip, Scores) {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("a pool");
    pool.install(move || {
        let direction = clip.embed_text("a cat").expect("a short prompt");
        let scores = score(&clip, &views, &direction, 0).expect("scores");
        (clip, scores)
    })
}

#[test]
fn scores_agree_with_the_gradient_of_embed_pictures_on_libtorch() {
    for config in [ClipConfig::tiny_transformer(), ClipConfig::tiny_towers()] {
        let clip = Clip::random(config.clone(), 1, Device::Cpu, Kind::Float).expect("room for it");
        let pictures = Tensor::rand([5, 3, 32, 32], (Kind::Float, Device::Cpu));
        let direction = clip.embed_text("a cat").expect("a short prompt");
        let scores = score(&clip, &pictures, &direction, 0).expect("scores");
        let native = clip.embed_pictures(&pictures).expect("pictures");
        let pictures = pictures.set_requires_grad(true);
        let libtorch = on_libtorch(config).embed_pictures(&pictures);
        let libtorch = libtorch.expect("pictures");
        let difference = (native - libtorch.detach()).abs().max();
        assert!(difference.double_value(&[]) < 1e-5);
        let sum = (libtorch * direction).sum(None);
        let expected = Tensor::run_backward(&[&sum], &[&pictures], false, false).remove(0);
        let found = Tensor::from_slice(&scores.gradient).reshape([5, 3, 32, 32]);
        // The same sums in another order.
        assert!((found - expected).abs().max().double_value(&[]) < 1e-6);
        let total: f32 = scores.cosines.iter().sum();
        assert!((f64::from(total) - sum.double_value(&[])).abs() < 1e-5);
    }
}

#[test]
fn two_towers_take_turns_and_the_first_can_be_chosen() {
    let config = ClipConfig::tiny_towers();
    let clip = Clip::random(config, 1, Device::Cpu, Kind::Float).expect("room for it");
    assert!(
        clip.name().starts_with("2 times EfficientNet"),
        "{}",
        clip.name()
    );
    let picture = Tensor::rand([1, 3, 32, 32], (Kind::Float, Device::Cpu));
    let direction = clip.embed_text("a cat").expect("a short prompt");
    let cosines = |count: i64, first_tower: usize| {
        let views = picture.repeat([count, 1, 1, 1]);
        let scores = score(&clip, &views, &direction, first_tower);
        scores.expect("scores").cosines
    };
    let [first, second] = [0, 1].map(|turn| cosines(1, turn)[0]);
    assert!((first - second).abs() > 1e-3, "{first} {second}");
    // Two at once are added up in another order than one alone.
    let by_turns = |found: Vec<f32>, expected: &[f32]| {
        let pairs = found.iter().zip(expected);
        assert!(
            found.len() == expected.len() && pairs.clone().all(|(a, b)| (a - b).abs() < 1e-5),
            "{found:?}"
        );
    };
    by_turns(cosines(5, 0), &[first, first, second, second, first]);
    by_turns(cosines(3, 7), &[second, second, first]);
}

#[test]
fn fewer_bits_keep_the_direction() {
    let view = Tensor::rand([1, 3, 64, 64], (Kind::Float, Device::Cpu));
    let read = |kind| {
        let clip =
            Clip::load(&WeightsSource::Embedded, Device::Cpu, kind).expect("the embedded model");
        clip.embed_pictures(&view).expect("a picture")
    };
    let exact = read(Kind::Float);
    let cosine = (read(Kind::BFloat16) * exact).sum(None).double_value(&[]);
    assert!(cosine > 0.99, "{cosine}");
}

#[test]
fn the_fixtures_are_where_the_tests_look() {
    assert!(Path::new(TINY).exists() && Path::new(SCRIPT).exists());
}
