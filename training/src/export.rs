//! Writes a text tower and image towers into the weight file that is compiled into the program.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use tch::{Kind, TchError, Tensor};

use super::parameters::Parameters;
use super::tensor_file::{self, TensorFile};
use super::text_tower::{TrainableTextTower, VOCABULARY};
use super::tower::{DEVIATION, MEAN, fold};
use clipdraw::clip::EfficientNetSize;
use clipdraw::clip::authoring::SCALE;
use clipdraw::clip::authoring::{shapes, tower_branch};

/// Bytes of the largest file that may be compiled into the program.
pub const MOST_BYTES: usize = 30_000_000;
/// Beginning of the names of an image tower's tensors.
const IMAGE: &str = "visual.";
/// Largest byte that stands for a number; the smallest is its negative, so that zero stays zero.
const LARGEST_BYTE: f64 = 127.0;
/// Logarithm of what cosines are multiplied by before they become shares: one by the temperature of
/// training, 0.05.
const LOGIT_SCALE: f32 = 2.995_732_3;

/// An image tower as a weight file has it.
#[derive(Debug)]
pub struct ImageTowerWeights {
    /// Tensors whose names begin with `visual.`.
    tensors: BTreeMap<String, Tensor>,
    /// Metadata that does not follow from the shapes.
    facts: BTreeMap<String, String>,
}

impl ImageTowerWeights {
    /// The tower in a weight file, if it has one.
    pub fn of_file(file: TensorFile) -> Option<Self> {
        let mut tensors = file.tensors;
        tensors.retain(|name, _| name.starts_with(IMAGE));
        let facts = file.facts;
        (!tensors.is_empty()).then_some(Self { tensors, facts })
    }

    /// Whether the other has tensors of the same shapes, and the same metadata.
    fn is_of_the_kind_of(&self, other: &Self) -> bool {
        let facts = |tower: &Self| {
            let mut facts = tower.facts.clone();
            facts.retain(|fact, _| fact.starts_with("vision_") || fact.starts_with("image_"));
            facts
        };
        let branch = tower_branch(0);
        shapes(&self.tensors, &branch) == shapes(&other.tensors, &branch)
            && facts(self) == facts(other)
    }

    /// A tower that was trained on pictures with sides of `side` pixels.
    pub fn of_training(size: &EfficientNetSize, parameters: &Parameters, side: i64) -> Self {
        let folded = fold(parameters).into_iter();
        let channels = |value: f64| vec![value.to_string(); 3].join(",");
        let layers = size.layers.map(|count| count.to_string()).join(",");
        let facts = [
            ("vision_layers", layers),
            ("image_side", side.to_string()),
            ("image_mean", channels(MEAN)),
            ("image_std", channels(DEVIATION)),
        ];
        Self {
            tensors: folded
                .map(|(name, tensor)| (format!("{IMAGE}{name}"), tensor))
                .collect(),
            facts: facts.map(|(fact, value)| (fact.to_owned(), value)).into(),
        }
    }
}

/// The bytes of a weight file with these towers, under OpenAI's names. Several image towers take turns in
/// reading pictures.
///
/// The vocabulary, most of a small text tower, is stored as bytes with a scale for each row, everything
/// else as 16-bit floats. The same towers give the same bytes.
///
/// # Errors
/// When a number is not finite or too large for 16 bits, the image towers are not of the same kind, or the file
/// is larger than [`MOST_BYTES`].
pub fn export(text: &TrainableTextTower, images: &[ImageTowerWeights]) -> anyhow::Result<Vec<u8>> {
    let mut tensors = text.tensors();
    let vocabulary = tensors
        .remove(VOCABULARY)
        .context("a tower without tokens")?;
    tensors.insert("logit_scale".to_owned(), Tensor::from(LOGIT_SCALE));
    let first = images.first().context("no image tower")?;
    for (number, image) in images.iter().enumerate() {
        ensure!(
            image.is_of_the_kind_of(first),
            "the image towers are not of the same kind"
        );
        let start = format!("{}.", tower_branch(number));
        let own = image.tensors.iter();
        tensors.extend(own.map(|(name, tensor)| {
            let name = format!("{start}{}", &name[IMAGE.len()..]);
            (name, tensor.shallow_clone())
        }));
    }
    let mut stored = BTreeMap::new();
    for (name, tensor) in tensors {
        let half = tensor.f_to_kind(Kind::Half)?;
        ensure!(
            is_finite(&half)?,
            "{name} has a number that 16 bits do not hold"
        );
        stored.insert(name, half);
    }
    ensure!(
        is_finite(&vocabulary)?,
        "{VOCABULARY} has a number that is not finite"
    );
    let (bytes, scale) = quantize(&vocabulary)?;
    stored.insert(VOCABULARY.to_owned(), bytes);
    stored.insert(format!("{VOCABULARY}{SCALE}"), scale);
    let mut facts = first.facts.clone();
    facts.extend(text.sizes().facts());
    let bytes = tensor_file::bytes(&stored, &facts)?;
    ensure!(
        bytes.len() <= MOST_BYTES,
        "the file would have {} bytes, more than the {MOST_BYTES} that may be compiled in",
        bytes.len()
    );
    Ok(bytes)
}

