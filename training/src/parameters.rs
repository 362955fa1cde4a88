//! The tensors of a model in training: parameters that the optimizer updates, tensors that are only
//! tracked, and the running mean of both, which is used in the end.

use std::collections::BTreeMap;
use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};
use tch::{Device, TchError, Tensor};

use super::tensor_file::{self, TensorFile};

/// Decay of the mean of gradients (CLIP, Radford et al. 2021, table 19, uses 0.9).
pub(crate) const BETA_1: f64 = 0.9;
/// Decay of the mean of squared gradients (same table: 0.98 for the transformers).
pub(crate) const BETA_2: f64 = 0.98;
/// Added to the root of the second moment.
pub(crate) const EPSILON: f64 = 1e-6;
/// A gradient longer than this is shortened to it.
const LONGEST_GRADIENT: f64 = 1.0;
/// Weight decay of matrices and kernels; vectors have none.
const WEIGHT_DECAY: f64 = 0.05;
/// Decay of the running mean of the weights.
const AVERAGE_DECAY: f64 = 0.999;

/// Named tensors of one model.
#[derive(Debug, Default)]
pub struct Parameters {
    trained: BTreeMap<String, Tensor>,
    statistics: BTreeMap<String, Tensor>,
}

impl Parameters {
    /// Adds a tensor that the optimizer updates.
    pub fn add(&mut self, name: &str, value: &Tensor) {
        let value = value.detach().copy().set_requires_grad(true);
        self.trained.insert(name.to_owned(), value);
    }

    /// Adds a tensor that is kept up to date otherwise, such as a running mean.
    pub fn add_statistic(&mut self, name: &str, value: &Tensor) {
        self.statistics
            .insert(name.to_owned(), value.detach().copy());
    }

    /// Adds a kernel or matrix of random numbers of He's scale (He et al. 2015, equation 10), the same
    /// for the same seed and name.
    pub fn add_random(&mut self, name: &str, shape: &[i64], seed: u64, device: Device) {
        let digest = Sha256::digest(format!("{seed} {name}"));
        let mut random = ChaCha8Rng::from_seed(digest.into());
        let count: i64 = shape.iter().product();
        let bound = (6.0 / (count / shape[0]) as f32).sqrt();
        let values: Vec<f32> = (0..count)
            .map(|_| random.random_range(-bound..bound))
            .collect();
        let values = Tensor::from_slice(&values).reshape(shape).to_device(device);
        self.add(name, &values);
    }

    /// The tensor of this name.
    ///
    /// # Panics
    /// When there is none: the names are the program's own.
    pub fn get(&self, name: &str) -> &Tensor {
        let found = self.trained.get(name).or_else(|| self.statistics.get(name));
        found.unwrap_or_else(|| panic!("the model has no tensor {name}"))
    }

    /// Takes a tensor out, for something else to move.
    ///
    /// # Panics
    /// When there is none: the names are the program's own.
    pub fn remove(&mut self, name: &str) -> Tensor {
        let found = self.trained.remove(name);
        found.unwrap_or_else(|| panic!("the model has no tensor {name}"))
    }

    /// The tensors that the optimizer updates.
    pub fn trained(&self) -> &BTreeMap<String, Tensor> {
        &self.trained
    }

    /// Handles to the same tensors, for another thread.
    #[must_use]
    pub fn share(&self) -> Self {
        let share = |tensors: &BTreeMap<String, Tensor>| {
            let handles = tensors
                .iter()
                .map(|(name, tensor)| (name.clone(), tensor.shallow_clone()));
            handles.collect()
        };
        Self {
            trained: share(&self.trained),
            statistics: share(&self.statistics),
        }
    }

    /// The gradient of `loss` for every trained tensor, in the order of their names.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn gradient(&self, loss: &Tensor) -> Result<Vec<Tensor>, TchError> {
        let inputs: Vec<&Tensor> = self.trained.values().collect();
        Tensor::f_run_backward(&[loss], &inputs, false, false)
    }

    /// As [`Self::gradient`], and the gradient for one tensor more.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn gradient_and(
        &self,
        loss: &Tensor,
        other: &Tensor,
    ) -> Result<(Vec<Tensor>, Tensor), TchError> {
        let mut inputs: Vec<&Tensor> = self.trained.values().collect();
        inputs.push(other);
        let mut gradient = Tensor::f_run_backward(&[loss], &inputs, false, false)?;
        let other = gradient.pop().expect("one gradient for each input");
        Ok((gradient, other))
    }

    /// A copy that nothing trains.
    #[must_use]
    pub fn frozen(&self) -> Self {
        let copy = |tensors: &BTreeMap<String, Tensor>| {
            let copies = tensors
                .iter()
                .map(|(name, tensor)| (name.clone(), tensor.detach().copy()));
            copies.collect()
        };
        Self {
            trained: copy(&self.trained),
            statistics: copy(&self.statistics),
        }
    }

    /// All tensors with their names.
    pub fn all(&self) -> impl Iterator<Item = (&String, &Tensor)> {
        self.trained.iter().chain(&self.statistics)
    }
}

/// Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2), and the running mean of
/// what it moves.
#[derive(Debug)]
pub struct AdamW {
    means: Vec<Tensor>,
    squares: Vec<Tensor>,
    updates: u64,
    average: Parameters,
}

impl AdamW {
    /// Without a memory yet.
    pub fn new(parameters: &Parameters) -> Self {
        let zeros = || {
            parameters
                .trained
                .values()
                .map(|tensor| tensor.detach().zeros_like())
                .collect()
        };
        Self {
            means: zeros(),
            squares: zeros(),
            updates: 0,
            average: parameters.frozen(),
        }
    }

    /// How many times the parameters were moved.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The running mean of the parameters.
    pub fn average(&self) -> &Parameters {
        &self.average
    }

    /// Moves every parameter against its gradient and says how long the whole gradient was.
    pub fn descend(&mut self, parameters: &Parameters, gradient: &[Tensor], rate: f64) -> f64 {
        let length = gradient
            .iter()
            .map(|part| part.norm().double_value(&[]).powi(2))
            .sum::<f64>()
            .sqrt();
        if !length.is_finite() {
            return length;
        }
        let shorter = (LONGEST_GRADIENT / length).min(1.0);
        self.updates += 1;
        let correction = |beta: f64| 1.0 - beta.powf(self.updates as f64);
        let (first, second) = (correction(BETA_1), correction(BETA_2));
        tch::no_grad(|| {
            let memory = self.means.iter_mut().zip(&mut self.squares);
            for ((parameter, part), (mean, square)) in
                parameters.trained.values().zip(gradient).zip(memory)
            {
                let part = part * shorter;
                let _ = mean.lerp_(&part, 1.0 - BETA_1);
                let _ = square.lerp_(&part.square(), 1.0 - BETA_2);
                let mut root = &*square / second;
                let root = root.sqrt_().g_add_scalar_(EPSILON);
                let step = (&*mean * (rate / first)).g_div_(&root);
                let mut parameter = parameter.shallow_clone();
                if parameter.dim() > 1 {
                    let _ = parameter.g_mul_scalar_(1.0 - rate * WEIGHT_DECAY);
                }
                let _ = parameter.g_sub_(&step);
            }
            self.remember(parameters);
        });
        length
    }

    /// The mean follows quickly at first, so that the random start does not weigh on it for long.
    fn remember(&self, parameters: &Parameters) {
        let updates = self.updates as f64;
        let decay = AVERAGE_DECAY.min((1.0 + updates) / (10.0 + updates));
        for ((_, mean), (_, now)) in self.average.all().zip(parameters.all()) {
            let _ = mean.shallow_clone().lerp_(now, 1.0 - decay);
        }
    }
}

/// Writes everything that training needs to go on as if it had not stopped.
///
/// # Errors
/// When the file cannot be written.
pub fn save(
    path: &Path,
    parameters: &Parameters,
    optimizer: &AdamW,
    mut facts: BTreeMap<String, String>,
) -> anyhow::Result<()> {
    facts.insert("updates".to_owned(), optimizer.updates.to_string());
    tensor_file::write(path, &state(parameters, optimizer), &facts)
}

/// The tensors of [`save`].
pub fn state(parameters: &Parameters, optimizer: &AdamW) -> BTreeMap<String, Tensor> {
    let mut tensors = BTreeMap::new();
    let mut keep = |kind: &str, name: &str, tensor: &Tensor| {
        tensors.insert(format!("{kind}/{name}"), tensor.shallow_clone());
    };
    for (name, tensor) in parameters.all() {
        keep("now", name, tensor);
    }
    for (name, tensor) in optimizer.average.all() {
        keep("average", name, tensor);
    }
    let memory = optimizer.means.iter().zip(&optimizer.squares);
    for (name, (mean, square)) in parameters.trained.keys().zip(memory) {
        keep("mean", name, mean);
        keep("square", name, square);
    }
    tensors
}

