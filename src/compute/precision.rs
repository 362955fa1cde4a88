//! The choice of a number type for CLIP's image tower.

use std::fmt;
use std::str::FromStr;

use tch::{Device, Kind};
use thiserror::Error;

/// The number type in which CLIP encodes pictures, as a user names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Precision {
    /// `fp16` on CUDA, `fp32` elsewhere.
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

impl Precision {
    /// The precision for `device`, never `Auto`.
    ///
    /// `Auto` means fp16 on CUDA, which is fast on every GPU since Volta, while bf16 needs Ampere. On
    /// processors it means fp32: bf16 was slower even on one with instructions for it (`cargo bench`,
    /// `clip_alone`).
    #[must_use]
    pub fn resolved(self, device: Device) -> Self {
        match self {
            Self::Auto if device.is_cuda() => Self::Fp16,
            Self::Auto => Self::Fp32,
            chosen => chosen,
        }
    }

    /// The type of tensors on `device`.
    pub fn kind(self, device: Device) -> Kind {
        match self.resolved(device) {
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
