//! Image towers in training, with batch normalization, which is folded into the convolutions of
//! finished towers.

use std::collections::BTreeMap;

use tch::{Device, Kind, TchError, Tensor};

use super::parameters::Parameters;
use super::teacher::unit;
use super::tensor_file::TensorFile;
use clipdraw::clip::EfficientNetSize;
use clipdraw::clip::authoring::{InvertedResidualSize, pad};

/// Weight of the newest batch in the running mean and variance of a norm.
const NEWEST: f64 = 0.02;
/// Added to the variance (tensorflow/tpu, `efficientnet_lite_builder.py`).
const NORM_EPSILON: f64 = 1e-3;
/// Means and deviations of the pictures that the start was trained on, 0 to 1 (same file).
pub const MEAN: f64 = 127.0 / 255.0;
/// See [`MEAN`].
pub const DEVIATION: f64 = 128.0 / 255.0;

/// Which statistics the norms use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Those of the batch, which also update the running mean.
    Learn,
    /// Those of the batch, without an update.
    Attack,
    /// The running mean.
    Evaluate,
}

/// The tower of an EfficientNet-Lite.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tower(pub EfficientNetSize);

impl Tower {
    /// New parameters with random numbers.
    pub fn parameters(&self, embedding: i64, seed: u64, device: Device) -> Parameters {
        let mut provenance = ParameterBuilder {
            parameters: Parameters::default(),
            seed,
            device,
        };
        let size = self.0;
        provenance.convolution("stem", &[size.stem, 3, 3, 3]);
        for (index, block) in size.blocks().into_iter().enumerate() {
            provenance.block(&format!("blocks.{index}"), block);
        }
        provenance.convolution("head", &[size.head, size.widths[6], 1, 1]);
        let mut parameters = provenance.parameters;
        parameters.add_random("projection.weight", &[embedding, size.head], seed, device);
        parameters.add(
            "projection.bias",
            &Tensor::zeros([embedding], (Kind::Float, device)),
        );
        parameters
    }

    /// Pictures `[N, 3, R, R]` from 0 to 1 to unit vectors `[N, E]`, both 32-bit.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn read(
        &self,
        parameters: &Parameters,
        pictures: &Tensor,
        mode: Mode,
    ) -> Result<Tensor, TchError> {
        let pass = Pass { parameters, mode };
        let normal = pictures.f_sub_scalar(MEAN)?.f_div_scalar(DEVIATION)?;
        let normal = normal
            .f_permute([0, 2, 3, 1])?
            .f_contiguous()?
            .f_permute([0, 3, 1, 2])?;
        let map = pass.efficient_net(self.0, &normal)?;
        let mean = map.f_mean_dim([2_i64, 3].as_slice(), false, None)?;
        let (weight, bias) = (
            parameters.get("projection.weight"),
            parameters.get("projection.bias"),
        );
        Ok(unit(&mean.f_linear(weight, Some(bias))?))
    }

    /// Takes the start that a file of ImageNet weights gives, for all but the projection.
    ///
    /// # Errors
    /// When the file has another tower's tensors.
    pub fn start_from(&self, file: &TensorFile, parameters: &Parameters) -> anyhow::Result<()> {
        let named = parameters
            .all()
            .filter(|(name, _)| !name.starts_with("projection."));
        for (name, tensor) in named {
            let start = file.tensor(name)?;
            anyhow::ensure!(start.size() == tensor.size(), "{name} has another shape");
            tch::no_grad(|| tensor.shallow_clone().copy_(start));
        }
        Ok(())
    }
}

/// The finished tower's tensors: each norm folded into the convolution before it.
pub fn fold(parameters: &Parameters) -> BTreeMap<String, Tensor> {
    let mut folded = BTreeMap::new();
    for (name, tensor) in parameters.trained() {
        if let Some(convolution) = name.strip_suffix(".kernel") {
            let vector = |part: &str| parameters.get(&format!("{convolution}.{part}"));
            let scale = vector("scale") / (vector("variance") + NORM_EPSILON).sqrt();
            let bias = vector("shift") - vector("mean") * &scale;
            let kernel = tensor * scale.reshape([-1, 1, 1, 1]);
            folded.insert(format!("{convolution}.weight"), kernel.detach());
            folded.insert(format!("{convolution}.bias"), bias.detach());
        } else if name.starts_with("projection.") {
            folded.insert(name.clone(), tensor.detach());
        }
    }
    folded
}

/// Makes parameters.
struct ParameterBuilder {
    parameters: Parameters,
    seed: u64,
    device: Device,
}

impl ParameterBuilder {
    fn convolution(&mut self, name: &str, shape: &[i64]) {
        let named = |part: &str| format!("{name}.{part}");
        let kind = (Kind::Float, self.device);
        let (ones, zeros) = (
            Tensor::ones([shape[0]], kind),
            Tensor::zeros([shape[0]], kind),
        );
        self.parameters
            .add_random(&named("kernel"), shape, self.seed, self.device);
        self.parameters.add(&named("scale"), &ones);
        self.parameters.add(&named("shift"), &zeros);
        self.parameters.add_statistic(&named("mean"), &zeros);
        self.parameters.add_statistic(&named("variance"), &ones);
    }

