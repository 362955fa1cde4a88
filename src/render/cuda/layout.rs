//! What the kernels get, as `kernels/batch.cu` declares it.

use std::ptr;

use cudarc::driver::DeviceRepr;

/// The argument of every kernel: where everything is on the device, and how much room there is.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Batch {
    pub(super) scenes: *mut f32,
    pub(super) parameters: *mut f32,
    pub(super) point_counts: *mut f32,
    pub(super) views: *mut f32,
    pub(super) needed: *mut f32,
    pub(super) chords: *mut f32,
    pub(super) chord_counts: *mut f32,
    pub(super) tile_bounds: *mut f32,
    pub(super) bits: *mut f32,
    pub(super) starts: *mut f32,
    pub(super) tile_strokes: *mut f32,
    pub(super) coverage: *mut f32,
    pub(super) pictures: *mut f32,
    pub(super) pooled_pictures: *mut f32,
    pub(super) sources: *mut f32,
    pub(super) view_pixels: *mut f32,
    pub(super) view_gradient: *mut f32,
    pub(super) picture_gradient: *mut f32,
    pub(super) pooled_gradient: *mut f32,
    pub(super) transmittance: *mut f32,
    pub(super) paint_gradient: *mut f32,
    pub(super) contributions: *mut f32,
    pub(super) parameter_gradient: *mut f32,
    pub(super) updates: *mut f32,
    pub(super) rates: *mut f32,
    pub(super) means: *mut f32,
    pub(super) squares: *mut f32,
    pub(super) penalties: *mut f32,
    pub(super) not_finite: *mut f32,
    pub(super) max_chords: i32,
    pub(super) max_tile_strokes: i32,
    pub(super) side: i32,
    pub(super) max_samples: i32,
}

#[allow(
    unsafe_code,
    reason = "pointers and integers in the layout of C, as the kernels declare them; a test compares the sizes"
)]
unsafe impl DeviceRepr for Batch {}

impl Batch {
    /// A batch without memory.
    pub(super) fn empty() -> Self {
        Self {
            scenes: ptr::null_mut(),
            parameters: ptr::null_mut(),
            point_counts: ptr::null_mut(),
            views: ptr::null_mut(),
            needed: ptr::null_mut(),
            chords: ptr::null_mut(),
            chord_counts: ptr::null_mut(),
            tile_bounds: ptr::null_mut(),
            bits: ptr::null_mut(),
            starts: ptr::null_mut(),
            tile_strokes: ptr::null_mut(),
            coverage: ptr::null_mut(),
            pictures: ptr::null_mut(),
            pooled_pictures: ptr::null_mut(),
            sources: ptr::null_mut(),
            view_pixels: ptr::null_mut(),
            view_gradient: ptr::null_mut(),
            picture_gradient: ptr::null_mut(),
            pooled_gradient: ptr::null_mut(),
            transmittance: ptr::null_mut(),
            paint_gradient: ptr::null_mut(),
            contributions: ptr::null_mut(),
            parameter_gradient: ptr::null_mut(),
            updates: ptr::null_mut(),
            rates: ptr::null_mut(),
            means: ptr::null_mut(),
            squares: ptr::null_mut(),
            penalties: ptr::null_mut(),
            not_finite: ptr::null_mut(),
            max_chords: 0,
            max_tile_strokes: 0,
            side: 0,
            max_samples: 0,
        }
    }
}

/// The sizes in bytes of what is shared with the kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Sizes {
    /// `SceneLayout`: 16 integers and 3 floats.
    pub scene_layout: usize,
    /// `View`: 9 doubles, 9 floats and an integer.
    pub view: usize,
    /// `Chord`: 16 numbers.
    pub chord: usize,
    /// `TileStroke`: 2 integers.
    pub tile_stroke: usize,
    /// `SceneUpdate`: 6 doubles, 2 floats and 2 integers.
    pub scene_update: usize,
    /// `StepRates`: 2 doubles and 4 floats.
    pub step_rates: usize,
    /// [`Batch`].
    pub batch: usize,
}

/// The sizes that this program writes.
pub const SIZES: Sizes = Sizes {
    scene_layout: 19 * 4,
    view: 9 * 8 + 9 * 4 + 4,
    chord: 16 * 4,
    tile_stroke: 2 * 4,
    scene_update: 6 * 8 + 2 * 4 + 2 * 4,
    step_rates: 2 * 8 + 4 * 4,
    batch: size_of::<Batch>(),
};
