//! Functions of single numbers: the exponential function, and the activations of transformers with their derivatives.
#![expect(
    clippy::inline_always,
    reason = "vector code must end up where its instructions are enabled"
)]

use fearless_simd::{Bytes, Level, Select, Simd, SimdBase, SimdFloat, dispatch, f32x16, i32x16};

use super::vector::LANES;
use crate::clip::config::Activation;

/// Beyond this, the exponential function is 0 or infinite in 32 bits, almost.
const LARGEST_EXPONENT: f32 = 87.0;

/// The natural logarithm of 2 in two parts. The first has so few bits that its products with exponents are exact.
const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];

/// The coefficients of a polynomial for `(exp(x) - 1 - x) / x^2` where `|x| < ln(2) / 2` (Cephes, expf.c), highest first.
const EXPONENTIAL: [f32; 6] = [
    1.987_569_1e-4,
    1.398_199_9e-3,
    8.333_452e-3,
    4.166_579_6e-2,
    0.166_666_65,
    0.5,
];

/// The coefficients of an approximation of the error function, to 1.5e-7 (Abramowitz and Stegun 1964, 7.1.26), highest first.
const ERROR_FUNCTION: [f32; 5] = [
    1.061_405_4,
    -1.453_152_1,
    1.421_413_8,
    -0.284_496_74,
    0.254_829_6,
];

/// The factor in the same approximation.
const ERROR_FUNCTION_SLOPE: f32 = 0.327_591_1;

/// The density of the standard normal distribution at 0, `1 / sqrt(2 pi)`.
const NORMAL_DENSITY: f32 = 0.398_942_3;

/// Slope of the quick GELU's sigmoid (openai/CLIP, model.py).
const QUICK_GELU_SLOPE: f32 = 1.702;

/// `x ((a x + b) x + c) ...`, without the first factor.
#[inline(always)]
fn polynomial<S: Simd>(simd: S, x: f32x16<S>, coefficients: &[f32]) -> f32x16<S> {
    let mut sum = f32x16::splat(simd, 0.0);
    for coefficient in coefficients {
        sum = sum.mul_add(x, f32x16::splat(simd, *coefficient));
    }
    sum
}

/// `exp(x)`; what would be smaller than `exp(-87)` or larger than `exp(87)` is one of these. NaN stays.
#[inline(always)]
pub(super) fn exponential<S: Simd>(simd: S, x: f32x16<S>) -> f32x16<S> {
    let splat = |value: f32| f32x16::splat(simd, value);
    let (least, most) = (splat(-LARGEST_EXPONENT), splat(LARGEST_EXPONENT));
    let x = x.simd_lt(least).select(least, x);
    let x = x.simd_gt(most).select(most, x);
    let exponent = (x * splat(std::f32::consts::LOG2_E)).round_ties_even();
    let (high, low) = (splat(LN_2[0]), splat(LN_2[1]));
    let rest = (splat(0.0) - exponent).mul_add(high, x);
    let rest = (splat(0.0) - exponent).mul_add(low, rest);
    let above_linear = polynomial(simd, rest, &EXPONENTIAL) * rest;
    let significand = above_linear.mul_add(rest, rest) + splat(1.0);
    // The bits of a power of two are its exponent alone.
    let bits = (exponent.to_int::<i32x16<S>>() + i32x16::splat(simd, 127)) << 23;
    significand * bits.bitcast::<f32x16<S>>()
}

