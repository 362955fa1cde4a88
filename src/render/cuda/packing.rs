//! What is sent to the device: scenes as the kernels read them, and how large everything is.

use super::layout::SIZES;
use super::source::{COLOR, HALF_WIDTH, MAX_POINTS, STROKE_STRIDE, TILE};
use crate::render::view::{Pooling, ViewTransform};
use crate::render::{RenderError, Scene};
use crate::scene::{Canvas, StrokeGradient, Strokes};

/// Where something starts in an [`Upload`], in bytes. Doubles need 8; 16 is what a device reads at once.
const ALIGNMENT: usize = 16;

/// Several parts that are sent to the device in one piece, because every copy has a fixed cost.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Upload {
    pub(super) bytes: Vec<u8>,
}

/// Where the parts of a batch start in its upload, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Starts {
    pub(super) scenes: usize,
    pub(super) parameters: usize,
    pub(super) point_counts: usize,
    pub(super) views: usize,
}

/// How many there are of everything in all scenes together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) scenes: usize,
    pub(super) strokes: usize,
    /// One more for each scene than it has tiles.
    pub(super) starts: usize,
    pub(super) words: usize,
    /// Numbers: three for each pixel.
    pub(super) picture_values: usize,
    /// The same for pooled pictures, of the scenes that are pooled.
    pub(super) pooled_values: usize,
    pub(super) views: usize,
}

/// The most that any scene has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Largest {
    pub(super) strokes: usize,
    pub(super) tiles: usize,
    /// Words of all tiles together.
    pub(super) words: usize,
    /// Pixels of what views are sampled from.
    pub(super) seen_area: usize,
    /// Pixels of the pooled picture of a scene that is pooled; 0 if none is.
    pub(super) pooled_area: usize,
    /// Pixels of the canvas of a scene that is pooled; 0 if none is.
    pub(super) pooled_canvas_area: usize,
    pub(super) views: usize,
    /// Samples of a view along an axis of a pixel.
    pub(super) samples: usize,
}

/// A batch before it is on the device.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) upload: Upload,
    pub(super) starts: Starts,
    pub(super) totals: Totals,
    pub(super) largest: Largest,
    /// The number of control points of every stroke, for each scene.
    shapes: Vec<Vec<usize>>,
}

