//! The order of polylines: little travel with the pen lifted.

use std::collections::HashSet;

use super::polyline::{Polyline, distance};

/// Where the pen is before it draws, in millimetres: the bottom left corner of G-code and HPGL is as good as any.
const HOME: [f64; 2] = [0.0, 0.0];

/// Points closer than this, in millimetres, are the same for a pen.
const SAME: f64 = 0.02;

/// How many of the following polylines 2-opt may turn around at once.
const WINDOW: usize = 1_000;

/// How many exchanges 2-opt may try. It bounds the time, and gives the same order on every machine.
const MAX_TRIALS: usize = 40_000_000;

/// The maximum number of cells of the grid along each side.
const MAX_CELLS: usize = 256;

/// The distance travelled with the pen lifted, in millimetres.
pub(super) fn travel(lines: &[Polyline]) -> f64 {
    let mut at = HOME;
    let mut sum = 0.0;
    for line in lines {
        sum += distance(at, line.start());
        at = line.end();
    }
    sum
}

/// Removes polylines that are the same as an earlier one, in either direction.
pub(super) fn without_duplicates(lines: Vec<Polyline>) -> Vec<Polyline> {
    let mut seen = HashSet::new();
    let mut kept = Vec::with_capacity(lines.len());
    for line in lines {
        let cells = line.0.iter();
        let key: Vec<[i64; 2]> = cells
            .map(|point| point.map(|number| (number / SAME).round() as i64))
            .collect();
        let reversed: Vec<[i64; 2]> = key.iter().rev().copied().collect();
        if seen.insert(key.min(reversed)) {
            kept.push(line);
        }
    }
    kept
}

/// Orders polylines by the nearest next end, improves the order with 2-opt, and joins those that touch. Polylines may
/// be reversed.
pub(super) fn ordered(lines: Vec<Polyline>) -> Vec<Polyline> {
    let mut lines = nearest_neighbors(lines);
    two_opt(&mut lines);
    joined(lines)
}

/// The ends of polylines that were not drawn yet, in the cells of a grid. End `2 i` is the start of polyline `i`, and
/// `2 i + 1` its end.
struct Grid {
    min: [f64; 2],
    cell: f64,
    sides: [usize; 2],
    cells: Vec<Vec<usize>>,
}

impl Grid {
    fn new(ends: &[[f64; 2]]) -> Self {
        let fold = |axis: usize, start: f64, pick: fn(f64, f64) -> f64| {
            ends.iter().map(|end| end[axis]).fold(start, pick)
        };
        let min = [0, 1].map(|axis| fold(axis, f64::INFINITY, f64::min));
        let max = [0, 1].map(|axis| fold(axis, f64::NEG_INFINITY, f64::max));
        let per_side = ((ends.len() as f64).sqrt() as usize).clamp(1, MAX_CELLS);
        let longest = (max[0] - min[0]).max(max[1] - min[1]).max(SAME);
        let cell = longest / per_side as f64;
        let sides = [0, 1].map(|axis| ((max[axis] - min[axis]) / cell) as usize + 1);
        let mut grid = Self {
            min,
            cell,
            sides,
            cells: vec![Vec::new(); sides[0] * sides[1]],
        };
        for (end, position) in ends.iter().enumerate() {
            let index = grid.index(grid.cell_of(*position));
            grid.cells[index].push(end);
        }
        grid
    }