/// An activation of `x` and its derivative.
#[inline(always)]
fn activate<S: Simd>(simd: S, activation: Activation, x: f32x16<S>) -> [f32x16<S>; 2] {
    let splat = |value: f32| f32x16::splat(simd, value);
    let one = splat(1.0);
    match activation {
        Activation::QuickGelu => {
            let slope = splat(QUICK_GELU_SLOPE);
            let sigmoid = one / (one + exponential(simd, splat(-QUICK_GELU_SLOPE) * x));
            let value = x * sigmoid;
            // s + a x s (1 - s)
            [value, (slope * value).mul_add(one - sigmoid, sigmoid)]
        }
        Activation::Gelu => {
            let gaussian = exponential(simd, splat(-0.5) * x * x);
            let distance = x.abs() * splat(std::f32::consts::FRAC_1_SQRT_2);
            let t = one / splat(ERROR_FUNCTION_SLOPE).mul_add(distance, one);
            // The probability that a standard normal variable is above |x|.
            let tail = splat(0.5) * polynomial(simd, t, &ERROR_FUNCTION) * t * gaussian;
            let below = x.simd_lt(splat(0.0)).select(tail, one - tail);
            let density = splat(NORMAL_DENSITY) * gaussian;
            [x * below, x.mul_add(density, below)]
        }
    }
}

/// Writes the activations of `inputs` to `results`, and the derivatives into the place of `inputs`. Both have as many
/// numbers, a multiple of 16.
pub(super) fn activate_all(
    level: Level,
    activation: Activation,
    inputs: &mut [f32],
    results: &mut [f32],
) {
    dispatch!(level, simd => activate_with(simd, activation, inputs, results));
}

#[inline(always)]
fn activate_with<S: Simd>(
    simd: S,
    activation: Activation,
    inputs: &mut [f32],
    results: &mut [f32],
) {
    let lines = inputs.chunks_exact_mut(LANES);
    for (inputs, results) in lines.zip(results.chunks_exact_mut(LANES)) {
        let [value, derivative] = activate(simd, activation, f32x16::from_slice(simd, inputs));
        value.store_slice(results);
        derivative.store_slice(inputs);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Multiples of 0.01 from -20 on.
    fn inputs() -> Vec<f32> {
        (-2000..2000).map(|index| index as f32 / 100.0).collect()
    }

    /// The probability that a standard normal variable is below `x`, by the trapezoidal rule.
    fn normal_probability(x: f64) -> f64 {
        let steps = 2000;
        let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let width = x / f64::from(steps);
        let inner = (1..steps).map(|step| density(f64::from(step) * width));
        0.5 + width * (inner.sum::<f64>() + f64::midpoint(density(0.0), density(x)))
    }

    fn expected(activation: Activation, x: f64) -> f64 {
        match activation {
            Activation::QuickGelu => x / (1.0 + (-1.702 * x).exp()),
            Activation::Gelu => x * normal_probability(x),
        }
    }

    #[test]
    fn activations_and_derivatives_are_exact() {
        for activation in [Activation::QuickGelu, Activation::Gelu] {
            let mut derivatives = inputs();
            let mut values = vec![0.0; derivatives.len()];
            activate_all(Level::new(), activation, &mut derivatives, &mut values);
            for ((x, value), derivative) in inputs().iter().zip(values).zip(derivatives) {
                let x = f64::from(*x);
                let error = (f64::from(value) - expected(activation, x)).abs();
                assert!(
                    error < 1e-6 * x.abs().max(1.0),
                    "{activation:?} {x}: {error}"
                );
                let step = 1e-4;
                let difference = expected(activation, x + step) - expected(activation, x - step);
                let error = (f64::from(derivative) - difference / (2.0 * step)).abs();
                assert!(error < 2e-6, "{activation:?} at {x}: {error}");
            }
        }
    }

    #[test]
    fn the_exponential_function_is_exact_and_leaves_nan() {
        let mut values = inputs();
        values.extend([f32::NAN; LANES]);
        let level = Level::new();
        for inputs in values.chunks_exact(LANES) {
            let mut found = [0.0; LANES];
            dispatch!(level, simd => {
                exponential(simd, f32x16::from_slice(simd, inputs)).store_slice(&mut found);
            });
            for (x, found) in inputs.iter().zip(found) {
                let expected = f64::from(*x).exp();
                let error = (f64::from(found) - expected).abs() / expected;
                assert!(error < 3e-7 || (x.is_nan() && found.is_nan()), "{x}");
            }
        }
    }
}
