//! Bins a stroke into the tiles that it touches, by quartering the canvas.
//!
//! A block of tiles is represented by the circle around its samples. The distance `D` from its
//! centre to the nearest chord bounds that of every sample in it, within the circle's radius `R`:
//!
//! ```text
//!    +-------------+
//!    | .         . |       D - R >  h + w    no window meets the stroke:   drop the block
//!    |   .     . R |       D + R <= h - w    all windows lie inside:       solid tiles
//!    |     . c ----|----o  otherwise         the outline may cross it:     quarter it
//!    |   .    D .  |    |
//!    | .         . |    |  chord             h half width, w largest radius of a window
//!    +-------------+
//! ```
//!
//! Each level also drops the chords that cannot be nearest to any sample of the block, so that the
//! lists get short quickly: of about thirty chords of a stroke a tile keeps six or seven.

use std::f32::consts::SQRT_2;
use std::ops::Range;

use super::block::{Block, StrokeExtent};
use super::chord::{Bounds, Chord, Chords};
use super::coverage::MAX_WINDOW_RADIUS;
use super::lanes::TILE;
use crate::scene::Strokes;

/// Pixels beyond the canvas and the half width where a curve can still matter: a window's radius
/// and the distance of joints from the curve, with a margin.
const MARGIN: f64 = 2.0;

/// Strokes with larger half widths, in pixels, cover the whole canvas or none of it: from 2^20 on
/// neighbouring numbers of single precision are 1/8 apart, too coarse for an outline in a pixel.
const MAX_HALF_WIDTH: f32 = 1_048_576.0;

/// A stroke on a tile that it touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TileStroke {
    /// The index of the stroke; painter's order, the lowest first.
    pub(super) stroke: u32,
    /// Its first candidate in the candidates of its group.
    first: u32,
    /// The number of its candidates; 0 where the stroke covers the whole tile.
    count: u32,
}

impl TileStroke {
    /// Whether the stroke covers the whole tile.
    pub(super) fn is_solid(&self) -> bool {
        self.count == 0
    }

    /// The range of its candidates in those of its group.
    pub(super) fn candidates(&self) -> Range<usize> {
        self.first as usize..(self.first + self.count) as usize
    }
}

/// The chords of some consecutive strokes, and the tiles that they touch.
#[derive(Debug, Clone, Default)]
pub(super) struct Group {
    pub(super) chords: Chords,
    /// Indices of chords: for each tile stroke those that can be nearest to a sample of its tile.
    pub(super) candidates: Vec<u32>,
    /// Each tile stroke with its tile, in painter's order.
    pub(super) tile_strokes: Vec<(u32, TileStroke)>,
}

impl Group {
    fn clear(&mut self) {
        self.chords.truncate(0);
        self.candidates.clear();
        self.tile_strokes.clear();
    }
}

/// Bins strokes into tiles by quartering the canvas.
#[derive(Debug)]
pub(super) struct Binner {
    tiles: [usize; 2],
    canvas_size: [f64; 2],
    group: Group,
    /// A stack of candidates: those of every block that is being quartered, the smallest last.
    pending: Vec<u32>,
    /// A stack of squared distances: for each of those candidates the ones to four blocks.
    distances: Vec<[f32; 4]>,
}

impl Binner {
    /// A binner for a canvas of `tiles` columns and rows, of `canvas_size` pixels.
    pub(super) fn new(tiles: [usize; 2], canvas_size: [f64; 2]) -> Self {
        Self {
            tiles,
            canvas_size,
            group: Group::default(),
            pending: Vec::new(),
            distances: Vec::new(),
        }
    }

    /// The strokes that were added since the last group was taken. Their numbers are copied to memory of the right size, and
    /// the next group has the room in which this one has grown.
    pub(super) fn take_group(&mut self) -> Group {
        let group = self.group.clone();
        self.group.clear();
        group
    }

    /// Adds a stroke on top of those before it. A stroke without width, or with a number that is not
    /// finite, touches nothing.
    pub(super) fn add(&mut self, strokes: &Strokes, stroke: usize) {
        let points = strokes.points_of(stroke);
        let half_width = strokes.half_widths[stroke];
        let numbers = points.iter().flatten().chain(&strokes.colors[stroke]);
        let is_finite = numbers
            .chain([&half_width])
            .all(|number| number.is_finite());
        if half_width <= 0.0 || !is_finite {
            return;
        }
        let canvas = Bounds {
            min: [0.0; 2],
            max: self.canvas_size,
        };
        let near = canvas.expanded(f64::from(half_width) + MARGIN);
        let first = self.group.chords.chords.len();
        self.group.chords.flatten(stroke, points, near);
        let chords = &self.group.chords.chords[first..];
        // The outline cannot be resolved within a tile, so the whole canvas counts as one point.
        if half_width > MAX_HALF_WIDTH {
            let center = self.canvas_size.map(|side| 0.5 * side);
            if chords
                .iter()
                .any(|chord| is_within(chord, center, half_width))
            {
                self.emit_solid(Block::whole(self.tiles), stroke as u32);
            }
            self.group.chords.truncate(first);
            return;
        }
        let bounds = Bounds::around(chords.iter().flat_map(Chord::ends));
        let last = self.group.chords.chords.len();
        self.pending.clear();
        self.pending.extend(first as u32..last as u32);
        let bounds = bounds.expanded(f64::from(half_width + MAX_WINDOW_RADIUS));
        self.bin_all(bounds, half_width, stroke as u32);
    }

