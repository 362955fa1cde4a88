//! The loss of the pictures of one batch after the adversary has perturbed them, and its gradient.

use std::thread;

use tch::{Kind, TchError, Tensor};

use super::adversary::Adversary;
use super::parameters::Parameters;
use super::teacher::Targets;
use super::tower::{Mode, Tower};
use clipdraw::compute::library;

/// The name of the parameter that is the logarithm of the factor of the cosines.
pub(super) const SHARPNESS_NAME: &str = "log_sharpness";
/// Weight of the cosine to the caption's own embedding, beside choosing among captions.
const COSINE_WEIGHT: f64 = 1.0;

/// The results of one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepReport {
    /// The divergence of the choice among captions.
    pub choice: f64,
    /// The cosine to the captions.
    pub cosine: f64,
    /// The length of the gradient.
    pub gradient: f64,
}

/// The mean of the results of the parts of a batch.
pub(super) fn mean(learned: Vec<Learned>) -> (Vec<Tensor>, StepReport) {
    let count = learned.len() as f64;
    let mut parts = learned.into_iter();
    let first = parts.next().expect("there is a part");
    let (mut gradient, mut found) = (first.gradient, first.found);
    for more in parts {
        for (sum, part) in gradient.iter_mut().zip(&more.gradient) {
            let _ = sum.g_add_(part);
        }
        found.choice += more.found.choice;
        found.cosine += more.found.cosine;
    }
    for sum in &mut gradient {
        let _ = sum.g_div_scalar_(count);
    }
    found.choice /= count;
    found.cosine /= count;
    (gradient, found)
}

impl StepReport {
    /// An exponential moving average, mostly of earlier results.
    pub(super) fn towards(self, newest: Self) -> Self {
        let mix = |old: f64, new: f64| 0.98 * old + 0.02 * new;
        Self {
            choice: mix(self.choice, newest.choice),
            cosine: mix(self.cosine, newest.cosine),
            gradient: mix(self.gradient, newest.gradient),
        }
    }
}

/// Computes each part on a separate thread, with one libtorch thread each.
pub(super) fn side_by_side(parts: Vec<BatchShard>) -> Result<Vec<Learned>, TchError> {
    thread::scope(|scope| {
        let threads: Vec<_> = parts
            .into_iter()
            .map(|part| {
                scope.spawn(|| {
                    library::use_one_thread();
                    part.learn()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("a part does not panic"))
            .collect()
    })
}

/// A batch on the device, with its perturbation so far.
pub(super) struct AttackedBatch {
    /// `[N, 3, R, R]`, values from 0 to 1.
    pub views: Tensor,
    /// What the adversary adds to them.
    pub change: Tensor,
    /// What they show.
    pub targets: Targets,
}

/// A part of a batch, with handles to everything that it needs.
pub(super) struct BatchShard {
    /// The tower that learns.
    pub tower: Tower,
    /// Its parameters.
    pub parameters: Parameters,
    /// Who makes it harder.
    pub adversary: Adversary,
    /// The views of this part.
    pub views: Tensor,
    /// The perturbation so far.
    pub change: Tensor,
    /// What the views show.
    pub targets: Targets,
    /// What the norms go by.
    pub mode: Mode,
    /// Whether the next step learns from the same views.
    pub comes_again: bool,
}

/// The results of a part of a batch.
pub(super) struct Learned {
    /// For every trained tensor.
    pub gradient: Vec<Tensor>,
    /// The adversary's change for the next time, if the batch comes again.
    pub change: Option<Tensor>,
    /// What the loss was made of.
    pub found: StepReport,
}

impl BatchShard {
    /// The gradient of the mean loss, after the adversary's steps.
    pub(super) fn learn(self) -> Result<Learned, TchError> {
        let pictures = self
            .adversary
            .change(&self.views, &self.change, |pictures| {
                let embeddings = self.tower.read(&self.parameters, pictures, Mode::Attack)?;
                self.choice(&embeddings)?.f_sum(Kind::Float)
            })?
            .set_requires_grad(self.comes_again);
        let embeddings = self.tower.read(&self.parameters, &pictures, self.mode)?;
        let choice = self.choice(&embeddings)?.f_mean(Kind::Float)?;
        let cosines = embeddings.f_mul(&self.targets.embeddings)?;
        let cosine = cosines
            .f_sum_dim_intlist(-1, false, Kind::Float)?
            .f_mean(Kind::Float)?;
        let loss = choice.f_sub(&cosine.f_mul_scalar(COSINE_WEIGHT)?)?;
        let (gradient, change) = if self.comes_again {
            let (gradient, towards) = self.parameters.gradient_and(&loss, &pictures)?;
            let change = self.adversary.go_on(&self.change, &towards)?;
            (gradient, Some(change))
        } else {
            (self.parameters.gradient(&loss)?, None)
        };
        let found = StepReport {
            choice: choice.double_value(&[]),
            cosine: cosine.double_value(&[]),
            gradient: 0.0,
        };
        Ok(Learned {
            gradient,
            change,
            found,
        })
    }

    /// How far the choice among captions is from the shares, for each picture: the divergence of
    /// Kullback and Leibler, `[N]`.
    fn choice(&self, embeddings: &Tensor) -> Result<Tensor, TchError> {
        let sharpness = self.parameters.get(SHARPNESS_NAME).f_exp()?;
        let scores = embeddings
            .f_matmul(&self.targets.choices.f_tr()?)?
            .f_mul(&sharpness)?;
        let shares = &self.targets.shares;
        let gap = shares
            .f_add_scalar(1e-9)?
            .f_log()?
            .f_sub(&scores.f_log_softmax(-1, Kind::Float)?)?;
        shares
            .f_mul(&gap)?
            .f_sum_dim_intlist(-1, false, Kind::Float)
    }
}
