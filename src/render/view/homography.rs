//! Homographies from four pairs of corners, and torchvision's `RandomPerspective`.

use rand::Rng;

/// The maximum shift of a corner, as a part of half a side (`CLIPDraw`: `distortion_scale=0.5`).
const DISTORTION: f64 = 0.5;

/// A projective map of the plane, `(x, y) -> ((a x + b y + c) / w, (d x + e y + f) / w)` with
/// `w = g x + h y + 1`; the array is `a` to `h`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Homography(pub [f64; 8]);

impl Homography {
    /// The map that leaves every point where it is.
    pub const IDENTITY: Self = Self([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);

    /// The map that takes each of four points `from` to its partner `to`.
    ///
    /// Multiplied by its denominator, `u = (a x + b y + c) / (g x + h y + 1)` is linear in the
    /// coefficients, `a x + b y + c - u g x - u h y = u`, and the same for `v`: eight equations for
    /// eight numbers (torchvision's `functional._get_perspective_coeffs`). They have one solution as
    /// long as no three of the points lie on a line.
    pub fn between(from: [[f64; 2]; 4], to: [[f64; 2]; 4]) -> Self {
        let mut rows = [[0.0; 9]; 8];
        for corner in 0..4 {
            let ([x, y], [u, v]) = (from[corner], to[corner]);
            rows[2 * corner] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
            rows[2 * corner + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
        }
        Self(solve(rows))
    }

    /// This map between other coordinates: `p -> self(p * factor + offset) + shift`.
    ///
    /// In homogeneous coordinates all three steps are one matrix, so a sample costs one division:
    /// scaling and offset go into the columns, and `u / w + shift = (u + shift w) / w`.
    pub fn between_frames(
        &self,
        factor: [f64; 2],
        offset: [f64; 2],
        shift: [f64; 2],
    ) -> Projection {
        let [a, b, c, d, e, f, g, h] = self.0;
        let row = |[x, y, one]: [f64; 3]| {
            [
                x * factor[0],
                y * factor[1],
                x * offset[0] + y * offset[1] + one,
            ]
        };
        let depth = row([g, h, 1.0]);
        let moved = |numerator: [f64; 3], shift: f64| {
            let numerator = row(numerator);
            [0, 1, 2].map(|index| numerator[index] + shift * depth[index])
        };
        Projection([
            moved([a, b, c], shift[0]),
            moved([d, e, f], shift[1]),
            depth,
        ])
    }

    /// The image of a point.
    pub fn map(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [a, b, c, d, e, f, g, h] = self.0;
        let depth = g * x + h * y + 1.0;
        [(a * x + b * y + c) / depth, (d * x + e * y + f) / depth]
    }
}

/// A projective map as rows of homogeneous coordinates: two numerators and their denominator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Projection([[f64; 3]; 3]);

impl Projection {
    /// The rows of homogeneous coordinates: two numerators and their denominator.
    pub fn rows(&self) -> [[f64; 3]; 3] {
        self.0
    }

    /// This map with its images scaled: `p -> self(p) * factor`.
    pub(super) fn scaled(&self, factor: f64) -> Self {
        let [x, y, depth] = self.0;
        Self([x.map(|a| a * factor), y.map(|a| a * factor), depth])
    }

    /// The inverse map up to a factor, as such rows (the adjugate of the matrix).
    pub fn adjugate(&self) -> [[f64; 3]; 3] {
        let m = &self.0;
        [0, 1, 2].map(|row: usize| {
            [0, 1, 2].map(|column: usize| {
                let (r, s) = ((column + 1) % 3, (column + 2) % 3);
                let (c, d) = ((row + 1) % 3, (row + 2) % 3);
                m[r][c] * m[s][d] - m[r][d] * m[s][c]
            })
        })
    }

    /// The image of a point.
    #[inline]
    pub fn map(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [u, v, depth] = self.0.map(|[a, b, c]| a * x + (b * y + c));
        let inverse = 1.0 / depth;
        [u * inverse, v * inverse]
    }
}

/// Solves eight equations, with the right-hand side as the ninth column, by Gauss-Jordan elimination
/// with partial pivoting: without it, the zeros of the equations would be divided by.
fn solve(mut rows: [[f64; 9]; 8]) -> [f64; 8] {
    for column in 0..8 {
        let pivot = (column..8)
            .max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))
            .expect("the range is not empty");
        rows.swap(column, pivot);
        let pivot_row = rows[column].map(|value| value / rows[column][column]);
        rows[column] = pivot_row;
        for (index, row) in rows.iter_mut().enumerate() {
            let factor = row[column];
            if index != column {
                row.iter_mut()
                    .zip(pivot_row)
                    .for_each(|(value, pivot)| *value -= factor * pivot);
            }
        }
    }
    rows.map(|row| row[8])
}

/// A random perspective of a square of `side` pixels: the map from the warped picture back to the
/// source, since resampling asks every pixel of the result where it comes from. Each corner moves
/// inward by whole pixels, uniform from 0 to a quarter of the side in each direction (torchvision's
/// `RandomPerspective.get_params` with distortion 0.5, probability 1).
///
/// Corners are pixel indices (0 to side - 1), as in torchvision.
pub(super) fn random_perspective(random: &mut impl Rng, side: u32) -> Homography {
    let max_shift = (DISTORTION * f64::from(side / 2)) as u32;
    let last = f64::from(side - 1);
    let corners = [[0.0, 0.0], [last, 0.0], [last, last], [0.0, last]];
    let moved = corners.map(|corner| {
        corner.map(|coordinate| {
            let inward = f64::from(random.random_range(0..=max_shift));
            if coordinate == 0.0 {
                inward
            } else {
                coordinate - inward
            }
        })
    });
    Homography::between(moved, corners)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn four_corners_go_where_they_were_sent() {
        let from = [[3.0, 5.0], [200.0, 0.0], [180.0, 223.0], [20.0, 190.0]];
        let to = [[0.0, 0.0], [223.0, 0.0], [223.0, 223.0], [0.0, 223.0]];
        let map = Homography::between(from, to);
        for (start, end) in from.into_iter().zip(to) {
            let [x, y] = map.map(start);
            assert!((x - end[0]).abs() < 1e-9 && (y - end[1]).abs() < 1e-9);
        }
    }

    #[test]
    fn the_warped_canvas_covers_as_much_as_torchvisions() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let cells = 40;
        let mut covered = 0;
        for _ in 0..400 {
            let map = random_perspective(&mut random, 224);
            covered += (0..cells * cells)
                .map(|cell| {
                    [cell % cells, cell / cells].map(|index| (f64::from(index) + 0.5) * 5.6)
                })
                .filter(|point| map.map(*point).iter().all(|c| (0.0..=224.0).contains(c)))
                .count();
        }
        let share = covered as f64 / f64::from(400 * cells * cells);
        assert!(
            (share - 0.56).abs() < 0.015,
            "covered {share}, torchvision 0.56"
        );
    }
}
