//! The renderer of the device against the one on the processor.

use super::comparison::{MIN_COSINE, Output, largest_difference, parts, render, stroke_cosines};
use super::recorder::{CheckError, Measurement, Recorder};
use super::scenes::{OwnedScene, hard_scenes};
use super::settings::CheckSettings;
use crate::render::cpu::CpuRenderer;
use crate::render::{Renderer, renderer_for};

/// The largest allowed difference between views: one step of an 8-bit channel.
const MAX_DIFFERENCE: f32 = 1.0 / 255.0;

/// How often each scene is rendered again.
const REPEATS: usize = 3;

/// Runs all checks of the renderer.
pub(super) fn check(settings: &CheckSettings, recorder: &mut Recorder<'_>) {
    let scenes = hard_scenes(settings.seed);
    let renderer = renderer_for(settings.device);
    for scene in &scenes {
        check_scene(&*renderer, scene, recorder);
    }
    recorder.check("the same bytes alone and together", || {
        together(&*renderer, &scenes)
    });
}

/// Compares the renderer with the processor's, and with itself.
fn check_scene(renderer: &dyn Renderer, scene: &OwnedScene, recorder: &mut Recorder<'_>) {
    let name = scene.name;
    let Some(expected) = recorder.attempt(format!("{name}, on the processor"), || {
        alone(&CpuRenderer, scene)
    }) else {
        return;
    };
    let Some(found) = recorder.attempt(format!("{name}, on the device"), || alone(renderer, scene))
    else {
        return;
    };
    recorder.record(format!("{name}: views"), views(&found, &expected));
    recorder.record(
        format!("{name}: gradient on strokes"),
        gradient(&found, &expected),
    );
    recorder.check(format!("{name}: the same bytes again"), || {
        let mut equal = 0;
        for _ in 0..REPEATS {
            equal += usize::from(alone(renderer, scene)?.has_bits_of(&found));
        }
        let figure = format!("{equal} of {REPEATS} repeats");
        Ok(Measurement::passed_if(equal == REPEATS, figure))
    });
}

fn alone(renderer: &dyn Renderer, scene: &OwnedScene) -> Result<Output, CheckError> {
    let mut outputs = render(renderer, &[scene])?;
    Ok(outputs.pop().expect("every scene has an output"))
}

fn views(found: &Output, expected: &Output) -> Measurement {
    let largest = largest_difference(&found.views, &expected.views);
    let figure = if largest == 0.0 {
        "equal".to_owned()
    } else {
        let pairs = found.views.iter().zip(&expected.views);
        let unequal = pairs.filter(|(a, b)| a != b).count();
        let count = expected.views.len();
        format!("{unequal} of {count} values differ, by {largest:.1e} at most")
    };
    Measurement::passed_if(largest <= MAX_DIFFERENCE, figure)
        .with("largest_difference", f64::from(largest))
}

/// Compares gradients on strokes.
fn gradient(found: &Output, expected: &Output) -> Measurement {
    let cosines = stroke_cosines(&found.gradient, &expected.gradient);
    let figures: Vec<_> = cosines
        .iter()
        .zip(parts(&expected.gradient))
        .map(|(cosine, (name, _))| format!("{name} {:.1e}", (1.0 - cosine).max(0.0)))
        .collect();
    let figure = format!("1 - cosine: {}", figures.join(", "));
    let passed = cosines.iter().all(|cosine| *cosine >= MIN_COSINE);
    Measurement::passed_if(passed, figure).with_stroke_cosines(cosines)
}

fn together(renderer: &dyn Renderer, scenes: &[OwnedScene]) -> Result<Measurement, CheckError> {
    let all: Vec<_> = scenes.iter().collect();
    let mut equal = 0;
    for (scene, output) in scenes.iter().zip(render(renderer, &all)?) {
        equal += usize::from(alone(renderer, scene)?.has_bits_of(&output));
    }
    let figure = format!("{equal} of {} scenes", scenes.len());
    Ok(Measurement::passed_if(equal == scenes.len(), figure))
}
