//! The teacher's embeddings of captions, and the targets that follow from the similarity of
//! captions.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use tch::{Device, Kind, Tensor};

use super::tensor_file;

/// How sharply the teacher's similarity of two captions turns into a share of the target.
const TEMPERATURE: f64 = 0.05;

/// Captions and their embeddings.
#[derive(Debug)]
pub struct Teacher {
    captions: HashMap<String, usize>,
    /// Unit vectors `[N, E]`, 32-bit.
    embeddings: Tensor,
}

/// What a picture shows: captions with shares that sum to one.
pub type Shares = Vec<(usize, f32)>;

/// The targets of a batch of pictures.
#[derive(Debug)]
pub struct Targets {
    /// Unit vectors of the captions to choose from, `[C, E]`.
    pub choices: Tensor,
    /// The share of each choice for each picture, `[N, C]`; rows sum to one.
    pub shares: Tensor,
    /// The unit vector that each picture's embedding should be, `[N, E]`.
    pub embeddings: Tensor,
}

impl Teacher {
    /// Reads the store `teacher` of a folder: [`Teacher::open_stores`].
    ///
    /// # Errors
    /// When its files are not there or do not belong together.
    pub fn open(folder: &Path, device: Device) -> anyhow::Result<Self> {
        Self::open_stores(folder, &["teacher"], device)
    }

    /// Reads stores of a folder, each of them `NAME.txt`, a text a line, and `NAME.safetensors`, whose
    /// tensor `embeddings` has a row for each. Of a text that is in several the first counts.
    ///
    /// # Errors
    /// When they are not there or do not belong together.
    pub fn open_stores(folder: &Path, names: &[&str], device: Device) -> anyhow::Result<Self> {
        let mut captions = HashMap::new();
        let mut embeddings = Vec::new();
        let mut first_row = 0;
        for name in names {
            let texts = read_lines(&folder.join(format!("{name}.txt")))?;
            let file = tensor_file::read(&folder.join(format!("{name}.safetensors")))?;
            let rows = file.tensor("embeddings")?.to_kind(Kind::Float);
            ensure!(
                rows.size()[0] == texts.len() as i64,
                "{} has {} embeddings for {} texts",
                file.path.display(),
                rows.size()[0],
                texts.len()
            );
            for (row, text) in texts.into_iter().enumerate() {
                captions.entry(text).or_insert(first_row + row);
            }
            first_row += rows.size()[0] as usize;
            embeddings.push(rows);
        }
        Ok(Self::new(
            captions,
            &Tensor::f_cat(&embeddings, 0)?.to_device(device),
        ))
    }

    /// Captions with the row of each in `embeddings`, `[N, E]` of any length.
    pub fn new(captions: HashMap<String, usize>, embeddings: &Tensor) -> Self {
        Self {
            captions,
            embeddings: unit(embeddings),
        }
    }

    /// The number by which a caption goes, if the teacher has read it.
    pub fn caption(&self, text: &str) -> Option<usize> {
        self.captions.get(text).copied()
    }

    /// The numbers by which texts go.
    ///
    /// # Errors
    /// When the teacher has not read one of them.
    pub fn captions(&self, texts: &[String]) -> anyhow::Result<Vec<usize>> {
        let number = |text: &String| {
            self.caption(text).with_context(|| {
                format!("the teacher has not read {text:?}: run the step `teacher`")
            })
        };
        texts.iter().map(number).collect()
    }

    /// The text of a caption.
    ///
    /// # Panics
    /// When there is no such caption.
    pub fn text(&self, caption: usize) -> &str {
        let found = self.captions.iter().find(|(_, number)| **number == caption);
        found.expect("captions have numbers of this teacher").0
    }

    /// Length of an embedding.
    pub fn width(&self) -> i64 {
        self.embeddings.size()[1]
    }

    /// The unit vectors of these captions, `[N, E]`.
    pub fn embed(&self, captions: &[usize]) -> Tensor {
        let rows: Vec<i64> = captions.iter().map(|&caption| caption as i64).collect();
        let rows = Tensor::from_slice(&rows).to_device(self.embeddings.device());
        self.embeddings.index_select(0, &rows)
    }

    /// The targets of pictures with these captions, among the captions of `bank` and their own.
    ///
    /// A choice gets the more of a picture's share the closer the teacher puts it to the picture's
    /// caption, so that two names of one thing do not exclude each other.
    pub fn targets(&self, pictures: &[Shares], bank: &[usize]) -> Targets {
        let first: Vec<usize> = pictures.iter().map(|shares| shares[0].0).collect();
        let choices = self.embed(&[bank, &first].concat());
        let parts: Vec<(usize, usize, f32)> = pictures
            .iter()
            .enumerate()
            .flat_map(|(picture, shares)| {
                shares
                    .iter()
                    .map(move |&(caption, share)| (picture, caption, share))
            })
            .collect();
        let captions = self.embed(&parts.iter().map(|part| part.1).collect::<Vec<_>>());
        let mut mixing = vec![0.0; pictures.len() * parts.len()];
        for (column, &(picture, _, share)) in parts.iter().enumerate() {
            mixing[picture * parts.len() + column] = share;
        }
        let mixing = Tensor::from_slice(&mixing)
            .reshape([pictures.len() as i64, parts.len() as i64])
            .to_device(self.embeddings.device());
        let likeness = captions.matmul(&choices.tr()) / TEMPERATURE;
        Targets {
            shares: mixing.matmul(&likeness.softmax(-1, Kind::Float)),
            embeddings: unit(&mixing.matmul(&captions)),
            choices,
        }
    }
}

