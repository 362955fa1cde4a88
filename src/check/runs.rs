//! Runs of steps in which strokes stay on the device, and their capture as CUDA graphs.

use super::comparison::largest_difference;
use super::recorder::{CheckError, Measurement, Recorder};
use super::settings::CheckSettings;
use crate::clip::Clip;
use crate::compute::graph::GraphMode;
use crate::draw::{Advance, Drawing, Frame, Step, Stepper, step_together};
use crate::render::renderer_for;
use crate::scene::Strokes;

/// After so few updates, steps on the host and on the device have not drifted apart.
const FEW_STEPS: usize = 3;

/// How far a number of a stroke may be from that of the host after [`FEW_STEPS`], in pixels or units of color.
const MAX_DIFFERENCE: f32 = 1e-2;

/// Steps of a drawing that is captured: enough for every tower to be captured and replayed.
const STEPS_WITH_GRAPHS: usize = 60;

/// Compares runs with steps, and captured with started operations.
pub(super) fn check(clip: &Clip, settings: &CheckSettings, recorder: &mut Recorder<'_>) {
    recorder.check("a run moves strokes as steps do", || {
        against_steps(clip, settings)
    });
    recorder.check("CUDA graphs change no byte", || {
        against_graphs(clip, settings)
    });
}

fn against_steps(clip: &Clip, settings: &CheckSettings) -> Result<Measurement, CheckError> {
    let spec = settings.spec(FEW_STEPS, 0);
    let renderer = renderer_for(clip.device());
    let mut drawing = Drawing::start(clip, spec.clone())?;
    for _ in 0..FEW_STEPS {
        for step in step_together(clip, &*renderer, &mut [&mut drawing]) {
            step?;
        }
    }
    let expected = drawing.frame();
    let stepper = Stepper::with_renderer(clip, renderer, GraphMode::Off);
    let mut drawing = Drawing::start(clip, spec)?;
    let found = last_frame(&stepper, &mut [&mut drawing])?;
    let difference = largest_difference(&numbers(&found.strokes), &numbers(&expected.strokes));
    let figure = format!("largest difference {difference:.1e} after {FEW_STEPS} updates");
    Ok(Measurement::passed_if(difference <= MAX_DIFFERENCE, figure)
        .with("largest_difference", f64::from(difference)))
}

fn against_graphs(clip: &Clip, settings: &CheckSettings) -> Result<Measurement, CheckError> {
    let draw = |stepper: &Stepper<&Clip>| -> Result<Strokes, CheckError> {
        let start = |index| Drawing::start(clip, settings.spec(steps(settings), index));
        let mut drawings = [start(0)?, start(1)?];
        let mut moving: Vec<_> = drawings.iter_mut().collect();
        Ok(last_frame(stepper, &mut moving)?.strokes)
    };
    let eager = Stepper::with_renderer(clip, renderer_for(clip.device()), GraphMode::Off);
    let expected = draw(&eager)?;
    drop(eager);
    let stepper = Stepper::new(clip, GraphMode::Auto)?;
    let could_capture = stepper.uses_graphs();
    let equal = draw(&stepper)? == expected;
    let bytes = if equal { "equal" } else { "different" };
    let figure = match (could_capture, stepper.uses_graphs()) {
        (true, true) => bytes.to_owned(),
        (true, false) => format!("{bytes}, but nothing could be captured; the log says why"),
        _ => format!("{bytes}; this device has no CUDA graphs"),
    };
    let passed = equal && could_capture == stepper.uses_graphs();
    Ok(Measurement::passed_if(passed, figure))
}

fn steps(settings: &CheckSettings) -> usize {
    settings.steps.min(STEPS_WITH_GRAPHS)
}

/// Moves drawings of as many steps to their ends, and returns the last frame of the first.
fn last_frame(
    stepper: &Stepper<&Clip>,
    drawings: &mut [&mut Drawing],
) -> Result<Frame, CheckError> {
    loop {
        let mut advances = stepper.advance(drawings).into_iter();
        let first = advances.next().map(Advance::into_result);
        for advance in advances {
            advance.into_result()?;
        }
        if let Some(Step::Finished(frame)) = first.transpose()?.and_then(|mut steps| steps.pop()) {
            return Ok(frame);
        }
    }
}

/// All numbers of strokes.
fn numbers(strokes: &Strokes) -> Vec<f32> {
    let (points, colors) = (strokes.points.as_flattened(), strokes.colors.as_flattened());
    [points, &strokes.half_widths, colors].concat()
}
