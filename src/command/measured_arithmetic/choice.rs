//! What the caller decides about the arithmetic.

use crate::clip::{Arithmetic, TowerBackend};
use crate::compute::Precision;

/// What the caller decides about the arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::command) struct ArithmeticChoice {
    /// The precision; `Auto` leaves it open.
    pub(in crate::command) precision: Precision,
    /// What computes image towers; `None` leaves it open.
    pub(in crate::command) backend: Option<TowerBackend>,
}

impl ArithmeticChoice {
    /// Whether it may be computed so.
    pub(super) fn allows(self, arithmetic: Arithmetic) -> bool {
        let precision = self.precision == Precision::Auto || self.precision == arithmetic.precision;
        precision
            && self
                .backend
                .is_none_or(|backend| backend == arithmetic.backend)
    }

    /// What is computed without a measurement.
    pub(in crate::command) fn unmeasured(self) -> Arithmetic {
        Arithmetic {
            precision: self.precision,
            backend: self.backend.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_decides_what_is_allowed() {
        let native = Arithmetic::from(Precision::Fp32);
        let bf16 = Arithmetic {
            precision: Precision::Bf16,
            backend: TowerBackend::Libtorch,
        };
        let cases = [
            ((Precision::Auto, None), [true, true]),
            ((Precision::Fp32, None), [true, false]),
            ((Precision::Bf16, None), [false, true]),
            (
                (Precision::Auto, Some(TowerBackend::Libtorch)),
                [false, true],
            ),
            (
                (Precision::Bf16, Some(TowerBackend::Native)),
                [false, false],
            ),
        ];
        for ((precision, backend), expected) in cases {
            let choice = ArithmeticChoice { precision, backend };
            let found = [native, bf16].map(|candidate| choice.allows(candidate));
            assert_eq!(found, expected, "{choice:?}");
        }
    }
}
