//! Walks the names of a checkpoint while a model is built.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use tch::{Device, Kind, TchError, Tensor};

use super::Checkpoint;
use crate::clip::error::ClipError;

/// Where a model's numbers come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin<'file> {
    /// A weight file.
    Checkpoint(&'file Checkpoint),
    /// Random numbers of a sensible scale, the same for the same seed and name.
    Random(u64),
}

/// A finished weight: no gradient, and cheap to clone, because clones share their numbers.
///
/// A tensor may be moved to another thread but not be shared with it, so each thread gets clones.
#[derive(Debug)]
pub(crate) struct Frozen(Tensor);

impl Clone for Frozen {
    fn clone(&self) -> Self {
        Self(self.0.shallow_clone())
    }
}

impl std::ops::Deref for Frozen {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        &self.0
    }
}

impl Frozen {
    /// A slice along one dimension, without a copy.
    pub(crate) fn narrow(&self, dim: i64, start: i64, length: i64) -> Result<Self, TchError> {
        self.0.f_narrow(dim, start, length).map(Self)
    }
}

/// A place in the tree of names, and the device and kind that finished tensors get.
#[derive(Debug, Clone)]
pub(crate) struct Weights<'file> {
    origin: Origin<'file>,
    prefix: String,
    device: Device,
    kind: Kind,
}

impl<'file> Weights<'file> {
    /// The root of the tree.
    pub(crate) fn new(origin: Origin<'file>, device: Device, kind: Kind) -> Self {
        Self {
            origin,
            prefix: String::new(),
            device,
            kind,
        }
    }

    /// The number kind that finished tensors get.
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The device that finished tensors get to.
    pub(crate) fn device(&self) -> Device {
        self.device
    }

    /// The branch of this name.
    pub(crate) fn at(&self, name: impl std::fmt::Display) -> Self {
        Self {
            prefix: self.full(&name.to_string()) + ".",
            ..self.clone()
        }
    }

    /// The same place, for tensors that keep 32 bits.
    pub(crate) fn in_fp32(&self) -> Self {
        Self {
            kind: Kind::Float,
            ..self.clone()
        }
    }

    /// The tensor of this name as 32-bit floats on the CPU, to be worked on before [`Weights::place`].
    ///
    /// # Errors
    /// When it is missing or has another shape.
    pub(crate) fn tensor(&self, name: &str, shape: &[i64]) -> Result<Tensor, ClipError> {
        let name = self.full(name);
        match self.origin {
            Origin::Checkpoint(checkpoint) => checkpoint
                .tensor(&name, shape)?
                .f_to_kind(Kind::Float)
                .map_err(ClipError::while_doing("converting weights")),
            Origin::Random(seed) => random(seed, &name, shape),
        }
    }

    /// Like [`Weights::tensor`], for a tensor that not every model has; random weights have none.
    ///
    /// # Errors
    /// When it has another shape.
    pub(crate) fn optional(&self, name: &str, shape: &[i64]) -> Result<Option<Tensor>, ClipError> {
        match self.origin {
            Origin::Checkpoint(checkpoint) if checkpoint.has(&self.full(name)) => {
                self.tensor(name, shape).map(Some)
            }
            Origin::Checkpoint(_) | Origin::Random(_) => Ok(None),
        }
    }

    /// The number of rows of the tensor with this name; `None` if the weights are random or it is missing.
    pub(crate) fn rows(&self, name: &str) -> Option<i64> {
        match self.origin {
            Origin::Checkpoint(checkpoint) => {
                let tensor = checkpoint.tensors.get(&self.full(name))?;
                tensor.size().first().copied()
            }
            Origin::Random(_) => None,
        }
    }

    /// Moves a finished tensor to the model's device and kind, contiguous and without gradient.
    pub(crate) fn place(&self, tensor: &Tensor) -> Result<Frozen, ClipError> {
        let placed = || -> Result<Tensor, TchError> {
            let tensor = tensor
                .f_detach()?
                .f_to_kind(self.kind)?
                .f_to_device(self.device)?;
            tensor.f_contiguous()?.f_set_requires_grad(false)
        };
        placed()
            .map(Frozen)
            .map_err(ClipError::while_doing("moving weights to the device"))
    }

    /// [`Weights::place`] for the kernel of a convolution, laid out as [`channels_last`] says.
    pub(crate) fn place_kernel(&self, kernel: &Tensor) -> Result<Frozen, ClipError> {
        channels_last(&*self.place(kernel)?)
            .map(Frozen)
            .map_err(ClipError::while_doing("moving weights to the device"))
    }

    /// [`Weights::tensor`], placed as it is.
    pub(crate) fn placed(&self, name: &str, shape: &[i64]) -> Result<Frozen, ClipError> {
        self.place(&self.tensor(name, shape)?)
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// The same `[N, C, H, W]` tensor with the channels of a pixel side by side in memory.
///
/// Convolutions are about a tenth faster that way on a processor.
pub(crate) fn channels_last(tensor: &Tensor) -> Result<Tensor, TchError> {
    tensor
        .f_permute([0, 2, 3, 1])?
        .f_contiguous()?
        .f_permute([0, 3, 1, 2])
}

/// Norms start as the identity and biases at zero; the rest keeps a vector's length on average.
fn random(seed: u64, name: &str, shape: &[i64]) -> Result<Tensor, ClipError> {
    let count: i64 = shape.iter().product();
    let values = if shape.len() < 2 {
        let ones = name.ends_with("weight") || name.ends_with("running_var");
        vec![if ones { 1.0 } else { 0.0 }; count as usize]
    } else {
        let digest = Sha256::digest(format!("{seed} {name}"));
        let mut generator = ChaCha8Rng::from_seed(digest.into());
        let fan_in = count / shape[0].max(1);
        let bound = (3.0 / fan_in.max(1) as f32).sqrt();
        (0..count)
            .map(|_| generator.random_range(-bound..bound))
            .collect()
    };
    Tensor::f_from_slice(&values)
        .and_then(|tensor| tensor.f_reshape(shape))
        .map_err(ClipError::while_doing("making random weights"))
}
