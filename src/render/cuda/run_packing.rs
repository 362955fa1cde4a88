//! What is sent to the device for a run of steps, and what comes back.
//!
//! ```text
//!   layout   scenes | point counts | updates                         once for all runs of the same drawings
//!   state    parameters | means | squares                            before a run; afterwards it comes back
//!   table    a row for each step: not_finite = 0 | rates | views     before a run
//! ```
//!
//! Before each step its row is copied to a fixed place on the device, behind the penalties. So the kernels of
//! every step have the same arguments, and the report of a step, penalties and `not_finite`, is one piece.

use super::layout::SIZES;
use super::packing::{Largest, Totals, Upload, Words, max_samples, shape_of, sizes};
use super::source::{COLOR, FROM_PENALTY, FROM_VIEWS, HALF_WIDTH, STROKE_STRIDE};
use crate::optimizer::{Adam, bias_corrections};
use crate::render::{
    CenterPenalty, GradientSource, MovedScene, RenderError, RunScene, Scene, StepReport,
};
use crate::scene::{POINTS_PER_SEGMENT, Strokes};

/// Bytes of a double.
const DOUBLE: usize = size_of::<f64>();

/// The scenes of a run before they are on the device.
#[derive(Debug)]
pub(super) struct PackedRun {
    pub(super) sizes: RunSizes,
    pub(super) contents: RunContents,
}

/// What all runs of the same drawings have in common.
#[derive(Debug)]
pub(super) struct RunSizes {
    pub(super) layout: Upload,
    pub(super) layout_starts: LayoutStarts,
    pub(super) state_starts: StateStarts,
    /// The length of the state in bytes.
    pub(super) state_length: usize,
    pub(super) row: RowStarts,
    pub(super) totals: Totals,
    /// The samples are those of the views of all steps.
    pub(super) largest: Largest,
}

/// What differs from run to run.
#[derive(Debug)]
pub(super) struct RunContents {
    pub(super) state: Upload,
    /// A row for each step.
    pub(super) table: Vec<u8>,
    pub(super) steps: usize,
}

/// Where the parts of the layout start, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayoutStarts {
    pub(super) scenes: usize,
    pub(super) point_counts: usize,
    pub(super) updates: usize,
}

/// Where the parts of the state start, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct StateStarts {
    pub(super) parameters: usize,
    pub(super) means: usize,
    pub(super) squares: usize,
}

/// Where the parts of a row of the table start, in bytes, after `not_finite`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RowStarts {
    pub(super) rates: usize,
    pub(super) views: usize,
    /// All of a row.
    pub(super) length: usize,
}

impl PackedRun {
    /// Packs scenes whose views have `side` by `side` pixels.
    ///
    /// # Errors
    /// When a stroke has too many control points, or the scenes together are too large for 32-bit indices.
    pub(super) fn new(scenes: &[RunScene<'_>], side: usize) -> Result<Self, RenderError> {
        let first: Vec<Scene<'_>> = scenes.iter().map(|scene| first_step(scene)).collect();
        let (totals, mut largest) = sizes(&first, side)?;
        for scene in scenes {
            for step in scene.steps {
                largest.samples = largest
                    .samples
                    .max(max_samples(&step.views, scene.canvas, side));
            }
        }
        let (layout, layout_starts) = layout(scenes, &first, side)?;
        let (state, state_starts) = state(scenes)?;
        let steps = scenes.first().map_or(0, |scene| scene.steps.len());
        let mut table = Vec::new();
        let mut row = None;
        for step in 0..steps {
            let (bytes, starts) = step_row(scenes, step, side)?;
            table.extend(bytes);
            row = Some(starts);
        }
        let sizes = RunSizes {
            layout,
            layout_starts,
            state_starts,
            state_length: state.bytes.len(),
            row: row.unwrap_or_default(),
            totals,
            largest,
        };
        let contents = RunContents {
            state,
            table,
            steps,
        };
        Ok(Self { sizes, contents })
    }
}

fn first_step<'a>(scene: &RunScene<'a>) -> Scene<'a> {
    Scene {
        strokes: scene.strokes,
        canvas: scene.canvas,
        views: scene.steps.first().map_or(&[], |step| &step.views),
    }
}

