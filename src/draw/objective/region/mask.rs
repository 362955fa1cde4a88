//! A painted region.

use super::distance_field::Grid;
use super::offset::Outside;
use crate::scene::Canvas;

/// Nodes of the grid of distances for one pixel of a 224 pixel canvas.
const NODES_PER_UNIT: f64 = 2.0;

/// How far the grid reaches beyond each side of the canvas, in pixels of a 224 pixel canvas. Farther away, a distance is that
/// of the nearest place on the grid plus the distance from there.
const MARGIN: f64 = 32.0;

/// Strokes may be where a mask is at least this bright.
const FREE: f32 = 0.5;

/// A region that is painted on a canvas: the distance of every place from it.
///
/// The distances are exact between the nodes of a grid with two nodes for one pixel of a 224 pixel canvas, and bilinear
/// between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Mask {
    distances: Grid,
}

/// Why a picture is no mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MaskError {
    /// No place is free.
    #[error("it has no white area in which strokes may be")]
    NothingFree,
}

impl Mask {
    /// A mask from the brightness of pixels, 0 to 1, rows from the top, which is stretched over the canvas. Strokes may be
    /// where it is 0.5 or brighter.
    ///
    /// # Errors
    /// When no place is that bright.
    ///
    /// # Panics
    /// If the pixels do not fill rows of `width`, or there are none.
    pub fn new(width: usize, brightness: &[f32], canvas: &Canvas) -> Result<Self, MaskError> {
        assert!(width > 0 && !brightness.is_empty() && brightness.len().is_multiple_of(width));
        let sizes = [width, brightness.len() / width];
        let cells = [canvas.width, canvas.height].map(|side| {
            let units = f64::from(side) / f64::from(canvas.scale());
            (units * NODES_PER_UNIT).round().max(1.0) as usize
        });
        let margin = (MARGIN * NODES_PER_UNIT) as usize;
        let columns = cells[0] + 2 * margin;
        let mut is_free = vec![false; columns * (cells[1] + 2 * margin)];
        let sums = Sums::new(width, brightness);
        for row in 0..cells[1] {
            let rows = pixels_of(row, cells[1], sizes[1]);
            for column in 0..cells[0] {
                let mean = sums.mean(pixels_of(column, cells[0], sizes[0]), rows.clone());
                is_free[(row + margin) * columns + column + margin] = mean >= f64::from(FREE);
            }
        }
        if !is_free.contains(&true) {
            // The white area is smaller than a cell.
            Self::check(brightness)?;
            for (index, _) in brightness
                .iter()
                .enumerate()
                .filter(|(_, value)| **value >= FREE)
            {
                let place = [index % width, index / width];
                let [column, row] =
                    [0, 1].map(|axis| place[axis] * cells[axis] / sizes[axis] + margin);
                is_free[row * columns + column] = true;
            }
        }
        let mut distances = Grid::distances(columns, &is_free);
        for distance in &mut distances.values {
            *distance /= NODES_PER_UNIT as f32;
        }
        Ok(Self { distances })
    }

    /// Checks that there is a pixel in which strokes may be.
    ///
    /// # Errors
    /// When there is none.
    pub fn check(brightness: &[f32]) -> Result<(), MaskError> {
        let has_free = brightness.iter().any(|value| *value >= FREE);
        has_free.then_some(()).ok_or(MaskError::NothingFree)
    }

    /// Whether strokes may be in every pixel.
    pub fn is_everywhere(brightness: &[f32]) -> bool {
        brightness.iter().all(|value| *value >= FREE)
    }

    /// How far a point is outside of the region; `position` is relative to the top left corner of the canvas.
    pub(super) fn outside(&self, position: [f64; 2]) -> Option<Outside> {
        let columns = self.distances.columns;
        let sizes = [columns, self.distances.values.len() / columns];
        // Nodes are in the middle of cells.
        let place = position.map(|coordinate| (coordinate + MARGIN) * NODES_PER_UNIT - 0.5);
        let within = [0, 1].map(|axis| place[axis].clamp(0.0, (sizes[axis] - 1) as f64));
        let beyond = [0, 1].map(|axis| (place[axis] - within[axis]) / NODES_PER_UNIT);
        let farther = beyond[0].hypot(beyond[1]);
        let (distance, slopes) = self.distances.at(within);
        let direction = [0, 1].map(|axis| {
            if beyond[axis] == 0.0 {
                slopes[axis] * NODES_PER_UNIT
            } else {
                beyond[axis] / farther
            }
        });
        let distance = distance + farther;
        (distance > 0.0).then_some(Outside {
            distance,
            direction,
        })
    }
}

/// The pixels that a cell shows, of `pixels` in a row of `cells`; at least one.
fn pixels_of(cell: usize, cells: usize, pixels: usize) -> std::ops::Range<usize> {
    let start = cell * pixels / cells;
    let end = ((cell + 1) * pixels).div_ceil(cells);
    start..end.max(start + 1)
}

/// Sums over rectangles of pixels.
struct Sums {
    width: usize,
    /// For each pixel corner the sum of all pixels above and to the left of it.
    values: Vec<f64>,
}

