//! Exact distances from the cells of a grid, and values between its nodes.

use std::fmt;

/// A value for each node of a grid, rows from the top.
#[derive(Clone, PartialEq)]
pub(super) struct Grid {
    pub(super) columns: usize,
    pub(super) values: Vec<f32>,
}

impl fmt::Debug for Grid {
    /// Shows no values.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Grid")
            .field("columns", &self.columns)
            .field("rows", &self.rows())
            .finish_non_exhaustive()
    }
}

impl Grid {
    /// The distance of each node from the nearest one that is free, in steps of the grid; infinite if none is.
    ///
    /// It is exact (Felzenszwalb & Huttenlocher 2012, "Distance Transforms of Sampled Functions"): squared distances
    /// along columns, then along rows, where each is the lower envelope of parabolas.
    pub(super) fn distances(columns: usize, is_free: &[bool]) -> Self {
        let start = is_free
            .iter()
            .map(|free| if *free { 0.0 } else { f64::INFINITY });
        let mut squares: Vec<f64> = start.collect();
        let rows = is_free.len() / columns;
        for column in 0..columns {
            let line: Vec<f64> = (0..rows)
                .map(|row| squares[row * columns + column])
                .collect();
            for (row, value) in envelope(&line).into_iter().enumerate() {
                squares[row * columns + column] = value;
            }
        }
        for row in squares.chunks_exact_mut(columns) {
            let line = envelope(row);
            row.copy_from_slice(&line);
        }
        Self {
            columns,
            values: squares
                .into_iter()
                .map(|square| square.sqrt() as f32)
                .collect(),
        }
    }

    fn rows(&self) -> usize {
        self.values.len() / self.columns
    }

    /// The value at a position (0 is the first node, 1 the next) by bilinear interpolation, and its derivatives, which are
    /// finite differences of the four nodes around. The position is moved to the nearest one that is within the grid.
    ///
    /// The grid needs at least two rows and columns.
    pub(super) fn at(&self, position: [f64; 2]) -> (f64, [f64; 2]) {
        let sizes = [self.columns, self.rows()];
        let place = [0, 1].map(|axis| position[axis].clamp(0.0, (sizes[axis] - 1) as f64));
        let node = [0, 1].map(|axis| (place[axis] as usize).min(sizes[axis] - 2));
        let [x, y] = [0, 1].map(|axis| place[axis] - node[axis] as f64);
        let value = |column: usize, row: usize| {
            f64::from(self.values[(node[1] + row) * self.columns + node[0] + column])
        };
        let [upper, lower] = [0, 1].map(|row| (value(0, row), value(1, row)));
        let along = |(left, right): (f64, f64)| left + x * (right - left);
        let [above, below] = [along(upper), along(lower)];
        let across = (1.0 - y) * (upper.1 - upper.0) + y * (lower.1 - lower.0);
        (above + y * (below - above), [across, below - above])
    }
}

/// For each place of a line the minimum over all places of `values[place] + distance^2`.
fn envelope(values: &[f64]) -> Vec<f64> {
    // The parabolas of the envelope, and where each of them begins.
    let mut parabolas: Vec<(usize, f64)> = Vec::new();
    for (place, value) in values
        .iter()
        .enumerate()
        .filter(|(_, value)| value.is_finite())
    {
        let mut start = f64::NEG_INFINITY;
        while let Some(&(last, last_start)) = parabolas.last() {
            let [here, there] = [place, last].map(|place| place as f64);
            start = (value + here * here - values[last] - there * there) / (2.0 * (here - there));
            if start > last_start {
                break;
            }
            parabolas.pop();
            start = f64::NEG_INFINITY;
        }
        parabolas.push((place, start));
    }
    let mut nearest = 0;
    let at = |place: usize| {
        let here = place as f64;
        while parabolas
            .get(nearest + 1)
            .is_some_and(|(_, start)| *start < here)
        {
            nearest += 1;
        }
        parabolas.get(nearest).map_or(f64::INFINITY, |(lowest, _)| {
            let distance = here - *lowest as f64;
            values[*lowest] + distance * distance
        })
    };
    (0..values.len()).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A grid with free nodes here and there.
    fn pattern(columns: usize, rows: usize) -> Vec<bool> {
        let nodes = 0..columns * rows;
        nodes
            .map(|index| (index * 7919 + index / 13) % 61 == 5)
            .collect()
    }

    #[test]
    fn every_distance_is_that_of_the_nearest_free_node() {
        for (columns, rows) in [(23, 17), (40, 1), (1, 40), (9, 30)] {
            let is_free = pattern(columns, rows);
            let grid = Grid::distances(columns, &is_free);
            let place = |index: usize| [(index % columns) as f64, (index / columns) as f64];
            for (index, found) in grid.values.iter().enumerate() {
                let [x, y] = place(index);
                let distances = (0..is_free.len())
                    .filter(|other| is_free[*other])
                    .map(|other| {
                        let [a, b] = place(other);
                        (x - a).hypot(y - b)
                    });
                let expected = distances.fold(f64::INFINITY, f64::min) as f32;
                assert_eq!(*found, expected, "{columns} {rows} {index}");
            }
        }
    }

    #[test]
    fn without_a_free_node_every_distance_is_infinite() {
        let grid = Grid::distances(3, &[false; 6]);
        assert!(grid.values.iter().all(|value| value.is_infinite()));
    }

    #[test]
    fn values_between_nodes_are_bilinear_and_have_their_derivatives() {
        let grid = Grid::distances(23, &pattern(23, 17));
        assert_eq!(grid.at([4.0, 6.0]).0, f64::from(grid.values[6 * 23 + 4]));
        for (x, y) in [(0.3, 0.6), (10.25, 15.75), (21.9, 3.1)] {
            let (_, derivatives) = grid.at([x, y]);
            let change = 1e-6;
            let expected = [
                grid.at([x + change, y]).0 - grid.at([x - change, y]).0,
                grid.at([x, y + change]).0 - grid.at([x, y - change]).0,
            ];
            for (found, expected) in derivatives.into_iter().zip(expected) {
                assert!((found - expected / (2.0 * change)).abs() < 1e-6);
            }
        }
    }
}