fn layout(
    scenes: &[RunScene<'_>],
    first: &[Scene<'_>],
    side: usize,
) -> Result<(Upload, LayoutStarts), RenderError> {
    let mut layouts = Words::default();
    let mut point_counts = Words::default();
    let mut updates = Words::default();
    let mut before = Totals::default();
    for (scene, first) in scenes.iter().zip(first) {
        layouts.push_layout(first, side, &before)?;
        before.add(first, side);
        point_counts.push_ints(&shape_of(scene.strokes)?)?;
        push_update(&mut updates, scene);
    }
    let mut upload = Upload::default();
    let starts = LayoutStarts {
        scenes: upload.append(&layouts),
        point_counts: upload.append(&point_counts),
        updates: upload.append(&updates),
    };
    Ok((upload, starts))
}

/// A `SceneUpdate`.
fn push_update(words: &mut Words, scene: &RunScene<'_>) {
    let start = words.0.len();
    let none = CenterPenalty {
        center: [0.0; 2],
        scale: 1.0,
        threshold: 0.0,
        power: 1.0,
        weight: 0.0,
    };
    let penalty = scene.penalty.unwrap_or(none);
    for number in [
        penalty.center[0],
        penalty.center[1],
        penalty.scale,
        penalty.threshold,
        penalty.power,
        penalty.weight,
    ] {
        words.push_double(number);
    }
    for half_width in scene.half_widths {
        words.push_float(half_width);
    }
    let by_one_measure = scene
        .steps
        .iter()
        .any(|step| step.rates.colors_by_one_measure);
    words.0.extend(i32::from(by_one_measure).to_ne_bytes());
    words.0.extend(0_i32.to_ne_bytes());
    debug_assert_eq!(words.0.len() - start, SIZES.scene_update);
}

fn state(scenes: &[RunScene<'_>]) -> Result<(Upload, StateStarts), RenderError> {
    let mut parameters = Words::default();
    let mut means = Words::default();
    let mut squares = Words::default();
    for scene in scenes {
        parameters.push_strokes(scene.strokes)?;
        for (words, moments) in [
            (&mut means, &scene.adam.means),
            (&mut squares, &scene.adam.squares),
        ] {
            let mut rows = vec![0.0; scene.strokes.len() * STROKE_STRIDE];
            for (place, moment) in places(scene.strokes).zip(moments) {
                rows[place] = *moment;
            }
            for number in rows {
                words.push_double(number);
            }
        }
    }
    let mut upload = Upload::default();
    let starts = StateStarts {
        parameters: upload.append(&parameters),
        means: upload.append(&means),
        squares: upload.append(&squares),
    };
    Ok((upload, starts))
}

/// The place of each number in rows of strokes, in the optimizer's order: all control points, all half widths, all
/// colors.
fn places(strokes: &Strokes) -> impl Iterator<Item = usize> + '_ {
    let row = |stroke: usize| stroke * STROKE_STRIDE;
    let all = 0..strokes.len();
    let points = all.clone().flat_map(move |stroke| {
        (0..2 * strokes.point_range(stroke).len()).map(move |at| row(stroke) + at)
    });
    let half_widths = all.clone().map(move |stroke| row(stroke) + HALF_WIDTH);
    let colors =
        all.flat_map(move |stroke| (0..4).map(move |channel| row(stroke) + COLOR + channel));
    points.chain(half_widths).chain(colors)
}

/// A row of the table.
fn step_row(
    scenes: &[RunScene<'_>],
    step: usize,
    side: usize,
) -> Result<(Vec<u8>, RowStarts), RenderError> {
    let mut not_finite = Words::default();
    let mut rates = Words::default();
    let mut views = Words::default();
    for scene in scenes {
        let own = &scene.steps[step];
        not_finite.push_int(0)?;
        let start = rates.0.len();
        let updates = scene.adam.updates + step as i32 + 1;
        for correction in bias_corrections(updates) {
            rates.push_double(correction);
        }
        for rate in [
            own.rates.points,
            own.rates.half_widths,
            own.rates.colors,
            own.rates.opacities,
        ] {
            rates.push_float(rate);
        }
        debug_assert_eq!(rates.0.len() - start, SIZES.step_rates);
        views.push_views(&own.views, scene.canvas, side)?;
    }
    let mut row = Upload::default();
    row.append(&not_finite);
    let starts = RowStarts {
        rates: row.append(&rates),
        views: row.append(&views),
        length: 0,
    };
    // Every row starts where doubles may.
    row.append(&Words::default());
    let length = row.bytes.len();
    Ok((row.bytes, RowStarts { length, ..starts }))
}

/// Where the strokes of one scene are in what comes back.
#[derive(Debug)]
pub(super) struct LoadedScene {
    /// The strokes as they were sent; those that come back have the same shapes.
    strokes: Strokes,
    adam: Adam,
    first_stroke: usize,
}

/// What has to be kept of each scene until it comes back.
pub(super) fn loaded(scenes: &[RunScene<'_>]) -> Vec<LoadedScene> {
    let mut first_stroke = 0;
    let load = |scene: &RunScene<'_>| {
        let loaded = LoadedScene {
            strokes: scene.strokes.clone(),
            adam: scene.adam.clone(),
            first_stroke,
        };
        first_stroke += scene.strokes.len();
        loaded
    };
    scenes.iter().map(load).collect()
}

/// The state of all scenes as it came back from the device.
#[derive(Debug)]
pub(super) struct State<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) starts: StateStarts,
    /// Strokes of all scenes.
    pub(super) strokes: usize,
}

impl State<'_> {
    fn floats(&self) -> Vec<f32> {
        let length = self.strokes * STROKE_STRIDE * size_of::<f32>();
        let (numbers, _) = self.bytes[self.starts.parameters..][..length].as_chunks();
        numbers
            .iter()
            .map(|bytes| f32::from_ne_bytes(*bytes))
            .collect()
    }

    fn doubles(&self, start: usize) -> Vec<f64> {
        read_doubles(&self.bytes[start..], self.strokes * STROKE_STRIDE)
    }

    /// The scenes after the run. `reports` are the reports of each step.
    pub(super) fn scenes(&self, loaded: &[LoadedScene], reports: &[&[u8]]) -> Vec<MovedScene> {
        let (parameters, means, squares) = (
            self.floats(),
            self.doubles(self.starts.means),
            self.doubles(self.starts.squares),
        );
        let scene = |(index, scene): (usize, &LoadedScene)| {
            let first = scene.first_stroke * STROKE_STRIDE;
            let moments = |rows: &[f64]| {
                places(&scene.strokes)
                    .map(|place| rows[first + place])
                    .collect()
            };
            let steps: Vec<_> = reports
                .iter()
                .map(|bytes| report(bytes, index, scene, self.strokes))
                .collect();
            MovedScene {
                strokes: scene.strokes_from(&parameters[first..]),
                adam: Adam {
                    means: moments(&means),
                    squares: moments(&squares),
                    updates: scene.adam.updates + steps.len() as i32,
                },
                steps,
            }
        };
        loaded.iter().enumerate().map(scene).collect()
    }
}