    fn block(&mut self, name: &str, size: InvertedResidualSize) {
        let named = |part: &str| format!("{name}.{part}");
        if size.expands() {
            self.convolution(&named("expand"), &[size.middle, size.inputs, 1, 1]);
        }
        self.convolution(
            &named("depthwise"),
            &[size.middle, 1, size.kernel, size.kernel],
        );
        self.convolution(&named("project"), &[size.outputs, size.middle, 1, 1]);
    }
}

/// One pass through a tower.
struct Pass<'parameters> {
    parameters: &'parameters Parameters,
    mode: Mode,
}

impl Pass<'_> {
    /// A convolution and its norm.
    fn convolution(&self, name: &str, map: &Tensor, stride: i64) -> Result<Tensor, TchError> {
        let part = |part: &str| self.parameters.get(&format!("{name}.{part}"));
        let kernel = part("kernel");
        let size = kernel.size();
        let groups = if size[1] == 1 { size[0] } else { 1 };
        let (map, padding) = pad(map, size[2], stride)?;
        let map = map.f_conv2d(
            kernel,
            None::<&Tensor>,
            [stride; 2],
            [padding; 2],
            [1, 1],
            groups,
        )?;
        // Even at a weight of nothing libtorch would write the running means again, over what another
        // thread has just learned: a mode that does not move them does not get to see them.
        let kept = |name: &str| (self.mode != Mode::Attack).then(|| part(name));
        map.f_batch_norm(
            Some(part("scale")),
            Some(part("shift")),
            kept("mean"),
            kept("variance"),
            self.mode != Mode::Evaluate,
            NEWEST,
            NORM_EPSILON,
            true,
        )
    }

    fn bent(&self, name: &str, map: &Tensor, stride: i64) -> Result<Tensor, TchError> {
        self.convolution(name, map, stride)?.f_relu6()
    }

    fn efficient_net(&self, size: EfficientNetSize, pictures: &Tensor) -> Result<Tensor, TchError> {
        let mut map = self.bent("stem", pictures, 2)?;
        for (index, block) in size.blocks().into_iter().enumerate() {
            let named = |part: &str| format!("blocks.{index}.{part}");
            let middle = if block.expands() {
                self.bent(&named("expand"), &map, 1)?
            } else {
                map.shallow_clone()
            };
            let middle = self.bent(&named("depthwise"), &middle, block.stride)?;
            let outputs = self.convolution(&named("project"), &middle, 1)?;
            map = if block.has_shortcut() {
                outputs.f_add(&map)?
            } else {
                outputs
            };
        }
        self.bent("head", &map, 1)
    }
}

#[cfg(test)]
impl Tower {
    /// One small enough to be taught in a test.
    pub(crate) const TINY: Self = Self(EfficientNetSize {
        stem: 8,
        layers: [1, 1, 1, 1, 1, 2, 1],
        widths: [4, 8, 8, 12, 12, 16, 16],
        head: 32,
    });
}

/// Four pictures for [`Tower::TINY`], `[4, 3, 32, 32]`.
#[cfg(test)]
pub(crate) fn tiny_pictures() -> Tensor {
    let values: Vec<f32> = (0..4 * 3 * 32 * 32)
        .map(|index| (index * 7919 % 255) as f32 / 255.0)
        .collect();
    Tensor::from_slice(&values).reshape([4, 3, 32, 32])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_reaches_every_parameter() {
        let parameters = Tower::TINY.parameters(16, 3, Device::Cpu);
        let embeddings = Tower::TINY
            .read(&parameters, &tiny_pictures(), Mode::Learn)
            .unwrap();
        let goal = Tensor::from_slice(&[1.0_f32; 16]);
        let gradient = parameters
            .gradient(&(embeddings * goal).sum(Kind::Float))
            .unwrap();
        for (name, part) in parameters.trained().keys().zip(gradient) {
            assert!(
                part.abs().max().double_value(&[]) > 0.0,
                "{name} stays where it is"
            );
        }
    }

    #[test]
    fn only_learning_moves_the_running_means() {
        let parameters = Tower::TINY.parameters(16, 3, Device::Cpu);
        let mean = || parameters.get("stem.mean").abs().max().double_value(&[]);
        let _ = Tower::TINY
            .read(&parameters, &tiny_pictures(), Mode::Attack)
            .unwrap();
        let _ = Tower::TINY
            .read(&parameters, &tiny_pictures(), Mode::Evaluate)
            .unwrap();
        assert_eq!(mean(), 0.0);
        let _ = Tower::TINY
            .read(&parameters, &tiny_pictures(), Mode::Learn)
            .unwrap();
        assert!(mean() > 0.0);
    }
}