impl Sums {
    fn new(width: usize, pixels: &[f32]) -> Self {
        let mut values = vec![0.0; width + 1];
        for (row, line) in pixels.chunks_exact(width).enumerate() {
            let mut sum = 0.0;
            values.push(0.0);
            for (column, pixel) in line.iter().enumerate() {
                sum += f64::from(*pixel);
                values.push(values[row * (width + 1) + column + 1] + sum);
            }
        }
        Self { width, values }
    }

    fn mean(&self, columns: std::ops::Range<usize>, rows: std::ops::Range<usize>) -> f64 {
        let at = |column: usize, row: usize| self.values[row * (self.width + 1) + column];
        let sum =
            at(columns.end, rows.end) - at(columns.start, rows.end) - at(columns.end, rows.start)
                + at(columns.start, rows.start);
        // Sums of floats are rounded, and a mean of exactly 0.5 is free.
        sum / (columns.len() * rows.len()) as f64 + 1e-9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring with a hole: white from 20 to 40 pixels around the middle of 100 by 100 pixels.
    fn ring() -> Mask {
        let pixels: Vec<f32> = (0..100 * 100)
            .map(|index| {
                let [x, y] = [index % 100, index / 100].map(|part| part as f32 + 0.5 - 50.0);
                let radius = x.hypot(y);
                if (20.0..40.0).contains(&radius) {
                    1.0
                } else {
                    0.0
                }
            })
            .collect();
        Mask::new(100, &pixels, &Canvas::default()).unwrap()
    }

    #[test]
    fn distances_are_in_pixels_of_the_canvas_and_count_in_holes_and_beyond_the_canvas() {
        let ring = ring();
        for (place, expected) in [
            ([0.0, 0.0], 44.8),
            ([67.2, 0.0], 0.0),
            ([0.0, 105.0], 15.4),
            ([0.0, -140.0], 50.4),
            ([1000.0, 0.0], 910.4),
        ] {
            let outside = ring.outside(place.map(|part| part + 112.0));
            let found = outside.map_or(0.0, |outside| outside.distance);
            // A pixel of the mask is 2.24 wide.
            assert!(
                (found - expected).abs() < 2.3,
                "{place:?}: {found}, expected {expected}"
            );
        }
    }

    #[test]
    fn the_gradient_matches_central_differences() {
        const CHANGE: f64 = 1e-5;
        let ring = ring();
        let distance = |position| {
            ring.outside(position)
                .map_or(0.0, |outside| outside.distance)
        };
        for index in 0..400 {
            let [x, y] = [
                f64::from(index % 20) * 19.37 - 70.13,
                f64::from(index / 20) * 18.43 - 60.07,
            ];
            let Some(outside) = ring.outside([x, y]) else {
                continue;
            };
            let expected = [
                distance([x + CHANGE, y]) - distance([x - CHANGE, y]),
                distance([x, y + CHANGE]) - distance([x, y - CHANGE]),
            ];
            for (found, expected) in outside.direction.into_iter().zip(expected) {
                let expected = expected / (2.0 * CHANGE);
                assert!(
                    (found - expected).abs() < 1e-3,
                    "{x} {y}: {found}, expected {expected}"
                );
            }
        }
    }

    #[test]
    fn edges_lie_where_they_are_painted_whatever_the_size_of_the_mask() {
        // The left half is white.
        for width in [2, 50, 224, 1000] {
            let pixels: Vec<f32> = (0..width)
                .map(|x| f32::from(u8::from(2 * x < width)))
                .collect();
            let mask = Mask::new(width, &pixels, &Canvas::default()).unwrap();
            for (x, expected) in [(150.0, 38.0), (112.0, 0.0), (60.0, 0.0), (-10.0, 10.0)] {
                let found = mask
                    .outside([x, 112.0])
                    .map_or(0.0, |outside| outside.distance);
                assert!((found - expected).abs() <= 0.5, "{width} {x}: {found}");
            }
        }
    }

    #[test]
    fn a_mask_is_stretched_over_the_canvas() {
        let canvas = Canvas {
            width: 448,
            height: 112,
            ..Canvas::default()
        };
        // The right quarter is white. In units of a 224 pixel canvas, the canvas is 896 wide.
        let mask = Mask::new(4, &[0.0, 0.0, 0.0, 1.0], &canvas).unwrap();
        let outside = mask.outside([600.0, 100.0]).unwrap();
        assert!((outside.distance - 72.0).abs() <= 0.5, "{outside:?}");
        assert_eq!(mask.outside([700.0, 100.0]), None);
    }

    #[test]
    fn a_white_pixel_that_is_smaller_than_a_cell_is_free() {
        let mut pixels = vec![0.0; 2000 * 2000];
        pixels[500 * 2000 + 1500] = 1.0;
        let mask = Mask::new(2000, &pixels, &Canvas::default()).unwrap();
        let outside = mask.outside([168.0, 20.0]).unwrap();
        assert!((outside.distance - 36.0).abs() < 0.6, "{outside:?}");
    }

    #[test]
    fn a_black_mask_is_an_error() {
        let found = Mask::new(2, &[0.4; 6], &Canvas::default());
        assert_eq!(found, Err(MaskError::NothingFree));
    }
}
