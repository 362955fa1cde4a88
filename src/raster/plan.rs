//! Which strokes touch which tile of the canvas, and with which of their chords.

use rayon::prelude::*;

use super::chord::{Bounds, Chord, Flattener};
use crate::scene::{Canvas, Strokes};

/// The side of a tile in pixels: one row is one vector of eight numbers.
pub(super) const TILE: usize = 8;

/// Strokes that are flattened and sorted into tiles by one piece of work.
const STROKES_PER_GROUP: usize = 8;

/// Beyond its outline a stroke can still touch a unit pixel whose centre is this far away: half of
/// a pixel's diagonal, rounded up.
pub(super) const PIXEL_REACH: f32 = 0.708;

/// Pixels beyond the canvas and the half width where a curve can still matter.
const MARGIN: f64 = 2.0;

/// Strokes with larger half widths cover the whole canvas or nothing of it: single precision
/// cannot tell where in a pixel their outline lies.
const WIDEST: f32 = 1_048_576.0;

/// A stroke in a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// The stroke, in painter's order.
    pub(super) stroke: u32,
    /// Its first candidate in the list of its group.
    first: u32,
    /// The number of its candidates; none where the stroke covers the tile wholly.
    count: u32,
}

impl Entry {
    /// Whether the stroke covers every pixel of the tile wholly.
    pub(super) fn is_solid(&self) -> bool {
        self.count == 0
    }
}

/// The chords of some neighbouring strokes, and what they touch.
#[derive(Debug, Default)]
struct Group {
    chords: Vec<Chord>,
    /// The stroke of each chord.
    strokes: Vec<usize>,
    /// Indices into `chords`: those that can be nearest to a pixel of an entry's tile.
    candidates: Vec<u32>,
    /// The tile of each entry, in painter's order.
    entries: Vec<(u32, Entry)>,
}

/// Everything about strokes on a canvas that painting and its gradient share.
#[derive(Debug)]
pub(super) struct Plan {
    /// Tiles in a row and rows of tiles.
    pub(super) tiles: [usize; 2],
    groups: Vec<Group>,
    /// How many chords the groups before each group have.
    first_chords: Vec<u32>,
    /// `entries[first_entries[tile]..first_entries[tile + 1]]` lie on a tile, the lowest first.
    first_entries: Vec<u32>,
    entries: Vec<Entry>,
}

impl Plan {
    /// Flattens the strokes and sorts them into tiles.
    pub(super) fn new(strokes: &Strokes, canvas: &Canvas) -> Self {
        let tiles = [canvas.width, canvas.height].map(|side| (side as usize).div_ceil(TILE));
        let sheet = [canvas.width, canvas.height].map(f64::from);
        let group_count = strokes.len().div_ceil(STROKES_PER_GROUP);
        let groups: Vec<Group> = (0..group_count)
            .into_par_iter()
            .map(|group| {
                let mut sorter = Sorter::new(tiles, sheet);
                let first = group * STROKES_PER_GROUP;
                for stroke in first..strokes.len().min(first + STROKES_PER_GROUP) {
                    sorter.add(strokes, stroke);
                }
                sorter.group
            })
            .collect();
        let (first_entries, entries) = by_tile(&groups, tiles[0] * tiles[1]);
        let first_chords = groups
            .iter()
            .scan(0, |before, group| {
                let first = *before;
                *before += group.chords.len() as u32;
                Some(first)
            })
            .collect();
        Self {
            tiles,
            groups,
            first_chords,
            first_entries,
            entries,
        }
    }

    /// The strokes on a tile, the lowest first.
    pub(super) fn entries(&self, tile: usize) -> &[Entry] {
        &self.entries[self.first_entries[tile] as usize..self.first_entries[tile + 1] as usize]
    }

    /// The number of chords of all strokes.
    pub(super) fn chord_count(&self) -> usize {
        self.groups.iter().map(|group| group.chords.len()).sum()
    }

    /// All chords in order.
    pub(super) fn chords(&self) -> impl Iterator<Item = (usize, &Chord)> {
        self.groups
            .iter()
            .flat_map(|group| group.strokes.iter().copied().zip(&group.chords))
    }

    /// Where the chords of the group of a stroke start among all chords.
    pub(super) fn first_chord(&self, entry: &Entry) -> u32 {
        self.first_chords[entry.stroke as usize / STROKES_PER_GROUP]
    }

    /// All chords of the group of a stroke, and which of them matter to an entry of it.
    pub(super) fn candidates(&self, entry: &Entry) -> (&[Chord], &[u32]) {
        let group = &self.groups[entry.stroke as usize / STROKES_PER_GROUP];
        let range = entry.first as usize..(entry.first + entry.count) as usize;
        (&group.chords, &group.candidates[range])
    }
}