/// Takes the numbers of a saved run into parameters of the same names and shapes.
///
/// # Errors
/// When the file is of another model.
pub fn resume(file: &TensorFile, parameters: &Parameters) -> anyhow::Result<AdamW> {
    let mut optimizer = AdamW::new(parameters);
    let take = |kind: &str, name: &str, into: &Tensor| -> anyhow::Result<()> {
        let saved = file.tensor(&format!("{kind}/{name}"))?;
        anyhow::ensure!(
            saved.size() == into.size(),
            "{name} in {} is {:?}, not {:?}",
            file.path.display(),
            saved.size(),
            into.size()
        );
        tch::no_grad(|| into.shallow_clone().copy_(saved));
        Ok(())
    };
    for (name, tensor) in parameters.all() {
        take("now", name, tensor)?;
    }
    for (name, tensor) in optimizer.average.all() {
        take("average", name, tensor)?;
    }
    let memory = optimizer.means.iter().zip(&optimizer.squares);
    for (name, (mean, square)) in parameters.trained.keys().zip(memory) {
        take("mean", name, mean)?;
        take("square", name, square)?;
    }
    optimizer.updates = file.number("updates")?;
    Ok(optimizer)
}

/// Takes the averaged numbers of a saved run, to be used and not trained.
///
/// # Errors
/// When the file is of another model.
pub fn take_average(file: &TensorFile, parameters: &Parameters) -> anyhow::Result<()> {
    for (name, tensor) in parameters.all() {
        let saved = file.tensor(&format!("average/{name}"))?;
        anyhow::ensure!(saved.size() == tensor.size(), "{name} has another shape");
        tch::no_grad(|| tensor.shallow_clone().copy_(saved));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    fn model() -> Parameters {
        let mut parameters = Parameters::default();
        parameters.add_random("matrix", &[3, 4], 1, Device::Cpu);
        parameters.add("vector", &Tensor::ones([3], (Kind::Float, Device::Cpu)));
        parameters.add_statistic("count", &Tensor::zeros([1], (Kind::Float, Device::Cpu)));
        parameters
    }

    fn learn(parameters: &Parameters, optimizer: &mut AdamW, steps: usize) -> f64 {
        let input = Tensor::from_slice(&[1.0_f32, -1.0, 0.5, 2.0]);
        let goal = Tensor::from_slice(&[0.3_f32, -2.0, 1.0]);
        let mut last = f64::INFINITY;
        for _ in 0..steps {
            let output = parameters.get("matrix").matmul(&input) * parameters.get("vector");
            let loss = (output - &goal).square().sum(Kind::Float);
            let gradient = parameters.gradient(&loss).unwrap();
            last = loss.double_value(&[]);
            optimizer.descend(parameters, &gradient, 0.02);
        }
        last
    }

    fn numbers(tensor: &Tensor) -> Vec<f32> {
        Vec::try_from(tensor.reshape([-1])).unwrap()
    }

    #[test]
    fn the_loss_falls_and_the_mean_follows() {
        let parameters = model();
        let mut optimizer = AdamW::new(&parameters);
        let first = learn(&parameters, &mut optimizer, 1);
        let last = learn(&parameters, &mut optimizer, 300);
        assert!(last < 0.05 * first, "{first} to {last}");
        let distance = (optimizer.average().get("matrix") - parameters.get("matrix"))
            .abs()
            .max();
        assert!(distance.double_value(&[]) < 0.5);
    }

    #[test]
    fn a_run_that_was_stopped_goes_on_as_if_it_had_not_been() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.safetensors");
        let (whole, halves) = (model(), model());
        let mut optimizer = AdamW::new(&whole);
        learn(&whole, &mut optimizer, 6);
        let mut first = AdamW::new(&halves);
        learn(&halves, &mut first, 3);
        save(&path, &halves, &first, BTreeMap::new()).unwrap();
        let resumed = model();
        let mut second = resume(&tensor_file::read(&path).unwrap(), &resumed).unwrap();
        learn(&resumed, &mut second, 3);
        assert_eq!(second.updates(), 6);
        for name in ["matrix", "vector"] {
            assert_eq!(numbers(whole.get(name)), numbers(resumed.get(name)));
            assert_eq!(
                numbers(optimizer.average().get(name)),
                numbers(second.average().get(name))
            );
        }
    }

    #[test]
    fn a_gradient_that_is_not_finite_moves_nothing() {
        let parameters = model();
        let before = numbers(parameters.get("matrix"));
        let mut optimizer = AdamW::new(&parameters);
        let nothing = Tensor::full([3, 4], f64::NAN, (Kind::Float, Device::Cpu));
        let vector = Tensor::zeros([3], (Kind::Float, Device::Cpu));
        assert!(
            optimizer
                .descend(&parameters, &[nothing, vector], 0.1)
                .is_nan()
        );
        assert_eq!(numbers(parameters.get("matrix")), before);
    }
}
