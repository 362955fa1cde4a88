//! Encoded views, and the backward pass from their embeddings.

use tch::{Kind, TchError, Tensor};

use super::native::NativePass;
use super::order::TowerViews;
use crate::clip::error::ClipError;

/// Encoded views, with what the backward pass needs.
#[derive(Debug)]
pub struct Encoded {
    pub(super) embeddings: Tensor,
    pub(super) towers: TowerViews,
    pub(super) pass: Pass,
}

/// The gradient of a loss with respect to encoded views.
#[derive(Debug)]
pub struct EncodedGradient {
    /// With respect to their embeddings, `[N, E]`, 32-bit.
    pub embeddings: Tensor,
    /// With respect to their features, shaped as those of [`Encoded::features`], 32-bit; `None` if the loss does not depend
    /// on them.
    pub features: Option<[Tensor; 2]>,
}

impl From<Tensor> for EncodedGradient {
    /// Of a loss that depends on embeddings `[N, E]` alone.
    fn from(embeddings: Tensor) -> Self {
        Self {
            embeddings,
            features: None,
        }
    }
}

/// How views were encoded, and so how a gradient gets back to them.
#[derive(Debug)]
pub(super) enum Pass {
    /// By libtorch.
    Libtorch {
        views: Tensor,
        /// The features of each tower's views, in the number type of the towers.
        features: Vec<[Tensor; 2]>,
        gradient_scale: f64,
    },
    /// Without libtorch.
    Native {
        /// For each tower that encoded any view.
        passes: Vec<NativePass>,
        /// The embeddings before they were scaled to length one.
        unscaled: Tensor,
    },
}

impl Encoded {
    /// The unit vectors of the views, `[N, E]`, 32-bit, on the model's device, without gradient.
    pub fn embeddings(&self) -> Tensor {
        self.embeddings.detach()
    }

    /// The outputs of two inner layers of the image tower for the views, `[N, ...]` each, 32-bit, on the model's device,
    /// without gradient. What follows the first dimension depends on the tower; the channels of some are filled up with
    /// zeros.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn features(&self) -> Result<[Tensor; 2], ClipError> {
        let features = || match &self.pass {
            Pass::Libtorch { features, .. } => {
                let [outer, inner] = in_fp32(self.towers.join_features(features)?)?;
                Ok([outer.f_detach()?, inner.f_detach()?])
            }
            Pass::Native { passes, .. } => {
                let parts = passes.iter().map(NativePass::features);
                let parts = parts.collect::<Result<Vec<_>, _>>()?;
                self.towers.join_features(&parts)
            }
        };
        features().map_err(ClipError::while_doing("reading the features of views"))
    }

    /// The gradient of a loss with respect to the views, `[N, 3, R, R]`, from its gradient with respect
    /// to their embeddings, `[N, E]`, 32-bit (a vector-Jacobian product).
    ///
    /// # Errors
    /// When the gradient has another shape than the embeddings, or libtorch fails.
    pub fn pull_back(self, gradient: &Tensor) -> Result<Tensor, ClipError> {
        self.pull_back_all(&gradient.shallow_clone().into())
    }

    /// As [`Self::pull_back`], for a loss that may depend on the features as well.
    ///
    /// # Errors
    /// As [`Self::pull_back`].
    pub fn pull_back_all(self, gradient: &EncodedGradient) -> Result<Tensor, ClipError> {
        let (found, expected) = (gradient.embeddings.size(), self.embeddings.size());
        if found != expected {
            return Err(ClipError::WrongGradient { found, expected });
        }
        self.backward(gradient)
            .map_err(ClipError::while_doing("pulling a gradient back to views"))
    }

    fn backward(self, gradient: &EncodedGradient) -> Result<Tensor, TchError> {
        // The derivative of this sum with respect to the embeddings is their gradient itself.
        let total = self.embeddings.f_mul(&gradient.embeddings)?.f_sum(None)?;
        match self.pass {
            Pass::Libtorch {
                views,
                features,
                gradient_scale,
            } => {
                let mut total = total;
                if let Some(gradients) = &gradient.features {
                    let features = in_fp32(self.towers.join_features(&features)?)?;
                    for (features, gradient) in features.iter().zip(gradients) {
                        total = total.f_add(&features.f_mul(gradient)?.f_sum(None)?)?;
                    }
                }
                let total = total.f_mul_scalar(gradient_scale)?;
                let gradients = Tensor::f_run_backward(&[total], &[&views], false, false)?;
                gradients[0].f_mul_scalar(1.0 / gradient_scale)
            }
            Pass::Native { passes, unscaled } => {
                let gradients = Tensor::f_run_backward(&[total], &[&unscaled], false, false)?;
                let features = gradient.features.as_ref();
                backward_native(&self.towers, passes, &gradients[0], features)
            }
        }
    }
}

/// The gradient with respect to the views of all towers, from that with respect to their embeddings before they were
/// scaled, and to their features.
fn backward_native(
    towers: &TowerViews,
    passes: Vec<NativePass>,
    gradient: &Tensor,
    features: Option<&[Tensor; 2]>,
) -> Result<Tensor, TchError> {
    let mut own_features = Vec::new();
    if let Some([outer, inner]) = features {
        let both = towers.divide(outer)?.into_iter().zip(towers.divide(inner)?);
        own_features.extend(both.map(|((_, outer), (_, inner))| [outer, inner]));
    }
    let gradients = towers.divide(gradient)?.into_iter().zip(passes).enumerate();
    let parts =
        gradients.map(|(index, ((_, own), pass))| pass.backward(&own, own_features.get(index)));
    towers.join(&parts.collect::<Result<Vec<_>, _>>()?)
}

pub(super) fn in_fp32([outer, inner]: [Tensor; 2]) -> Result<[Tensor; 2], TchError> {
    Ok([outer.f_to_kind(Kind::Float)?, inner.f_to_kind(Kind::Float)?])
}