    /// Starts with the blocks that the stroke's bounds meet. Their side is the next power of two of
    /// the bounds', so there are at most two by two, and a short stroke skips the upper levels.
    fn bin_all(&mut self, bounds: Bounds, half_width: f32, stroke: u32) {
        let tile = TILE as f64;
        let min = bounds
            .min
            .map(|side| (side / tile).floor().max(0.0) as usize);
        let max = [0, 1].map(|axis| {
            let last = (bounds.max[axis] / tile).floor();
            (last.max(-1.0) + 1.0).min(self.tiles[axis] as f64) as usize
        });
        if min[0] >= max[0] || min[1] >= max[1] {
            return;
        }
        let side = (max[0] - min[0]).max(max[1] - min[1]).next_power_of_two();
        let extent = StrokeExtent {
            min,
            max,
            half_width,
            stroke,
        };
        let [left, top] = [0, 1].map(|axis| min[axis] / side * side);
        let block = |right: usize, down: usize| Block {
            column: left + right * side,
            row: top + down * side,
            side,
        };
        let blocks = [block(0, 0), block(1, 0), block(0, 1), block(1, 1)];
        self.bin(blocks, 0, &extent);
    }

    /// Bins the stroke into four blocks of one size. The candidates from `first` on are those of the block around them.
    ///
    /// The distances to all four are computed at once, as vectors.
    fn bin(&mut self, blocks: [Block; 4], first: usize, extent: &StrokeExtent) {
        let (last, before) = (self.pending.len(), self.distances.len());
        let nearest = self.push_distances(blocks.map(|block| block.samples().0), first..last);
        for (index, block) in blocks.into_iter().enumerate() {
            if block.intersects(extent) {
                let candidates = Candidates {
                    range: first..last,
                    distances: before,
                    index,
                    nearest: nearest[index].sqrt(),
                };
                self.bin_block(block, candidates, extent);
            }
        }
        self.distances.truncate(before);
    }

    /// Bins the stroke into one of four blocks.
    fn bin_block(&mut self, block: Block, candidates: Candidates, extent: &StrokeExtent) {
        let (center, half_side) = block.samples();
        let half_diagonal = half_side * SQRT_2;
        let nearest = candidates.nearest;
        if nearest > extent.half_width + MAX_WINDOW_RADIUS + half_diagonal {
            return;
        }
        if nearest + half_diagonal <= extent.half_width - MAX_WINDOW_RADIUS {
            self.emit_solid(block, extent.stroke);
            return;
        }
        // Which chords can be nearest to a sample p? Some chord has distance D to the centre, hence at
        // most D + R to p. The chord nearest to p is no farther from p, so at most D + 2 R from the
        // centre. It matters only within h + w of p, so at most h + w + R from the centre.
        let farthest = (nearest + 2.0 * half_diagonal)
            .min(extent.half_width + MAX_WINDOW_RADIUS + half_diagonal);
        let last = self.pending.len();
        self.keep_within(farthest * (1.0 + ROUNDING) + ROUNDING, candidates);
        if block.side == 1 {
            self.drop_redundant_neighbors(center, half_side, last);
            self.emit(block, last, extent.stroke);
        } else {
            self.bin(block.quarters(), last, extent);
        }
        self.pending.truncate(last);
    }

    /// Appends the squared distances from four centers to some candidates, and returns the smallest for each center.
    fn push_distances(&mut self, centers: [[f32; 2]; 4], range: Range<usize>) -> [f32; 4] {
        let chords = &self.group.chords.chords;
        let [xs, ys] = [0, 1].map(|axis| centers.map(|center| center[axis]));
        let mut min = [f32::INFINITY; 4];
        self.distances
            .extend(self.pending[range].iter().map(|index| {
                let distances = square_distances(&chords[*index as usize], xs, ys);
                for (min, distance) in min.iter_mut().zip(distances) {
                    *min = if distance < *min { distance } else { *min };
                }
                distances
            }));
        min
    }