/// Brings the entries of all groups, stroke by stroke, into the order of tiles; within a tile they
/// stay in painter's order.
fn by_tile(groups: &[Group], tile_count: usize) -> (Vec<u32>, Vec<Entry>) {
    let mut first_entries = vec![0_u32; tile_count + 1];
    for (tile, _) in groups.iter().flat_map(|group| &group.entries) {
        first_entries[*tile as usize + 1] += 1;
    }
    for tile in 0..tile_count {
        first_entries[tile + 1] += first_entries[tile];
    }
    let nothing = Entry {
        stroke: 0,
        first: 0,
        count: 0,
    };
    let mut entries = vec![nothing; first_entries[tile_count] as usize];
    let mut next = first_entries.clone();
    for (tile, entry) in groups.iter().flat_map(|group| &group.entries) {
        let place = &mut next[*tile as usize];
        entries[*place as usize] = *entry;
        *place += 1;
    }
    (first_entries, entries)
}

/// A square of tiles, its side a power of two.
#[derive(Debug, Clone, Copy)]
struct Block {
    column: usize,
    row: usize,
    side: usize,
}

impl Block {
    fn whole(tiles: [usize; 2]) -> Self {
        Self {
            column: 0,
            row: 0,
            side: tiles[0].max(tiles[1]),
        }
    }
}

/// Sorts strokes into tiles by quartering the canvas.
#[derive(Debug)]
struct Sorter {
    tiles: [usize; 2],
    sheet: [f64; 2],
    group: Group,
    /// Candidates of the blocks that are being quartered, the smallest block last.
    pending: Vec<u32>,
    distances: Vec<f32>,
}

impl Sorter {
    fn new(tiles: [usize; 2], sheet: [f64; 2]) -> Self {
        Self {
            tiles,
            sheet,
            group: Group::default(),
            pending: Vec::new(),
            distances: Vec::new(),
        }
    }

    fn add(&mut self, strokes: &Strokes, stroke: usize) {
        let points = strokes.points_of(stroke);
        let half_width = strokes.half_widths[stroke];
        let is_finite = half_width.is_finite() && points.iter().flatten().all(|c| c.is_finite());
        if half_width <= 0.0 || !is_finite {
            return;
        }
        let canvas = Bounds {
            least: [0.0; 2],
            most: self.sheet,
        };
        let near = canvas.grown(f64::from(half_width) + MARGIN);
        let first = self.group.chords.len();
        Flattener::new(near, &mut self.group.chords).flatten(points);
        let chords = &self.group.chords[first..];
        if half_width > WIDEST {
            let center = self.sheet.map(|side| 0.5 * side);
            if chords
                .iter()
                .any(|chord| is_within(chord, center, half_width))
            {
                self.emit_solid(Block::whole(self.tiles), stroke as u32);
            }
            self.group.chords.truncate(first);
            return;
        }
        self.group.strokes.resize(self.group.chords.len(), stroke);
        let ends = chords.iter().flat_map(|chord| {
            [
                chord.start,
                [0, 1].map(|axis| chord.start[axis] + chord.reach[axis]),
            ]
        });
        let bounds = Bounds::around(ends.map(|end| end.map(f64::from)));
        let bounds = bounds.grown(f64::from(half_width + PIXEL_REACH));
        self.pending.clear();
        self.pending
            .extend(first as u32..self.group.chords.len() as u32);
        self.quarter_all(bounds, half_width, stroke as u32);
    }

    /// Starts with the blocks, at most three by three, that the stroke's bounds meet.
    fn quarter_all(&mut self, bounds: Bounds, half_width: f32, stroke: u32) {
        let tile = TILE as f64;
        let least = bounds
            .least
            .map(|side| (side / tile).floor().max(0.0) as usize);
        let most = [0, 1].map(|axis| {
            let last = (bounds.most[axis] / tile).floor();
            (last.max(-1.0) + 1.0).min(self.tiles[axis] as f64) as usize
        });
        if least[0] >= most[0] || least[1] >= most[1] {
            return;
        }
        let side = (most[0] - least[0])
            .max(most[1] - least[1])
            .next_power_of_two();
        let visit = Visit {
            least,
            most,
            half_width,
            stroke,
        };
        for row in least[1] / side..=(most[1] - 1) / side {
            for column in least[0] / side..=(most[0] - 1) / side {
                let block = Block {
                    column: column * side,
                    row: row * side,
                    side,
                };
                self.quarter(block, 0, &visit);
            }
        }
    }