impl Targets {
    /// The rows of some pictures.
    #[must_use]
    pub fn of(&self, start: i64, count: i64) -> Self {
        Self {
            choices: self.choices.shallow_clone(),
            shares: self.shares.narrow(0, start, count),
            embeddings: self.embeddings.narrow(0, start, count),
        }
    }
}

/// A text on each line of a file.
///
/// # Errors
/// When it cannot be read.
pub fn read_lines(file: &Path) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// The embeddings, scaled to length one.
pub fn unit(vectors: &Tensor) -> Tensor {
    let length = vectors
        .square()
        .sum_dim_intlist(-1, true, Kind::Float)
        .sqrt();
    vectors / length.clamp_min(1e-12)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn teacher() -> Teacher {
        let captions = ["a cat", "a kitten", "a car"];
        let rows = Tensor::from_slice(&[1.0_f32, 0.0, 0.9, 0.1, 0.0, 1.0]).reshape([3, 2]);
        let captions = captions
            .iter()
            .enumerate()
            .map(|(row, name)| ((*name).to_owned(), row));
        Teacher::new(captions.collect(), &rows)
    }

    #[test]
    fn a_picture_is_its_caption_and_a_little_what_is_close_to_it() {
        let teacher = teacher();
        let (cat, kitten, car) = (0, 1, 2);
        let targets = teacher.targets(&[vec![(cat, 1.0)]], &[cat, kitten, car]);
        // Three of the bank, then the picture's own.
        let shares = Vec::<f32>::try_from(targets.shares.reshape([-1])).unwrap();
        assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(shares[0] > 0.3 && shares[1] > 0.2 && shares[2] < 1e-6);
        assert!((shares[0] - shares[3]).abs() < 1e-6);
    }

    #[test]
    fn a_picture_of_two_things_lies_between_them() {
        let teacher = teacher();
        let targets = teacher.targets(&[vec![(0, 0.5), (2, 0.5)], vec![(2, 1.0)]], &[0, 1, 2]);
        let middle = Vec::<f32>::try_from(targets.embeddings.select(0, 0)).unwrap();
        assert!((middle[0] - middle[1]).abs() < 1e-6);
        let second = targets.of(1, 1);
        assert_eq!(second.shares.size(), [1, 5]);
        assert!(second.shares.double_value(&[0, 2]) > 0.4);
    }

    fn store(folder: &Path, name: &str, texts: &str, numbers: &[f32]) {
        fs::write(folder.join(format!("{name}.txt")), texts).unwrap();
        let rows = Tensor::from_slice(numbers).view([-1, 2]);
        let tensors = [("embeddings".to_owned(), rows)].into();
        let file = folder.join(format!("{name}.safetensors"));
        tensor_file::write(&file, &tensors, &[].into()).unwrap();
    }

    #[test]
    fn a_text_finds_its_embedding_in_any_store() {
        let folder = tempfile::tempdir().unwrap();
        store(
            folder.path(),
            "one",
            "a cat\na dog\n",
            &[1.0, 0.0, 0.0, 1.0],
        );
        store(
            folder.path(),
            "two",
            "a ship\na cat\n",
            &[0.6, 0.8, 9.0, 9.0],
        );
        let teacher = Teacher::open_stores(folder.path(), &["one", "two"], Device::Cpu).unwrap();
        let texts = ["a ship", "a cat"].map(str::to_owned);
        let numbers = teacher.captions(&texts).unwrap();
        let found = Vec::<f32>::try_from(teacher.embed(&numbers).reshape([-1])).unwrap();
        assert!((found[0] - 0.6).abs() < 1e-6 && found[2..] == [1.0, 0.0]);
        let error = teacher.captions(&["a fox".to_owned()]).unwrap_err();
        assert!(error.to_string().contains("\"a fox\""), "{error}");
    }

    #[test]
    fn a_store_whose_files_do_not_belong_together_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        store(folder.path(), "teacher", "a cat\na dog\n", &[1.0, 0.0]);
        let error = Teacher::open(folder.path(), Device::Cpu).unwrap_err();
        assert!(
            error.to_string().ends_with("1 embeddings for 2 texts"),
            "{error}"
        );
    }
}