impl Packed {
    /// Packs scenes whose views have `side` by `side` pixels.
    ///
    /// # Errors
    /// When a stroke has too many control points, or the scenes together are too large for 32-bit indices.
    pub(super) fn new(scenes: &[Scene<'_>], side: usize) -> Result<Self, RenderError> {
        let (totals, largest) = sizes(scenes, side)?;
        let mut layouts = Words::default();
        let mut parameters = Words::default();
        let mut point_counts = Words::default();
        let mut views = Words::default();
        let mut shapes = Vec::with_capacity(scenes.len());
        let mut before = Totals::default();
        for scene in scenes {
            layouts.push_layout(scene, side, &before)?;
            before.add(scene, side);
            let shape = parameters.push_strokes(scene.strokes)?;
            point_counts.push_ints(&shape)?;
            shapes.push(shape);
            views.push_views(scene.views, scene.canvas, side)?;
        }
        let mut upload = Upload::default();
        let starts = Starts {
            scenes: upload.append(&layouts),
            parameters: upload.append(&parameters),
            point_counts: upload.append(&point_counts),
            views: upload.append(&views),
        };
        Ok(Self {
            upload,
            starts,
            totals,
            largest,
            shapes,
        })
    }

    /// The gradient of each scene, from the parameters' gradients of all strokes.
    pub(super) fn unpack(&self, values: &[f32]) -> Vec<StrokeGradient> {
        let mut rows = values.chunks_exact(STROKE_STRIDE);
        let gradient = |shape: &Vec<usize>| {
            let mut gradient = StrokeGradient::default();
            for (points, row) in shape.iter().zip(rows.by_ref()) {
                let (coordinates, _) = row.as_chunks::<2>();
                gradient.points.extend_from_slice(&coordinates[..*points]);
                gradient.half_widths.push(row[HALF_WIDTH]);
                let color = [0, 1, 2, 3].map(|channel| row[COLOR + channel]);
                gradient.colors.push(color);
            }
            gradient
        };
        self.shapes.iter().map(gradient).collect()
    }
}

/// How large some scenes are, with views of `side` by `side` pixels.
///
/// # Errors
/// When they are too large together for 32-bit indices.
pub(super) fn sizes(scenes: &[Scene<'_>], side: usize) -> Result<(Totals, Largest), RenderError> {
    let mut totals = Totals::default();
    let mut largest = Largest::default();
    for scene in scenes {
        largest.include(scene, side);
        totals.add(scene, side);
    }
    // The largest index into memory; all others are of 64 bits.
    index(totals.picture_values.max(totals.views * 3 * side * side))?;
    Ok((totals, largest))
}

impl Upload {
    /// Adds a part, and returns where it starts.
    pub(super) fn append(&mut self, part: &Words) -> usize {
        let start = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(&part.0);
        start
    }
}

impl Totals {
    pub(super) fn add(&mut self, scene: &Scene<'_>, side: usize) {
        let size = SceneSize::of(scene, side);
        self.scenes += 1;
        self.strokes += scene.strokes.len();
        self.starts += size.tiles() + 1;
        self.words += size.tiles() * size.words;
        self.picture_values += 3 * size.area();
        self.pooled_values += 3 * size.pooling.pooled_area();
        self.views += scene.views.len();
    }
}

impl Largest {
    fn include(&mut self, scene: &Scene<'_>, side: usize) {
        let size = SceneSize::of(scene, side);
        self.strokes = self.strokes.max(scene.strokes.len());
        self.tiles = self.tiles.max(size.tiles());
        self.words = self.words.max(size.tiles() * size.words);
        self.seen_area = self.seen_area.max(size.seen_area());
        let pooled_area = size.pooling.pooled_area();
        if pooled_area > 0 {
            self.pooled_area = self.pooled_area.max(pooled_area);
            self.pooled_canvas_area = self.pooled_canvas_area.max(size.area());
        }
        self.views = self.views.max(scene.views.len());
        self.samples = self
            .samples
            .max(max_samples(scene.views, scene.canvas, side));
    }
}

/// The sizes of one scene.
struct SceneSize {
    /// Pixels.
    canvas: [usize; 2],
    /// Columns and rows of tiles.
    tiles: [usize; 2],
    /// Words of 32 bits, one bit for each stroke; at least one, so that the kernels can divide by it.
    words: usize,
    pooling: Pooling,
}

impl SceneSize {
    fn of(scene: &Scene<'_>, side: usize) -> Self {
        let canvas = [scene.canvas.width, scene.canvas.height].map(|side| side as usize);
        Self {
            canvas,
            tiles: canvas.map(|side| side.div_ceil(TILE)),
            words: scene.strokes.len().div_ceil(32).max(1),
            pooling: Pooling::new(side, canvas[0], canvas[1]),
        }
    }

    fn tiles(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    fn area(&self) -> usize {
        self.canvas[0] * self.canvas[1]
    }

    fn seen_area(&self) -> usize {
        self.pooling.width() * self.pooling.height()
    }
}

/// The most samples of any of some views along an axis of a pixel, at least 1.
pub(super) fn max_samples(views: &[ViewTransform], canvas: &Canvas, side: usize) -> usize {
    let [width, height] = [canvas.width, canvas.height].map(|length| length as usize);
    let samples = views
        .iter()
        .map(|view| view.sampling(side, width, height).samples);
    samples.max().unwrap_or(1)
}

/// Bytes as the kernels read them.
#[derive(Debug, Default)]
pub(super) struct Words(pub(super) Vec<u8>);

impl Words {
    pub(super) fn push_int(&mut self, value: usize) -> Result<(), RenderError> {
        self.0.extend(index(value)?.to_ne_bytes());
        Ok(())
    }

    pub(super) fn push_ints(&mut self, values: &[usize]) -> Result<(), RenderError> {
        values.iter().try_for_each(|value| self.push_int(*value))
    }

    pub(super) fn push_float(&mut self, value: f32) {
        self.0.extend(value.to_ne_bytes());
    }

    pub(super) fn push_double(&mut self, value: f64) {
        self.0.extend(value.to_ne_bytes());
    }

    /// A `SceneLayout`, after the scenes that are counted in `before`.
    pub(super) fn push_layout(
        &mut self,
        scene: &Scene<'_>,
        side: usize,
        before: &Totals,
    ) -> Result<(), RenderError> {
        let size = SceneSize::of(scene, side);
        let start = self.0.len();
        for value in [
            size.canvas[0],
            size.canvas[1],
            size.tiles[0],
            size.tiles[1],
            scene.strokes.len(),
            size.words,
            before.strokes,
            before.starts,
            before.words,
            before.picture_values,
            before.views,
            scene.views.len(),
            size.pooling.width(),
            size.pooling.height(),
            size.pooling.halvings() as usize,
            before.pooled_values,
        ] {
            self.push_int(value)?;
        }
        for channel in scene.canvas.background.channels() {
            self.push_float(channel);
        }
        debug_assert_eq!(self.0.len() - start, SIZES.scene_layout);
        Ok(())
    }

    /// The numbers of all strokes; returns how many control points each has.
    pub(super) fn push_strokes(&mut self, strokes: &Strokes) -> Result<Vec<usize>, RenderError> {
        let shape = shape_of(strokes)?;
        for stroke in 0..strokes.len() {
            let mut row = [0.0; STROKE_STRIDE];
            let coordinates = strokes.points_of(stroke).as_flattened();
            row[..coordinates.len()].copy_from_slice(coordinates);
            row[HALF_WIDTH] = strokes.half_widths[stroke];
            row[COLOR..COLOR + 4].copy_from_slice(&strokes.colors[stroke]);
            for number in row {
                self.push_float(number);
            }
        }
        Ok(shape)
    }

    /// A `View` for each view.
    pub(super) fn push_views(
        &mut self,
        views: &[ViewTransform],
        canvas: &Canvas,
        side: usize,
    ) -> Result<(), RenderError> {
        let [width, height] = [canvas.width, canvas.height].map(|length| length as usize);
        for view in views {
            let start = self.0.len();
            let sampling = view.sampling(side, width, height);
            for number in sampling.source.rows().as_flattened() {
                self.push_double(*number);
            }
            for number in sampling.source.adjugate().as_flattened() {
                self.push_float(*number as f32);
            }
            self.push_int(sampling.samples)?;
            debug_assert_eq!(self.0.len() - start, SIZES.view);
        }
        Ok(())
    }
}

/// The number of control points of every stroke.
pub(super) fn shape_of(strokes: &Strokes) -> Result<Vec<usize>, RenderError> {
    let points = (0..strokes.len()).map(|stroke| match strokes.points_of(stroke).len() {
        found if found > MAX_POINTS => Err(RenderError::TooManyPoints {
            found,
            limit: MAX_POINTS,
        }),
        points => Ok(points),
    });
    points.collect()
}

/// A number as an index of the kernels.
fn index(value: usize) -> Result<i32, RenderError> {
    i32::try_from(value).map_err(|_| RenderError::BatchTooLarge)
}