impl LoadedScene {
    /// The strokes in rows of the device.
    fn strokes_from(&self, rows: &[f32]) -> Strokes {
        let mut strokes = Strokes::new();
        for (stroke, row) in (0..self.strokes.len()).zip(rows.chunks_exact(STROKE_STRIDE)) {
            let (points, _) = row[..2 * self.strokes.point_range(stroke).len()].as_chunks();
            debug_assert_eq!(points.len() % POINTS_PER_SEGMENT, 1);
            let color = [0, 1, 2, 3].map(|channel| row[COLOR + channel]);
            strokes.push(points, row[HALF_WIDTH], color);
        }
        strokes
    }
}

/// What a report says of one scene: its strokes' penalties, and `not_finite`, which lies behind those of all strokes.
fn report(bytes: &[u8], index: usize, scene: &LoadedScene, strokes: usize) -> StepReport {
    let penalties = read_doubles(&bytes[scene.first_stroke * DOUBLE..], scene.strokes.len());
    let start = report_length(strokes) + index * size_of::<i32>();
    let (numbers, _) = bytes[start..].as_chunks();
    let source = match numbers.first().map(|bytes| i32::from_ne_bytes(*bytes)) {
        Some(number) if number == FROM_VIEWS as i32 => Some(GradientSource::Views),
        Some(number) if number == FROM_PENALTY as i32 => Some(GradientSource::Penalty),
        _ => None,
    };
    StepReport {
        penalty: penalties.iter().sum::<f64>() + 0.0,
        not_finite: source,
    }
}

/// Bytes of the penalties of some strokes, up to where `not_finite` and the rest of the step's row start.
pub(super) fn report_length(strokes: usize) -> usize {
    (strokes * DOUBLE).next_multiple_of(16)
}

fn read_doubles(bytes: &[u8], count: usize) -> Vec<f64> {
    let (numbers, _) = bytes[..count * DOUBLE].as_chunks();
    numbers
        .iter()
        .map(|bytes| f64::from_ne_bytes(*bytes))
        .collect()
}
