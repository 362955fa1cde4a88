//! Adam for a large table of which a batch uses few rows.
//!
//! Moving all rows of a vocabulary, most of which have no gradient, would take longer than everything else
//! in an update.

use tch::{Kind, TchError, Tensor};

use super::parameters::{BETA_1, BETA_2, EPSILON};

/// The moments of every row. A row's moments move with the row only.
#[derive(Debug)]
pub struct RowOptimizer {
    /// Mean of gradients, `[V, W]`.
    pub means: Tensor,
    /// Mean of squared gradients, `[V, W]`.
    pub squares: Tensor,
}

impl RowOptimizer {
    /// Without a memory yet.
    pub fn new(table: &Tensor) -> Self {
        let zeros = || table.detach().zeros_like();
        Self {
            means: zeros(),
            squares: zeros(),
        }
    }

    /// Moves the rows `rows` `[U]` of a table `[V, W]` against their gradient `[U, W]`, as update number
    /// `update`, from 1. A row may occur once only. Other rows stay as they are.
    ///
    /// # Errors
    /// When the shapes do not fit.
    pub fn descend(
        &mut self,
        table: &mut Tensor,
        (rows, gradient): (&Tensor, &Tensor),
        update: u64,
        rate: f64,
    ) -> Result<(), TchError> {
        let correction = |beta: f64| 1.0 - beta.powf(update as f64);
        let mean = self
            .means
            .f_index_select(0, rows)?
            .f_lerp(gradient, 1.0 - BETA_1)?;
        let square = self
            .squares
            .f_index_select(0, rows)?
            .f_lerp(&gradient.f_square()?, 1.0 - BETA_2)?;
        let spread = square
            .f_div_scalar(correction(BETA_2))?
            .f_sqrt()?
            .f_add_scalar(EPSILON)?;
        let step = mean
            .f_mul_scalar(rate / correction(BETA_1))?
            .f_div(&spread)?;
        let moved = table.f_index_select(0, rows)?.f_sub(&step)?;
        let _ = self.means.f_index_copy_(0, rows, &mean)?;
        let _ = self.squares.f_index_copy_(0, rows, &square)?;
        table.f_index_copy_(0, rows, &moved).map(drop)
    }
}

/// Whether every number is finite.
///
/// # Errors
/// When libtorch fails.
pub fn is_finite(tensor: &Tensor) -> Result<bool, TchError> {
    Ok(tensor.f_sum(Kind::Double)?.f_double_value(&[])?.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that differ from place to place.
    fn table(rows: i64, start: f64) -> Tensor {
        (Tensor::arange(rows * 3, (Kind::Float, tch::Device::Cpu)).view([rows, 3]) + start).sin()
    }

    #[test]
    fn the_first_update_goes_against_the_gradients_sign() {
        let mut moved = table(2, 0.0);
        let gradient = Tensor::from_slice(&[3.0_f32, -0.5, 1e-3]).view([1, 3]);
        let rows = Tensor::from_slice(&[1_i64]);
        RowOptimizer::new(&moved)
            .descend(&mut moved, (&rows, &gradient), 1, 0.1)
            .unwrap();
        let change: Vec<f32> = (moved - table(2, 0.0)).get(1).try_into().unwrap();
        for (change, expected) in change.into_iter().zip([-0.1, 0.1, -0.1]) {
            assert!((change - expected).abs() < 2e-4, "{change}");
        }
    }

    #[test]
    fn rows_apart_move_as_rows_together_do() {
        let (mut together, mut apart) = (table(4, 0.0), table(4, 0.0));
        let (mut one, mut other) = (RowOptimizer::new(&together), RowOptimizer::new(&apart));
        let all = Tensor::from_slice(&[0_i64, 1, 2, 3]);
        for update in 1..4_u8 {
            let gradient = table(4, f64::from(update));
            one.descend(&mut together, (&all, &gradient), update.into(), 0.1)
                .unwrap();
            for row in [2, 0, 3, 1] {
                let moved = (&all.narrow(0, row, 1), &gradient.narrow(0, row, 1));
                other
                    .descend(&mut apart, moved, update.into(), 0.1)
                    .unwrap();
            }
        }
        assert!((&together - &apart).abs().max().double_value(&[]) < 1e-6);
        assert!((together - table(4, 0.0)).abs().min().double_value(&[]) > 0.01);
    }

    #[test]
    fn rows_that_no_batch_touches_stay() {
        let mut moved = table(4, 0.0);
        let rows = Tensor::from_slice(&[2_i64]);
        let mut optimizer = RowOptimizer::new(&moved);
        optimizer
            .descend(&mut moved, (&rows, &table(1, 1.0)), 1, 0.1)
            .unwrap();
        assert_ne!(moved.get(2), table(4, 0.0).get(2));
        for row in [0, 1, 3] {
            assert_eq!(moved.get(row), table(4, 0.0).get(row));
            assert_eq!(optimizer.squares.get(row).max().double_value(&[]), 0.0);
        }
    }

    #[test]
    fn a_number_that_is_not_finite_is_noticed() {
        assert!(is_finite(&table(2, 0.0)).unwrap());
        assert!(!is_finite(&Tensor::from_slice(&[0.0_f32, f32::NAN])).unwrap());
    }
}
