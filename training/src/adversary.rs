//! The adversary: small perturbations of a picture that make the tower mistake it for something
//! else.
//!
//! The gradients of a tower that was trained to resist them look like things, and so do drawings made
//! with it (Ganz & Elad 2024, "CLIPAG"). Madry et al. 2018, section 2.1, with the L2 norm.

use tch::{Kind, TchError, Tensor};

/// Length of one attack step, as a fraction of the maximum perturbation.
const STEP: f64 = 0.65;

/// The strength of the adversary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adversary {
    /// Maximum length of the perturbation of one picture (L2 norm over its values from 0 to 1).
    pub epsilon: f64,
    /// Number of attack steps.
    pub steps: usize,
}

impl Adversary {
    /// The pictures, `[N, 3, H, W]` from 0 to 1, perturbed by the attack steps, which start from a given
    /// perturbation of the same shape. `loss` returns the sum over pictures that it maximizes.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn change(
        &self,
        pictures: &Tensor,
        change: &Tensor,
        mut loss: impl FnMut(&Tensor) -> Result<Tensor, TchError>,
    ) -> Result<Tensor, TchError> {
        if self.epsilon <= 0.0 {
            return Ok(pictures.detach());
        }
        let mut change = change.shallow_clone();
        for _ in 0..self.steps {
            let attempt = changed(pictures, &change)?.set_requires_grad(true);
            let gradient = Tensor::f_run_backward(&[loss(&attempt)?], &[&attempt], false, false)?;
            change = self.go_on(&change, &gradient[0])?;
        }
        changed(pictures, &change)
    }

    /// The initial perturbation, in the direction of `noise`.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn begin(&self, noise: &Tensor) -> Result<Tensor, TchError> {
        direction(noise)?.f_mul_scalar(0.5 * self.epsilon)
    }

    /// The perturbation after another step along the gradient of the loss, no longer than epsilon.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn go_on(&self, change: &Tensor, gradient: &Tensor) -> Result<Tensor, TchError> {
        let step = direction(gradient)?.f_mul_scalar(STEP * self.epsilon)?;
        let change = change.f_add(&step)?;
        let excess = length(&change)?
            .f_div_scalar(self.epsilon.max(1e-9))?
            .f_clamp_min(1.0)?;
        change.f_div(&excess)
    }
}

/// Perturbed pictures, clamped to 0 to 1 and detached from the graph.
///
/// # Errors
/// When libtorch fails.
pub fn changed(pictures: &Tensor, change: &Tensor) -> Result<Tensor, TchError> {
    Ok(pictures.f_add(change)?.f_clamp(0.0, 1.0)?.detach())
}

/// The length of each picture's perturbation, `[N, 1, 1, 1]`.
fn length(change: &Tensor) -> Result<Tensor, TchError> {
    let sides = [1_i64, 2, 3];
    change
        .f_square()?
        .f_sum_dim_intlist(sides.as_slice(), true, Kind::Float)?
        .f_sqrt()
}

fn direction(change: &Tensor) -> Result<Tensor, TchError> {
    change.f_div(&length(change)?.f_add_scalar(1e-9)?)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    const ADVERSARY: Adversary = Adversary {
        epsilon: 0.5,
        steps: 2,
    };

    fn grey() -> (Tensor, Tensor) {
        let pictures = Tensor::full([2, 3, 4, 4], 0.5, (Kind::Float, Device::Cpu));
        let noise = Tensor::arange(96, (Kind::Float, Device::Cpu))
            .reshape([2, 3, 4, 4])
            .sin();
        (pictures, noise)
    }

    #[test]
    fn it_makes_the_loss_larger_and_stays_within_epsilon() {
        let (pictures, noise) = grey();
        let loss = |pictures: &Tensor| pictures.f_narrow(1, 0, 1)?.f_sum(Kind::Float);
        let begun = ADVERSARY.begin(&noise).unwrap();
        let changed = ADVERSARY.change(&pictures, &begun, loss).unwrap();
        assert!(
            loss(&changed).unwrap().double_value(&[])
                > loss(&pictures).unwrap().double_value(&[]) + 1.0
        );
        let far = length(&(changed - pictures))
            .unwrap()
            .max()
            .double_value(&[]);
        assert!(far <= 0.5 + 1e-5, "{far}");
        assert!(far > 0.49);
    }

    #[test]
    fn steps_that_are_taken_one_by_one_lead_to_the_same_place() {
        let (pictures, noise) = grey();
        let loss = |pictures: &Tensor| pictures.f_square()?.f_sum(Kind::Float);
        let mut change = ADVERSARY.begin(&noise).unwrap();
        let at_once = ADVERSARY.change(&pictures, &change, loss).unwrap();
        for _ in 0..ADVERSARY.steps {
            let gradient = changed(&pictures, &change).unwrap() * 2.0;
            change = ADVERSARY.go_on(&change, &gradient).unwrap();
        }
        assert!(
            changed(&pictures, &change)
                .unwrap()
                .allclose(&at_once, 1e-5, 1e-6, false)
        );
    }

    #[test]
    fn an_adversary_with_epsilon_0_changes_nothing() {
        let (pictures, noise) = grey();
        let idle = Adversary {
            epsilon: 0.0,
            ..ADVERSARY
        };
        let same = idle
            .change(&pictures, &noise, |_| unreachable!("it has nothing to ask"))
            .unwrap();
        assert!(same.equal(&pictures));
    }
}
