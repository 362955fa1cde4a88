//! The source of the kernels.

use std::fmt::Write;

use crate::optimizer::{BETA_1, BETA_2, EPSILON};

/// The side of a tile in pixels.
pub(super) const TILE: usize = 8;

/// The pixels of a tile, and the threads of a block that works on one.
const PIXELS: usize = TILE * TILE;

/// The numbers of a stroke in memory: up to 20 coordinates, the half width, red, green, blue and
/// opacity. The rest is unused; a warp reads the numbers of one stroke at once.
pub(super) const STROKE_STRIDE: usize = 32;

/// The place of the half width among the numbers of a stroke, after the coordinates of the most control points.
pub(super) const HALF_WIDTH: usize = 2 * MAX_POINTS;

/// The place of the color.
pub(super) const COLOR: usize = HALF_WIDTH + 1;

/// The numbers that are used.
const PARAMETERS: usize = COLOR + 4;

/// The most control points of a stroke: three cubic segments.
pub(super) const MAX_POINTS: usize = 10;

/// Places in what a scene needs: chords of its longest stroke, and tile strokes.
pub(super) const NEEDED_CHORDS: usize = 0;
pub(super) const NEEDED_TILE_STROKES: usize = 1;

/// The threads of a warp.
const WARP: usize = 32;

/// The threads that count the tile strokes of a scene.
const COUNT_THREADS: usize = 256;

/// The threads of a block that works on pixels of views or pictures.
pub(super) const VIEW_THREADS: usize = 128;

/// The threads of a block that moves the numbers of strokes.
pub(super) const UPDATE_THREADS: usize = 256;

/// Which gradient was not finite; that of the penalty is reported if both were not.
pub(super) const FROM_VIEWS: usize = 1;
pub(super) const FROM_PENALTY: usize = 2;

/// What the source does not define itself.
const DEFINITIONS: [(&str, usize); 14] = [
    ("TILE", TILE),
    ("PIXELS", PIXELS),
    ("STROKE_STRIDE", STROKE_STRIDE),
    ("HALF_WIDTH", HALF_WIDTH),
    ("COLOR", COLOR),
    ("PARAMETERS", PARAMETERS),
    ("NEEDED_CHORDS", NEEDED_CHORDS),
    ("NEEDED_TILE_STROKES", NEEDED_TILE_STROKES),
    ("WARP", WARP),
    ("COUNT_THREADS", COUNT_THREADS),
    ("VIEW_THREADS", VIEW_THREADS),
    ("UPDATE_THREADS", UPDATE_THREADS),
    ("FROM_VIEWS", FROM_VIEWS),
    ("FROM_PENALTY", FROM_PENALTY),
];

/// The same for numbers in double precision.
const REAL_DEFINITIONS: [(&str, f64); 3] =
    [("BETA_1", BETA_1), ("BETA_2", BETA_2), ("EPSILON", EPSILON)];

const FILES: [&str; 9] = [
    include_str!("kernels/batch.cu"),
    include_str!("kernels/flatten.cu"),
    include_str!("kernels/bin.cu"),
    include_str!("kernels/coverage.cu"),
    include_str!("kernels/composite.cu"),
    include_str!("kernels/coverage_backward.cu"),
    include_str!("kernels/pool.cu"),
    include_str!("kernels/views.cu"),
    include_str!("kernels/update.cu"),
];

/// A kernel. What each does is listed in `kernels/batch.cu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the list is in `kernels/batch.cu`")]
pub enum Kernel {
    Flatten,
    BinStrokes,
    CountTileStrokes,
    ListTileStrokes,
    CoverageForward,
    CompositeForward,
    PoolForward,
    ViewsForward,
    ViewsBackward,
    PoolBackward,
    CompositeBackward,
    CoverageBackward,
    SumTileStrokes,
    UpdateMoments,
    UpdateStrokes,
}

impl Kernel {
    /// All kernels, in the order of the enum.
    pub const ALL: [Self; 15] = [
        Self::Flatten,
        Self::BinStrokes,
        Self::CountTileStrokes,
        Self::ListTileStrokes,
        Self::CoverageForward,
        Self::CompositeForward,
        Self::PoolForward,
        Self::ViewsForward,
        Self::ViewsBackward,
        Self::PoolBackward,
        Self::CompositeBackward,
        Self::CoverageBackward,
        Self::SumTileStrokes,
        Self::UpdateMoments,
        Self::UpdateStrokes,
    ];

    /// The name of the function in the source.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flatten => "flatten",
            Self::BinStrokes => "bin_strokes",
            Self::CountTileStrokes => "count_tile_strokes",
            Self::ListTileStrokes => "list_tile_strokes",
            Self::CoverageForward => "coverage_forward",
            Self::CompositeForward => "composite_forward",
            Self::PoolForward => "pool_forward",
            Self::ViewsForward => "views_forward",
            Self::ViewsBackward => "views_backward",
            Self::PoolBackward => "pool_backward",
            Self::CompositeBackward => "composite_backward",
            Self::CoverageBackward => "coverage_backward",
            Self::SumTileStrokes => "sum_tile_strokes",
            Self::UpdateMoments => "update_moments",
            Self::UpdateStrokes => "update_strokes",
        }
    }

    /// The threads of a block.
    pub fn threads(self) -> usize {
        match self {
            Self::Flatten
            | Self::BinStrokes
            | Self::ListTileStrokes
            | Self::SumTileStrokes
            | Self::UpdateMoments => WARP,
            Self::CountTileStrokes => COUNT_THREADS,
            Self::CoverageForward
            | Self::CompositeForward
            | Self::CompositeBackward
            | Self::CoverageBackward => PIXELS,
            Self::PoolForward | Self::ViewsForward | Self::ViewsBackward | Self::PoolBackward => {
                VIEW_THREADS
            }
            Self::UpdateStrokes => UPDATE_THREADS,
        }
    }
}

/// The whole source: definitions that it shares with this program, then the files one after the other.
pub fn kernel_source() -> String {
    let mut source = String::new();
    for (name, value) in DEFINITIONS {
        writeln!(source, "#define {name} {value}").expect("a string takes any text");
    }
    for (name, value) in REAL_DEFINITIONS {
        writeln!(source, "#define {name} {value:?}").expect("a string takes any text");
    }
    source.extend(FILES);
    source
}