/// The bytes of a table `[R, ..]` and the 32-bit scale of each row, as `clip::safetensors_file` reads them.
fn quantize(table: &Tensor) -> Result<(Tensor, Tensor), TchError> {
    let table = table.f_detach()?.f_to_kind(Kind::Float)?;
    let largest = table.f_abs()?.f_flatten(1, -1)?.f_amax([1], false)?;
    let scale = largest.f_div_scalar(LARGEST_BYTE)?;
    let mut column = vec![1; table.dim()];
    column[0] = -1;
    // A row of zeros has no scale and needs none.
    let divisor = scale.f_clamp_min(f64::from(f32::MIN_POSITIVE))?;
    let bytes = table
        .f_div(&divisor.f_reshape(&column)?)?
        .f_round()?
        .f_clamp(-LARGEST_BYTE, LARGEST_BYTE)?;
    Ok((bytes.f_to_kind(Kind::Int8)?, scale))
}

fn is_finite(tensor: &Tensor) -> Result<bool, TchError> {
    Ok(tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text_tower::TowerSizes;
    use crate::tower::{Mode, Tower, tiny_pictures};
    use clipdraw::clip::Activation;
    use clipdraw::clip::authoring::dequantize;
    use clipdraw::clip::{Clip, WeightsSource};
    use std::path::Path;
    use tch::Device;

    const FIXTURE: &str = "../tests/it/fixtures/tiny_vit.safetensors";

    /// The tiny model's image tower.
    fn image() -> ImageTowerWeights {
        ImageTowerWeights::of_file(tensor_file::read(Path::new(FIXTURE)).unwrap()).unwrap()
    }

    fn text(activation: Activation) -> TrainableTextTower {
        let sizes = TowerSizes::tiny(24, activation);
        TrainableTextTower::random(sizes, 5)
    }

    #[test]
    fn no_number_is_off_by_more_than_half_a_scale() {
        let numbers: Vec<f32> = (0..600)
            .map(|n: u16| f32::from(n * 37 % 601) - 300.0)
            .collect();
        let table = Tensor::from_slice(&numbers).view([20, 5, 6]) * 0.01;
        let _ = table.get(3).zero_();
        let (bytes, scale) = quantize(&table).unwrap();
        assert_eq!((bytes.kind(), scale.size()), (Kind::Int8, vec![20]));
        let back = dequantize(&bytes, &scale).unwrap();
        let error = (back.shallow_clone() - table).abs() / (scale.view([20, 1, 1]) + 1e-9);
        assert!(error.max().double_value(&[]) < 0.501);
        assert_eq!(back.get(3).abs().max().double_value(&[]), 0.0);
        assert_eq!(
            bytes.to_kind(Kind::Float).abs().max().double_value(&[]),
            LARGEST_BYTE
        );
    }

    #[test]
    fn what_is_exported_reads_texts_as_the_tower_in_training_does() {
        let folder = tempfile::tempdir().unwrap();
        let texts = [
            "a cat",
            "watercolor painting of an underwater submarine",
            "fire",
        ];
        let texts = texts.map(str::to_owned);
        for activation in [Activation::Gelu, Activation::QuickGelu] {
            let file = folder.path().join(format!("{activation:?}"));
            let tower = text(activation);
            std::fs::write(&file, export(&tower, &[image()]).unwrap()).unwrap();
            let clip = Clip::load(&WeightsSource::File(file), Device::Cpu, Kind::Float).unwrap();
            let together = tower.embed(&texts).unwrap();
            for (text, expected) in texts.iter().zip(together.unbind(0)) {
                let cosine = clip.embed_text(text).unwrap().dot(&expected);
                let cosine = cosine.double_value(&[]);
                assert!(cosine > 0.9995, "{text}, {activation:?}: {cosine}");
            }
        }
    }

    #[test]
    fn the_same_towers_are_the_same_bytes() {
        let (text, images) = (text(Activation::Gelu), [image()]);
        assert_eq!(
            export(&text, &images).unwrap(),
            export(&text, &images).unwrap()
        );
    }

    #[test]
    fn what_is_exported_reads_pictures_as_the_tower_in_training_does() {
        let tower = Tower::TINY;
        let parameters = tower.parameters(24, 3, Device::Cpu);
        let pictures = tiny_pictures();
        // Norms that have seen something, so that folding them is no matter of course.
        for _ in 0..50 {
            let _ = tower.read(&parameters, &pictures, Mode::Learn).unwrap();
        }
        let expected = tower.read(&parameters, &pictures, Mode::Evaluate).unwrap();
        let image = ImageTowerWeights::of_training(&Tower::TINY.0, &parameters, 32);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.safetensors");
        std::fs::write(&file, export(&text(Activation::Gelu), &[image]).unwrap()).unwrap();
        let clip = Clip::load(&WeightsSource::File(file), Device::Cpu, Kind::Float).unwrap();
        let found = clip.embed_pictures(&pictures).unwrap();
        let cosines = (found * expected).sum_dim_intlist(-1, false, Kind::Float);
        assert!(cosines.min().double_value(&[]) > 0.999, "{cosines:?}");
    }

    #[test]
    fn two_image_towers_read_by_turns_what_each_would_read_alone() {
        let pictures = tiny_pictures();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("model.safetensors");
        let image = |seed| {
            let parameters = Tower::TINY.parameters(24, seed, Device::Cpu);
            ImageTowerWeights::of_training(&Tower::TINY.0, &parameters, 32)
        };
        let read = |images: &[ImageTowerWeights]| {
            std::fs::write(&file, export(&text(Activation::Gelu), images).unwrap()).unwrap();
            let source = WeightsSource::File(file.clone());
            let clip = Clip::load(&source, Device::Cpu, Kind::Float).unwrap();
            clip.embed_pictures(&pictures).unwrap()
        };
        let [first, second] = [3, 4].map(|seed| read(&[image(seed)]));
        let both = read(&[image(3), image(4)]);
        let expected = Tensor::cat(&[first.narrow(0, 0, 2), second.narrow(0, 2, 2)], 0);
        assert!((both - expected).abs().max().double_value(&[]) < 1e-5);
        assert!((first - second).abs().max().double_value(&[]) > 1e-2);
    }

    #[test]
    fn image_towers_of_different_kinds_are_refused() {
        let text = text(Activation::Gelu);
        let refusal = |other: ImageTowerWeights| {
            let error = export(&text, &[image(), other]).unwrap_err();
            error.to_string()
        };
        let mut heads = image();
        heads
            .facts
            .insert("vision_heads".to_owned(), "1".to_owned());
        assert!(refusal(heads).contains("same kind"));
        let mut shallow = image();
        shallow
            .tensors
            .retain(|name, _| !name.contains("resblocks.1"));
        assert!(refusal(shallow).contains("same kind"));
        let mut with_heads = image();
        with_heads
            .facts
            .insert("text_heads".to_owned(), "7".to_owned());
        assert!(
            export(&text, &[image(), with_heads]).is_ok(),
            "that is no matter of pictures"
        );
        assert!(export(&text, &[]).is_err());
    }

    #[test]
    fn a_file_without_an_image_tower_has_none() {
        let mut file = tensor_file::read(Path::new(FIXTURE)).unwrap();
        file.tensors.retain(|name, _| !name.starts_with(IMAGE));
        assert!(ImageTowerWeights::of_file(file).is_none());
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        let mut image = image();
        let large = image.tensors["visual.proj"].to_kind(Kind::Float) * 1e9;
        image.tensors.insert("visual.proj".to_owned(), large);
        let error = export(&text(Activation::Gelu), &[image]).unwrap_err();
        assert!(
            error.to_string().starts_with("visual.proj has a number"),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        let mut image = image();
        let large = Tensor::zeros([4000, 4000], (Kind::Half, Device::Cpu));
        image.tensors.insert("visual.more".to_owned(), large);
        let error = export(&text(Activation::Gelu), &[image]).unwrap_err();
        assert!(error.to_string().contains("may be compiled in"), "{error}");
    }
}
