//! The tensors of one weight file under OpenAI's names, regardless of the names in the file.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use tch::{Kind, TchError, Tensor};

use super::source::Numbers;
use crate::clip::error::ClipError;

/// Bytes of a weight file that we agree to hold in memory; the largest CLIP has about 5 GB.
const LARGEST_FILE: u64 = 16 << 30;

/// The naming scheme of the tensors in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// OpenAI's, which `open_clip` also uses.
    OpenAi,
    /// That of `CLIPModel` in transformers.
    HuggingFace,
}

/// Named tensors on the CPU, and what the file says about itself.
#[derive(Debug)]
pub struct Checkpoint {
    /// The file, for errors.
    pub file: PathBuf,
    /// Tensors of whichever float kind the file has.
    pub tensors: BTreeMap<String, Tensor>,
    /// Facts in the file's header, such as `activation`.
    pub metadata: BTreeMap<String, String>,
    /// Tensors of number types that are not read, such as integers and 8-bit floats.
    pub(super) unread: BTreeMap<String, Numbers>,
    /// The names of the tensors in the file, for errors, if they differ.
    pub(super) file_names: BTreeMap<String, String>,
    /// The naming scheme in the file.
    pub(super) layout: Layout,
    /// The names of the tensors that a model uses.
    used: RefCell<BTreeSet<String>>,
}

impl Checkpoint {
    /// The checkpoint of a file, without tensors.
    pub(super) fn new(file: &Path) -> Self {
        Self {
            file: file.to_owned(),
            tensors: BTreeMap::new(),
            metadata: BTreeMap::new(),
            unread: BTreeMap::new(),
            file_names: BTreeMap::new(),
            layout: Layout::OpenAi,
            used: RefCell::default(),
        }
    }

    /// A tensor's shape, if it has `DIMS` dimensions.
    ///
    /// # Errors
    /// When it is missing or has another number of dimensions.
    pub fn shape<const DIMS: usize>(&self, name: &str) -> Result<[i64; DIMS], ClipError> {
        let found = self
            .tensors
            .get(name)
            .ok_or_else(|| self.missing(name, &[-1; DIMS]))?
            .size();
        <[i64; DIMS]>::try_from(found).map_err(|found| self.wrong_shape(name, found, &[-1; DIMS]))
    }

    /// Whether there is a tensor with this name, of any number type.
    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name) || self.unread.contains_key(name)
    }

    /// How many of `prefix0`, `prefix1`, ... the file has without a gap.
    pub fn count(&self, prefix: &str) -> i64 {
        let present = |index: &i64| {
            let start = format!("{prefix}{index}.");
            self.tensors
                .range(start.clone()..)
                .next()
                .is_some_and(|(name, _)| name.starts_with(&start))
        };
        (0..self.tensors.len() as i64).take_while(present).count() as i64
    }

    /// A copy of a tensor's handle, if it has this shape.
    ///
    /// # Errors
    /// When it is missing, has another shape, or has numbers that are not finite.
    pub fn tensor(&self, name: &str, expected: &[i64]) -> Result<Tensor, ClipError> {
        let tensor = self
            .tensors
            .get(name)
            .ok_or_else(|| self.missing(name, expected))?;
        if tensor.size() != expected {
            return Err(self.wrong_shape(name, tensor.size(), expected));
        }
        if !all_finite(tensor).map_err(ClipError::while_doing("checking weights"))? {
            return Err(ClipError::NotFinite {
                file: self.file.clone(),
                tensor: self.file_name(name).to_owned(),
            });
        }
        self.used.borrow_mut().insert(name.to_owned());
        Ok(tensor.shallow_clone())
    }

    /// Rejects a file with a tensor that no part of the model uses: it belongs to another architecture.
    ///
    /// # Errors
    /// If there is such a tensor.
    pub(crate) fn check_all_used(&self) -> Result<(), ClipError> {
        let unsupported = |numbers: &Numbers| matches!(numbers, Numbers::Unsupported(_));
        if let Some((name, _)) = self.unread.iter().find(|(_, kind)| unsupported(kind)) {
            return Err(self.missing(name, &[]));
        }
        let used = self.used.borrow();
        let mut unused = self
            .tensors
            .iter()
            .filter(|(name, _)| !used.contains(*name));
        match unused.next() {
            None => Ok(()),
            Some((name, tensor)) => Err(ClipError::UnusedTensor {
                file: self.file.clone(),
                tensor: self.file_name(name).to_owned(),
                shape: tensor.size(),
                others: unused.count(),
                model: None,
            }),
        }
    }

    /// The error that the tensors fit no model, with the reason.
    pub fn unknown(&self, reason: impl Into<String>) -> ClipError {
        ClipError::UnknownArchitecture {
            file: self.file.clone(),
            reason: reason.into(),
        }
    }

    fn file_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.file_names.get(name).map_or(name, String::as_str)
    }

    fn missing(&self, tensor: &str, expected: &[i64]) -> ClipError {
        if let Some(Numbers::Integer(kind) | Numbers::Unsupported(kind)) = self.unread.get(tensor) {
            return ClipError::UnreadableKind {
                file: self.file.clone(),
                tensor: self.file_name(tensor).to_owned(),
                kind: kind.clone(),
            };
        }
        let (file, tensor) = (self.file.clone(), tensor.to_owned());
        ClipError::MissingTensor {
            file,
            tensor,
            expected: expected.to_vec(),
        }
    }

    fn wrong_shape(&self, tensor: &str, found: Vec<i64>, expected: &[i64]) -> ClipError {
        let (file, tensor) = (self.file.clone(), tensor.to_owned());
        ClipError::WrongShape {
            file,
            tensor,
            found,
            expected: expected.to_vec(),
        }
    }
}

/// Whether all numbers of a tensor are finite as 32-bit floats. If one is not, the sum shows it; if the sum overflows,
/// each number is checked.
pub(crate) fn all_finite(tensor: &Tensor) -> Result<bool, TchError> {
    let sum = f64::try_from(tensor.f_sum(Kind::Float)?)?;
    if sum.is_finite() {
        return Ok(true);
    }
    let finite = tensor.f_to_kind(Kind::Float)?.f_isfinite()?;
    bool::try_from(finite.f_all()?)
}

/// Reads a whole weight file.
///
/// # Errors
/// When it cannot be read, or is larger than any weight file.
pub fn read_bytes(file: &Path) -> Result<Vec<u8>, ClipError> {
    let unreadable = |cause| ClipError::Unreadable {
        file: file.to_owned(),
        cause,
    };
    let metadata = std::fs::metadata(file).map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > LARGEST_FILE {
        let text = format!("not a regular file of at most {LARGEST_FILE} bytes");
        return Err(unreadable(std::io::Error::other(text)));
    }
    std::fs::read(file).map_err(unreadable)
}
