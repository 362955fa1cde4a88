//! The memory of a batch: what is sent to the device, and how large everything else is.

use crate::render::{RenderError, Scene};
use crate::scene::{StrokeGradient, Strokes};

use super::layout::SIZES;
use super::source::{COLOR, HALF_WIDTH, MAX_POINTS, STROKE_STRIDE, TILE};

/// Where something starts in an [`Upload`], in bytes. Doubles need 8; 16 is what a device reads at once.
const ALIGNMENT: usize = 16;

/// Everything that a batch sends to the device, in one piece, because every copy has a fixed cost.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) bytes: Vec<u8>,
    /// Where each part starts.
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
    pub(super) views: usize,
}

/// The most that any scene has.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Largest {
    pub(super) strokes: usize,
    pub(super) tiles: usize,
    /// Words of all tiles together.
    pub(super) words: usize,
    pub(super) area: usize,
    pub(super) views: usize,
    /// Samples of a view along an axis of a pixel.
    pub(super) samples: usize,
}

/// A batch before it is on the device.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) upload: Upload,
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
        let mut totals = Totals::default();
        let mut largest = Largest::default();
        let mut layouts = Words::default();
        let mut parameters = Words::default();
        let mut point_counts = Words::default();
        let mut views = Words::default();
        let mut shapes = Vec::with_capacity(scenes.len());
        for scene in scenes {
            layouts.push_layout(scene, &totals)?;
            let shape = parameters.push_strokes(scene.strokes)?;
            for points in &shape {
                point_counts.push_int(*points)?;
            }
            shapes.push(shape);
            let samples = views.push_views(scene, side)?;
            largest.include(scene, samples);
            totals.add(scene);
        }
        // The largest index into memory; all others are of 64 bits.
        index(totals.picture_values.max(totals.views * 3 * side * side))?;
        let mut upload = Upload {
            bytes: Vec::new(),
            scenes: 0,
            parameters: 0,
            point_counts: 0,
            views: 0,
        };
        upload.scenes = upload.append(&layouts);
        upload.parameters = upload.append(&parameters);
        upload.point_counts = upload.append(&point_counts);
        upload.views = upload.append(&views);
        Ok(Self {
            upload,
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

impl Upload {
    fn append(&mut self, part: &Words) -> usize {
        let start = self.bytes.len().next_multiple_of(ALIGNMENT);
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(&part.0);
        start
    }
}

impl Totals {
    fn add(&mut self, scene: &Scene<'_>) {
        let size = SceneSize::of(scene);
        self.scenes += 1;
        self.strokes += scene.strokes.len();
        self.starts += size.tiles() + 1;
        self.words += size.tiles() * size.words;
        self.picture_values += 3 * size.area();
        self.views += scene.views.len();
    }
}

impl Largest {
    fn include(&mut self, scene: &Scene<'_>, samples: usize) {
        let size = SceneSize::of(scene);
        self.strokes = self.strokes.max(scene.strokes.len());
        self.tiles = self.tiles.max(size.tiles());
        self.words = self.words.max(size.tiles() * size.words);
        self.area = self.area.max(size.area());
        self.views = self.views.max(scene.views.len());
        self.samples = self.samples.max(samples);
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
}

impl SceneSize {
    fn of(scene: &Scene<'_>) -> Self {
        let canvas = [scene.canvas.width, scene.canvas.height].map(|side| side as usize);
        Self {
            canvas,
            tiles: canvas.map(|side| side.div_ceil(TILE)),
            words: scene.strokes.len().div_ceil(32).max(1),
        }
    }

    fn tiles(&self) -> usize {
        self.tiles[0] * self.tiles[1]
    }

    fn area(&self) -> usize {
        self.canvas[0] * self.canvas[1]
    }
}

/// Bytes as the kernels read them.
#[derive(Debug, Default)]
struct Words(Vec<u8>);

impl Words {
    fn push_int(&mut self, value: usize) -> Result<(), RenderError> {
        self.0.extend(index(value)?.to_ne_bytes());
        Ok(())
    }

    fn push_float(&mut self, value: f32) {
        self.0.extend(value.to_ne_bytes());
    }

    /// A `SceneLayout`, after the scenes that are counted in `before`.
    fn push_layout(&mut self, scene: &Scene<'_>, before: &Totals) -> Result<(), RenderError> {
        let size = SceneSize::of(scene);
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
    fn push_strokes(&mut self, strokes: &Strokes) -> Result<Vec<usize>, RenderError> {
        let mut shape = Vec::with_capacity(strokes.len());
        for stroke in 0..strokes.len() {
            let points = strokes.points_of(stroke);
            if points.len() > MAX_POINTS {
                return Err(RenderError::TooManyPoints {
                    found: points.len(),
                    limit: MAX_POINTS,
                });
            }
            let mut row = [0.0; STROKE_STRIDE];
            let coordinates = points.as_flattened();
            row[..coordinates.len()].copy_from_slice(coordinates);
            row[HALF_WIDTH] = strokes.half_widths[stroke];
            row[COLOR..COLOR + 4].copy_from_slice(&strokes.colors[stroke]);
            for number in row {
                self.push_float(number);
            }
            shape.push(points.len());
        }
        Ok(shape)
    }

    /// A `View` for each of a scene; returns the most samples along an axis.
    fn push_views(&mut self, scene: &Scene<'_>, side: usize) -> Result<usize, RenderError> {
        let [width, height] = SceneSize::of(scene).canvas;
        let mut most = 1;
        for view in scene.views {
            let start = self.0.len();
            let sampling = view.sampling(side, width, height);
            for number in sampling.source.rows().as_flattened() {
                self.0.extend(number.to_ne_bytes());
            }
            for number in sampling.source.adjugate().as_flattened() {
                self.push_float(*number as f32);
            }
            self.push_int(sampling.samples)?;
            most = most.max(sampling.samples);
            debug_assert_eq!(self.0.len() - start, SIZES.view);
        }
        Ok(most)
    }
}

/// A number as an index of the kernels.
fn index(value: usize) -> Result<i32, RenderError> {
    i32::try_from(value).map_err(|_| RenderError::BatchTooLarge)
}
