//! What the tests of both towers share.

use tch::{Device, Kind, Tensor};

use crate::clip::config::{CLIP_MEAN, CLIP_STD};

/// Views that are different in every pixel and between 0 and 1.
pub(super) fn views(count: i64, side: i64) -> Tensor {
    let numbers = Tensor::arange(count * 3 * side * side, (Kind::Float, Device::Cpu));
    ((numbers * 12.9898).sin() * 0.5 + 0.5).reshape([count, 3, side, side])
}

pub(super) fn normalized(views: &Tensor) -> Tensor {
    let row = |values: [f32; 3]| Tensor::from_slice(&values).reshape([1, 3, 1, 1]);
    (views - row(CLIP_MEAN)) / row(CLIP_STD)
}

/// The length of the difference over that of the expected tensor.
pub(super) fn difference(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    ((found - expected).norm() / expected.norm()).double_value(&[])
}

/// Numbers between -1 and 1.
pub(super) fn waves(count: usize) -> Tensor {
    Tensor::arange(count as i64, (Kind::Float, Device::Cpu)).sin()
}

/// The embeddings of views as libtorch computes them from normalized pictures, weights for their sum, and the gradient of that
/// sum with respect to the views.
pub(super) fn passes_of_libtorch(views: &Tensor, embed: impl Fn(&Tensor) -> Tensor) -> [Tensor; 3] {
    let views = views.detach().set_requires_grad(true);
    let embeddings = embed(&normalized(&views));
    let weights = waves(embeddings.numel()).view_as(&embeddings);
    let total = (&embeddings * &weights).sum(Kind::Float);
    let gradient = Tensor::run_backward(&[total], &[&views], false, false).remove(0);
    [embeddings.detach(), weights, gradient]
}