    /// Sorts the candidates from `first` on, which are those of the block around this one.
    fn quarter(&mut self, block: Block, first: usize, visit: &Visit) {
        let [column, row] = [block.column, block.row];
        if column >= visit.most[0]
            || row >= visit.most[1]
            || column + block.side <= visit.least[0]
            || row + block.side <= visit.least[1]
        {
            return;
        }
        let extent = (block.side * TILE) as f32;
        let center = [column, row].map(|tile| (tile * TILE) as f32 + 0.5 * extent);
        let half_side = 0.5 * (extent - SAMPLE_INSET);
        let reach = half_side * std::f32::consts::SQRT_2;
        let last = self.pending.len();
        let nearest = self.measure(center, first, last);
        if nearest > visit.half_width + PIXEL_REACH + reach {
            return;
        }
        if nearest + reach <= visit.half_width - PIXEL_REACH {
            self.emit_solid(block, visit.stroke);
            return;
        }
        let farthest = (nearest + 2.0 * reach).min(visit.half_width + PIXEL_REACH + reach);
        self.keep(farthest + ROUNDING, first..last);
        if block.side == 1 {
            self.leave_out_neighbours(center, half_side, last);
            self.emit(block, last, visit.stroke);
        } else {
            let side = block.side / 2;
            for (right, down) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                let quarter = Block {
                    column: column + right * side,
                    row: row + down * side,
                    side,
                };
                self.quarter(quarter, last, visit);
            }
        }
        self.pending.truncate(last);
    }

    /// The distances from `center` to the candidates, and the least of them.
    fn measure(&mut self, center: [f32; 2], first: usize, last: usize) -> f32 {
        self.distances.clear();
        let chords = &self.group.chords;
        let mut least = f32::INFINITY;
        self.distances
            .extend(self.pending[first..last].iter().map(|index| {
                let distance = square_distance(&chords[*index as usize], center);
                least = least.min(distance);
                distance
            }));
        least.sqrt()
    }

    /// Appends those candidates that are no farther away than `farthest`.
    fn keep(&mut self, farthest: f32, range: std::ops::Range<usize>) {
        let farthest_square = farthest * farthest;
        for (distance, place) in self.distances.iter().zip(range) {
            if *distance <= farthest_square {
                self.pending.push(self.pending[place]);
            }
        }
    }

    /// Leaves out the candidates from `first` on that a neighbour can stand in for.
    ///
    /// A chord whose slab, the strip across it between its ends, lies beside the block could be
    /// nearest only with the end that faces the block. The neighbour has the same point, so the
    /// chord is left out unless the neighbour is left out for the same point.
    fn leave_out_neighbours(&mut self, center: [f32; 2], half_side: f32, first: usize) {
        let chords = &self.group.chords;
        let mut kept = first;
        let mut left_out_by_end = None;
        for place in first..self.pending.len() {
            let index = self.pending[place];
            let chord = &chords[index as usize];
            let [from, to] = slab(chord, center, half_side);
            let has_next = chords
                .get(index as usize + 1)
                .is_some_and(|next| next.continues);
            if from > 1.0 && has_next {
                left_out_by_end = Some(index + 1);
            } else if to >= 0.0 || !chord.continues || left_out_by_end == Some(index) {
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
        let entry = Entry {
            stroke,
            first: self.group.candidates.len() as u32,
            count: candidates.len() as u32,
        };
        self.group.candidates.extend_from_slice(candidates);
        let tile = block.row * self.tiles[0] + block.column;
        self.group.entries.push((tile as u32, entry));
    }

    fn emit_solid(&mut self, block: Block, stroke: u32) {
        let entry = Entry {
            stroke,
            first: 0,
            count: 0,
        };
        for row in block.row..(block.row + block.side).min(self.tiles[1]) {
            for column in block.column..(block.column + block.side).min(self.tiles[0]) {
                let tile = row * self.tiles[0] + column;
                self.group.entries.push((tile as u32, entry));
            }
        }
    }
}

/// What stays the same while one stroke is sorted.
#[derive(Debug)]
struct Visit {
    /// The first column and row of tiles within the stroke's bounds, and those after the last.
    least: [usize; 2],
    most: [usize; 2],
    half_width: f32,
    stroke: u32,
}

/// No sample lies closer to the edge of its tile than half of this.
const SAMPLE_INSET: f32 = 0.5;

/// Room for the rounding of distances.
const ROUNDING: f32 = 0.01;

/// Whether a chord of any size comes as near to `center` as `distance`.
fn is_within(chord: &Chord, center: [f64; 2], distance: f32) -> bool {
    let [x, y] = [0, 1].map(|axis| center[axis] - f64::from(chord.start[axis]));
    let [right, down] = chord.reach.map(f64::from);
    let square = right * right + down * down;
    let along = if square > 0.0 {
        ((x * right + y * down) / square).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (x - along * right).hypot(y - along * down) <= f64::from(distance)
}

fn square_distance(chord: &Chord, position: [f32; 2]) -> f32 {
    let x = position[0] - chord.start[0];
    let y = position[1] - chord.start[1];
    let along = (x * chord.reach[0] + y * chord.reach[1]) * chord.inverse_square;
    let along = along.clamp(0.0, 1.0);
    let (x, y) = (x - along * chord.reach[0], y - along * chord.reach[1]);
    x * x + y * y
}

/// The least and the greatest place along a chord, 0 at its start and 1 at its end, above which a
/// sample of a block can lie.
fn slab(chord: &Chord, center: [f32; 2], half_side: f32) -> [f32; 2] {
    let [x, y] = chord.reach;
    let along = (center[0] - chord.start[0]) * x + (center[1] - chord.start[1]) * y;
    let spread = half_side * (x.abs() + y.abs());
    [along - spread, along + spread].map(|place| place * chord.inverse_square)
}
