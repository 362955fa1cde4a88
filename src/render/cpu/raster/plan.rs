//! Which strokes touch which tile of the canvas, and with which of their chords.

use rayon::prelude::*;

use super::chord::{Chord, Origin};
use super::lanes::TILE;
use super::sorter::{Entry, Group, Sorter};
use crate::scene::{Canvas, Strokes};

/// Strokes that are flattened and sorted into tiles by one piece of work.
const STROKES_PER_GROUP: usize = 8;

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
                *before += group.chords.chords.len() as u32;
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
        self.groups
            .iter()
            .map(|group| group.chords.chords.len())
            .sum()
    }

    /// All chords, in order.
    #[cfg(test)]
    pub(super) fn chords(&self) -> impl Iterator<Item = &Chord> {
        self.groups.iter().flat_map(|group| &group.chords.chords)
    }

    /// How all chords depend on control points, in order.
    pub(super) fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.groups.iter().flat_map(|group| &group.chords.origins)
    }

    /// The chords of a stroke that matter to an entry of it.
    pub(super) fn candidates(&self, entry: &Entry) -> impl Iterator<Item = &Chord> {
        let group = &self.groups[entry.stroke as usize / STROKES_PER_GROUP];
        let indices = &group.candidates[entry.candidates()];
        indices
            .iter()
            .map(|index| &group.chords.chords[*index as usize])
    }

    /// The places of the same chords among all chords.
    pub(super) fn places(&self, entry: &Entry) -> impl Iterator<Item = u32> {
        let group = entry.stroke as usize / STROKES_PER_GROUP;
        let indices = &self.groups[group].candidates[entry.candidates()];
        indices
            .iter()
            .map(move |index| self.first_chords[group] + index)
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
    let mut entries = vec![Entry::default(); first_entries[tile_count] as usize];
    let mut next = first_entries.clone();
    for (tile, entry) in groups.iter().flat_map(|group| &group.entries) {
        let place = &mut next[*tile as usize];
        entries[*place as usize] = *entry;
        *place += 1;
    }
    (first_entries, entries)
}
