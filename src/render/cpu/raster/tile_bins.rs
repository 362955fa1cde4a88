//! Which strokes touch which tile of the canvas, and with which of their chords.

use rayon::prelude::*;

use super::binner::{Binner, Group, TileStroke};
use super::chord::{Chord, ChordWeights};
use super::lanes::TILE;
use crate::scene::{Canvas, Strokes};

/// The number of strokes that one parallel task flattens and bins. A group fixes the order of its
/// chords, whichever thread works on it.
const STROKES_PER_GROUP: usize = 8;

/// The strokes of every tile: all that the forward and the backward pass share.
#[derive(Debug)]
pub(super) struct TileBins {
    /// Columns and rows of tiles.
    pub(super) tiles: [usize; 2],
    groups: Vec<Group>,
    /// For each group the number of chords in the groups before it.
    first_chords: Vec<u32>,
    /// `tile_strokes[first_of_tile[tile]..first_of_tile[tile + 1]]` lie on a tile, the lowest first.
    first_of_tile: Vec<u32>,
    tile_strokes: Vec<TileStroke>,
}

impl TileBins {
    /// Flattens the strokes and bins them into tiles.
    pub(super) fn new(strokes: &Strokes, canvas: &Canvas) -> Self {
        let tiles = [canvas.width, canvas.height].map(|side| (side as usize).div_ceil(TILE));
        let canvas_size = [canvas.width, canvas.height].map(f64::from);
        let group_count = strokes.len().div_ceil(STROKES_PER_GROUP);
        let groups: Vec<Group> = (0..group_count)
            .into_par_iter()
            .map_init(
                || Binner::new(tiles, canvas_size),
                |binner, group| {
                    let first = group * STROKES_PER_GROUP;
                    for stroke in first..strokes.len().min(first + STROKES_PER_GROUP) {
                        binner.add(strokes, stroke);
                    }
                    binner.take_group()
                },
            )
            .collect();
        let (first_of_tile, tile_strokes) = by_tile(&groups, tiles[0] * tiles[1]);
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
            first_of_tile,
            tile_strokes,
        }
    }

    /// The strokes on a tile, the lowest first.
    pub(super) fn strokes_on(&self, tile: usize) -> &[TileStroke] {
        &self.tile_strokes[self.first_of_tile[tile] as usize..self.first_of_tile[tile + 1] as usize]
    }

    /// The number of chords of all strokes together.
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

    /// How all chords depend on control points, in the order of chord ids.
    pub(super) fn weights(&self) -> impl Iterator<Item = &ChordWeights> {
        self.groups.iter().flat_map(|group| &group.chords.weights)
    }

    /// The chords of a stroke that can be nearest to a sample of the tile.
    pub(super) fn candidates(&self, tile_stroke: &TileStroke) -> impl Iterator<Item = &Chord> {
        let group = &self.groups[tile_stroke.stroke as usize / STROKES_PER_GROUP];
        let indices = &group.candidates[tile_stroke.candidates()];
        indices
            .iter()
            .map(|index| &group.chords.chords[*index as usize])
    }

    /// The ids of the same chords: their indices among the chords of all strokes.
    pub(super) fn chord_ids(&self, tile_stroke: &TileStroke) -> impl Iterator<Item = u32> {
        let group = tile_stroke.stroke as usize / STROKES_PER_GROUP;
        let indices = &self.groups[group].candidates[tile_stroke.candidates()];
        indices
            .iter()
            .map(move |index| self.first_chords[group] + index)
    }
}

/// Sorts the tile strokes of all groups by tile. A counting sort is stable: within a tile they stay
/// in painter's order, in which the groups list them.
fn by_tile(groups: &[Group], tile_count: usize) -> (Vec<u32>, Vec<TileStroke>) {
    let mut first_of_tile = vec![0_u32; tile_count + 1];
    for (tile, _) in groups.iter().flat_map(|group| &group.tile_strokes) {
        first_of_tile[*tile as usize + 1] += 1;
    }
    for tile in 0..tile_count {
        first_of_tile[tile + 1] += first_of_tile[tile];
    }
    let mut tile_strokes = vec![TileStroke::default(); first_of_tile[tile_count] as usize];
    let mut next = first_of_tile.clone();
    for (tile, tile_stroke) in groups.iter().flat_map(|group| &group.tile_strokes) {
        let slot = &mut next[*tile as usize];
        tile_strokes[*slot as usize] = *tile_stroke;
        *slot += 1;
    }
    (first_of_tile, tile_strokes)
}