    /// The cell of a position, or the nearest one.
    fn cell_of(&self, position: [f64; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            let cell = (position[axis] - self.min[axis]) / self.cell;
            (cell.max(0.0) as usize).min(self.sides[axis] - 1)
        })
    }

    fn index(&self, [column, row]: [usize; 2]) -> usize {
        row * self.sides[0] + column
    }

    fn remove(&mut self, end: usize, position: [f64; 2]) {
        let index = self.index(self.cell_of(position));
        self.cells[index].retain(|other| *other != end);
    }

    /// The end that is nearest to a position, if there is one.
    fn nearest(&self, position: [f64; 2], ends: &[[f64; 2]]) -> Option<usize> {
        let center = self.cell_of(position);
        let mut best: Option<(f64, usize)> = None;
        for ring in 0..self.sides[0].max(self.sides[1]) {
            let found = self.ring(center, ring).flat_map(|index| &self.cells[index]);
            let found = found.map(|end| (distance(position, ends[*end]), *end));
            best = found
                .chain(best)
                .min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            // Everything in the next rings is at least this far away.
            if best.is_some_and(|(found, _)| found <= ring as f64 * self.cell) {
                break;
            }
        }
        best.map(|(_, end)| end)
    }

    /// The indices of the cells that are `ring` columns or rows away from a cell, and not more.
    fn ring(&self, [column, row]: [usize; 2], ring: usize) -> impl Iterator<Item = usize> {
        let rows = row.saturating_sub(ring)..=(row + ring).min(self.sides[1] - 1);
        rows.flat_map(move |other_row| {
            let is_edge = other_row.abs_diff(row) == ring || ring == 0;
            let step = if is_edge { 1 } else { 2 * ring };
            let columns = column as isize - ring as isize..=(column + ring) as isize;
            let columns = columns.step_by(step);
            let inside = columns.filter(move |column| (0..self.sides[0] as isize).contains(column));
            inside.map(move |column| self.index([column as usize, other_row]))
        })
    }
}

/// Begins at [`HOME`], and goes on with the nearest end each time.
fn nearest_neighbors(lines: Vec<Polyline>) -> Vec<Polyline> {
    let ends: Vec<[f64; 2]> = lines
        .iter()
        .flat_map(|line| [line.start(), line.end()])
        .collect();
    let mut grid = Grid::new(&ends);
    let mut left: Vec<Option<Polyline>> = lines.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(left.len());
    let mut at = HOME;
    while let Some(end) = grid.nearest(at, &ends) {
        let index = end / 2;
        for end in [2 * index, 2 * index + 1] {
            grid.remove(end, ends[end]);
        }
        if let Some(mut line) = left[index].take() {
            if end % 2 == 1 {
                line.0.reverse();
            }
            at = line.end();
            ordered.push(line);
        }
    }
    ordered
}

/// Turns around parts of the order, each polyline in them too, as long as this shortens the travel.
fn two_opt(lines: &mut [Polyline]) {
    let mut ends: Vec<[[f64; 2]; 2]> = lines
        .iter()
        .map(|line| [line.start(), line.end()])
        .collect();
    // The polyline at each place of the order, and whether it is reversed.
    let mut order: Vec<(usize, bool)> = (0..lines.len()).map(|index| (index, false)).collect();
    let mut trials = 0;
    let mut improved = true;
    while improved && trials < MAX_TRIALS {
        improved = false;
        for first in 0..ends.len() {
            let before = if first == 0 { HOME } else { ends[first - 1][1] };
            for last in first..ends.len().min(first + WINDOW) {
                trials += 1;
                if saving(&ends, before, first..=last) > 1e-9 {
                    turn_around(&mut ends[first..=last], &mut order[first..=last]);
                    improved = true;
                }
            }
        }
    }
    let mut sorted: Vec<Polyline> = Vec::with_capacity(lines.len());
    for (index, reversed) in order {
        let mut line = Polyline(std::mem::take(&mut lines[index].0));
        if reversed {
            line.0.reverse();
        }
        sorted.push(line);
    }
    for (place, line) in lines.iter_mut().zip(sorted) {
        *place = line;
    }
}

/// Turns around a part of the order: its sequence, and each polyline in it.
fn turn_around(ends: &mut [[[f64; 2]; 2]], order: &mut [(usize, bool)]) {
    ends.reverse();
    order.reverse();
    for pair in ends {
        pair.reverse();
    }
    for (_, reversed) in order {
        *reversed = !*reversed;
    }
}

