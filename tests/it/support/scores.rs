//! Compares views with a text as a step of a drawing does, forward and backward. The benchmark of the
//! step and the parity probe include this file too.

use clipdraw::clip::{Clip, ClipError, ViewGroup, forward_backward};
use clipdraw::compute::to_host;
use tch::{Kind, Tensor};

/// What CLIP says of some views.
#[derive(Debug, PartialEq)]
pub(crate) struct Scores {
    /// The cosine of each view with the direction.
    pub(crate) cosines: Vec<f32>,
    /// The gradient of their sum with respect to the views.
    pub(crate) gradient: Vec<f32>,
}

/// Encodes views `[N, 3, R, R]` in the batches of a step, and pulls the gradient of their products with
/// `direction`, `[E]`, back to them.
pub(crate) fn score(
    clip: &Clip,
    views: &Tensor,
    direction: &Tensor,
    first_tower: usize,
) -> Result<Scores, ClipError> {
    let group = ViewGroup {
        count: views.size()[0] as usize,
        first_tower,
    };
    let batches = clip.batches(&[group]).expect("memory").into_iter();
    let batches = batches.map(|batch| (batch, direction.shallow_clone()));
    let results = forward_backward(views, batches.collect(), |_, embeddings, direction| {
        let cosines = (embeddings * &direction).sum_dim_intlist(-1, false, Kind::Float);
        let gradient = direction.expand(embeddings.size(), false);
        Ok((values(&cosines), gradient))
    })?;
    let (cosines, gradients): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    Ok(Scores {
        cosines: cosines.concat(),
        gradient: values(&Tensor::cat(&gradients, 0)),
    })
}

/// The values of a tensor in row-major order.
pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    to_host(tensor).expect("a tensor that can be copied")
}
