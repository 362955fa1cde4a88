//! The choice of a number type for CLIP's image tower.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tch::{Device, Kind};
use thiserror::Error;

/// The number type in which CLIP encodes pictures, as a user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// `fp16` for transformers on CUDA, `fp32` elsewhere; the command takes `bf16` for a transformer on a processor where
    /// it has measured that this is faster and exact enough.
    #[default]
    Auto,
    /// 32-bit floats.
    Fp32,
    /// 16-bit floats with the exponent range of 32-bit floats (bfloat16).
    Bf16,
    /// 16-bit floats of IEEE 754 (half precision).
    Fp16,
}

/// A text that is not the name of a precision.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a precision: use auto, fp32, bf16 or fp16")]
pub struct PrecisionError(String);

/// How an image tower computes, which decides in what precision its gradient is still right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TowerKind {
    /// A vision transformer: matrix products.
    Transformer,
    /// A `ResNet` or an `EfficientNet`: convolutions.
    Convolutional,
}

impl Precision {
    /// The precision for a tower on `device`, never `Auto`.
    ///
    /// On CUDA, `Auto` means fp16 for transformers, which is fast on every GPU since Volta, while bf16 needs
    /// Ampere. Convolutional towers get fp32: in half precision the gradient on pictures has a cosine of only 0.9986
    /// with that of fp32 for the embedded model and of 0.9964 for RN50, while for ViT-B/32 it is 0.999999 (random
    /// weights, measured on a processor). On processors `Auto` means fp32, unless the
    /// command has measured that bf16 is better.
    #[must_use]
    pub fn resolved(self, device: Device, tower: TowerKind) -> Self {
        match (self, tower) {
            (Self::Auto, TowerKind::Transformer) if device.is_cuda() => Self::Fp16,
            (Self::Auto, _) => Self::Fp32,
            (chosen, _) => chosen,
        }
    }

    /// The precision of tensors of this kind; fp32 unless they are bf16 or fp16.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::BFloat16 => Self::Bf16,
            Kind::Half => Self::Fp16,
            _ => Self::Fp32,
        }
    }

    /// What `Auto` means on `device`, such as `fp32`, or `fp16 for transformers, fp32 for convolutions`.
    pub fn describe_auto(device: Device) -> String {
        let auto = |tower| Self::Auto.resolved(device, tower);
        let transformer = auto(TowerKind::Transformer);
        let convolutional = auto(TowerKind::Convolutional);
        if transformer == convolutional {
            transformer.to_string()
        } else {
            format!("{transformer} for transformers, {convolutional} for convolutions")
        }
    }

    /// The type of a tower's tensors on `device`.
    pub fn kind(self, device: Device, tower: TowerKind) -> Kind {
        match self.resolved(device, tower) {
            Self::Auto | Self::Fp32 => Kind::Float,
            Self::Bf16 => Kind::BFloat16,
            Self::Fp16 => Kind::Half,
        }
    }
}

impl FromStr for Precision {
    type Err = PrecisionError;

    fn from_str(text: &str) -> Result<Self, PrecisionError> {
        match text {
            "auto" => Ok(Self::Auto),
            "fp32" => Ok(Self::Fp32),
            "bf16" => Ok(Self::Bf16),
            "fp16" => Ok(Self::Fp16),
            _ => Err(PrecisionError(text.to_owned())),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Auto => "auto",
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Fp16 => "fp16",
        })
    }
}