    /// Appends those candidates that are no farther away than `farthest` pixels.
    fn keep_within(&mut self, farthest: f32, candidates: Candidates) {
        let farthest_square = farthest * farthest;
        let distances = &self.distances[candidates.distances..];
        for (distances, position) in distances.iter().zip(candidates.range) {
            if distances[candidates.index] <= farthest_square {
                self.pending.push(self.pending[position]);
            }
        }
    }

    /// Drops those candidates from `first` on for which a neighbour can stand in.
    ///
    /// ```text
    ///      :     A     :              The slab of A is the strip across it between its ends. All
    ///      o-----------E  +-----+     samples of the block lie beyond its end E, so E is its nearest
    ///      :           :\ |block|     point to each of them. B starts at E and offers the same point,
    ///      :           : B+-----+     or a nearer one: A is not needed.
    /// ```
    ///
    /// If the block also lies before the start of B, then B could be dropped because of the same
    /// point E; one of the two must stay.
    fn drop_redundant_neighbors(&mut self, center: [f32; 2], half_side: f32, first: usize) {
        let chords = &self.group.chords.chords;
        let mut kept = first;
        let mut dropped_at_end = None;
        for position in first..self.pending.len() {
            let index = self.pending[position];
            let chord = &chords[index as usize];
            let [from, to] = slab(chord, center, half_side);
            let has_next = chords
                .get(index as usize + 1)
                .is_some_and(|next| next.continues);
            if from > 1.0 && has_next {
                dropped_at_end = Some(index + 1);
            } else if to >= 0.0 || !chord.continues || dropped_at_end == Some(index) {
                self.pending[kept] = index;
                kept += 1;
            }
        }
        self.pending.truncate(kept);
    }

    fn emit(&mut self, block: Block, first: usize, stroke: u32) {
        let candidates = &self.pending[first..];
        if candidates.is_empty() {
            return;
        }
        let tile_stroke = TileStroke {
            stroke,
            first: self.group.candidates.len() as u32,
            count: candidates.len() as u32,
        };
        self.group.candidates.extend_from_slice(candidates);
        let tile = block.row * self.tiles[0] + block.column;
        self.group.tile_strokes.push((tile as u32, tile_stroke));
    }

    fn emit_solid(&mut self, block: Block, stroke: u32) {
        let tile_stroke = TileStroke {
            stroke,
            first: 0,
            count: 0,
        };
        for row in block.row..(block.row + block.side).min(self.tiles[1]) {
            for column in block.column..(block.column + block.side).min(self.tiles[0]) {
                let tile = row * self.tiles[0] + column;
                self.group.tile_strokes.push((tile as u32, tile_stroke));
            }
        }
    }
}

/// The chords that can matter to a block, and how far away they are.
#[derive(Debug)]
struct Candidates {
    /// Where they are among the pending ones.
    range: Range<usize>,
    /// Where their squared distances to four blocks begin.
    distances: usize,
    /// Which of the four the block is.
    index: usize,
    /// The distance from the block's center to the nearest of them, in pixels.
    nearest: f32,
}

/// Room for the rounding of distances, absolute in pixels and relative to the distance: an extra
/// chord costs a little time, but a missing chord would leave a hole.
const ROUNDING: f32 = 1e-4;

/// Whether a chord of any size comes within `distance` pixels of `center`.
fn is_within(chord: &Chord, center: [f64; 2], distance: f32) -> bool {
    let [x, y] = [0, 1].map(|axis| center[axis] - f64::from(chord.start[axis]));
    let [right, down] = chord.vector.map(f64::from);
    let square = right * right + down * down;
    let along = if square > 0.0 {
        ((x * right + y * down) / square).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (x - along * right).hypot(y - along * down) <= f64::from(distance)
}

/// The squared distances from four positions to a chord. The loops are over arrays, so the compiler makes vector operations of
/// them.
#[inline]
fn square_distances(chord: &Chord, xs: [f32; 4], ys: [f32; 4]) -> [f32; 4] {
    let [vector_x, vector_y] = chord.vector;
    std::array::from_fn(|lane| {
        let x = xs[lane] - chord.start[0];
        let y = ys[lane] - chord.start[1];
        let along = (x * vector_x + y * vector_y) * chord.inverse_square;
        let along = along.clamp(0.0, 1.0);
        let (x, y) = (x - along * vector_x, y - along * vector_y);
        x * x + y * y
    })
}

/// The smallest and the largest position along a chord, 0 at its start and 1 at its end, on which a
/// sample of a block is projected. For a box, the projection's half range is the sum over the axes
/// of its half side times the absolute part of the direction.
fn slab(chord: &Chord, center: [f32; 2], half_side: f32) -> [f32; 2] {
    let [x, y] = chord.vector;
    let along = (center[0] - chord.start[0]) * x + (center[1] - chord.start[1]) * y;
    let half_range = half_side * (x.abs() + y.abs());
    [along - half_range, along + half_range].map(|position| position * chord.inverse_square)
}