/// How much shorter the travel is if a part of the order is turned around.
fn saving(ends: &[[[f64; 2]; 2]], before: [f64; 2], part: std::ops::RangeInclusive<usize>) -> f64 {
    let (start, end) = (ends[*part.start()][0], ends[*part.end()][1]);
    let mut saved = distance(before, start) - distance(before, end);
    if let Some(next) = ends.get(part.end() + 1) {
        saved += distance(end, next[0]) - distance(start, next[0]);
    }
    saved
}

/// Joins polylines that begin where the one before ends, so that the pen stays down.
fn joined(lines: Vec<Polyline>) -> Vec<Polyline> {
    let mut joined: Vec<Polyline> = Vec::with_capacity(lines.len());
    for line in lines {
        match joined.last_mut() {
            Some(last) if distance(last.end(), line.start()) <= SAME => {
                last.0.extend_from_slice(&line.0[1..]);
            }
            _ => joined.push(line),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(from: [f64; 2], to: [f64; 2]) -> Polyline {
        Polyline(vec![from, to])
    }

    fn sorted_lengths(lines: &[Polyline]) -> Vec<i64> {
        let mut lengths: Vec<_> = lines
            .iter()
            .map(|line| (line.length() * 1e6) as i64)
            .collect();
        lengths.sort_unstable();
        lengths
    }

    #[test]
    fn neighbours_are_drawn_one_after_the_other_and_may_be_reversed() {
        let lines = vec![
            line([90.0, 0.0], [80.0, 0.0]),
            line([10.0, 0.0], [20.0, 0.0]),
            line([70.0, 0.0], [30.0, 0.0]),
        ];
        assert_eq!(travel(&lines), 90.0 + 70.0 + 50.0);
        let lines = ordered(lines);
        assert_eq!(travel(&lines), 30.0);
        assert_eq!(lines[1].start(), [30.0, 0.0]);
    }

    #[test]
    fn duplicates_are_removed_in_both_directions_and_touching_polylines_are_joined() {
        let lines = vec![
            line([0.0, 0.0], [10.0, 0.0]),
            line([10.0, 0.001], [0.0, 0.0]),
            line([10.0, 10.0], [10.0, 0.0]),
        ];
        let lines = without_duplicates(lines);
        assert_eq!(lines.len(), 2);
        let lines = ordered(lines);
        assert_eq!(lines[0].0, [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0]]);
        assert_eq!(lines.len(), 1);
    }

    #[test]
    fn thousands_of_polylines_are_ordered_well() {
        // A quasi-random sequence (Roberts 2018), without a generator.
        let place = |index: usize, step: f64| (0.5 + step * index as f64).fract() * 200.0;
        let lines: Vec<_> = (0..4000)
            .map(|index| {
                let (x, y) = (place(index, 0.754_877_666), place(index, 0.569_840_29));
                line([x, y], [x + 3.0, y + 2.0])
            })
            .collect();
        let before = travel(&lines);
        let ordered = ordered(lines.clone());
        assert_eq!(sorted_lengths(&lines), sorted_lengths(&ordered));
        assert!(
            travel(&ordered) < before / 40.0,
            "{before} {}",
            travel(&ordered)
        );
    }

    proptest! {
        #[test]
        fn no_polyline_is_lost_and_the_travel_does_not_grow(
            ends in proptest::collection::vec(((0..100_u8, 0..100_u8), (0..100_u8, 0..100_u8)), 0..60)
        ) {
            let point = |(x, y): (u8, u8)| [f64::from(x), f64::from(y)];
            let lines: Vec<_> = ends.into_iter().map(|(a, b)| line(point(a), point(b))).collect();
            let near = nearest_neighbors(lines.clone());
            let mut better = near.clone();
            two_opt(&mut better);
            prop_assert_eq!(sorted_lengths(&lines), sorted_lengths(&better));
            prop_assert!(travel(&better) <= travel(&near) + 1e-6);
        }
    }
}
