//! What both renderers make of the same scenes.

use clipdraw::render::cpu::CpuRenderer;
use clipdraw::render::cpu::raster::paint;
use clipdraw::render::cpu::warp::{ViewBatch, view_gradient};
use clipdraw::render::cuda::{KernelRenderer, Room};
use clipdraw::render::{Renderer, Scene};
use clipdraw::scene::StrokeGradient;
use tch::Tensor;

use super::processor::Processor;
use super::scenes::OwnedScene;

/// What a renderer makes of some scenes.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) views: Vec<f32>,
    pub(super) gradients: Vec<StrokeGradient>,
}

impl Output {
    /// All bits, to compare whole results.
    pub(super) fn bits(&self) -> Vec<u32> {
        let gradients = self.gradients.iter().flat_map(numbers);
        let views = self.views.iter().copied();
        views.chain(gradients).map(f32::to_bits).collect()
    }
}

/// All numbers of a gradient.
pub(super) fn numbers(gradient: &StrokeGradient) -> Vec<f32> {
    let points = gradient.points.as_flattened();
    let colors = gradient.colors.as_flattened();
    [points, &gradient.half_widths, colors].concat()
}

/// A gradient on views: numbers that change from pixel to pixel, the same for the four views of every scene.
pub(super) fn output_gradient(views: usize, side: usize) -> Tensor {
    let (count, of_scene) = (views * 3 * side * side, 4 * 3 * side * side);
    let value = |index: usize| ((index % of_scene * 7919 % 1009) as f32 / 1009.0 - 0.45) * 0.02;
    let values: Vec<f32> = (0..count).map(value).collect();
    let side = side as i64;
    Tensor::from_slice(&values).view([-1, 3, side, side])
}

/// Runs both passes of a renderer.
pub(super) fn render(renderer: &dyn Renderer, scenes: &[&OwnedScene], side: usize) -> Output {
    let scenes: Vec<Scene<'_>> = scenes.iter().map(|scene| scene.scene()).collect();
    let views = scenes.iter().map(|scene| scene.views.len()).sum();
    let rendered = renderer.forward(&scenes, side).unwrap();
    let gradients = rendered.backward(&output_gradient(views, side)).unwrap();
    Output {
        views: Vec::try_from(&rendered.views().reshape([-1])).unwrap(),
        gradients,
    }
}

/// How far a gradient is from the expected one: the cosine, and the length of the difference over that of
/// the expected one.
pub(super) fn agreement(found: &[f32], expected: &[f32]) -> (f64, f64) {
    let sum = |term: fn(f64, f64) -> f64| -> f64 {
        let pairs = found.iter().zip(expected);
        pairs.map(|(a, b)| term(f64::from(*a), f64::from(*b))).sum()
    };
    let dot = sum(|a, b| a * b);
    let (norm, expected_norm) = (sum(|a, _| a * a).sqrt(), sum(|_, b| b * b).sqrt());
    let difference = sum(|a, b| (a - b).powi(2)).sqrt();
    if expected_norm == 0.0 {
        return (1.0, norm);
    }
    (dot / (norm * expected_norm), difference / expected_norm)
}

/// Renders a scene by both renderers, and describes every disagreement. `tolerance` is that of the length of a
/// difference between gradients of strokes; everything else has to have the same bits.
pub(super) fn disagreements(scene: &OwnedScene, side: usize, tolerance: f64) -> Vec<String> {
    let renderer = KernelRenderer::new(Processor::new(0), Room::default());
    let found = render(&renderer, &[scene], side);
    let expected = render(&CpuRenderer, &[scene], side);
    let mut all = Vec::new();
    let mut compare = |what: &str, found: &[f32], expected: &[f32]| {
        let pairs = found.iter().zip(expected);
        // The sign of a zero may differ: where the processor adds nothing, a kernel adds zeros.
        let unequal = pairs.filter(|(a, b)| a != b).count();
        if unequal > 0 || found.len() != expected.len() {
            let count = expected.len();
            all.push(format!(
                "{}: {what}: {unequal} of {count} differ",
                scene.name
            ));
        }
    };
    let painting = paint(&scene.strokes, &scene.canvas);
    let picture = painting.picture();
    let launcher = renderer.launcher();
    compare(
        "the picture",
        &launcher.pictures.lock().unwrap()[0],
        picture.values(),
    );
    compare("the views", &found.views, &expected.views);
    let gradient = ViewBatch {
        side,
        values: Vec::try_from(&output_gradient(scene.views.len(), side).reshape([-1])).unwrap(),
    };
    let on_picture = view_gradient(&gradient, &scene.views, picture.width(), picture.height());
    compare(
        "the gradient on the picture",
        &launcher.picture_gradients.lock().unwrap()[0],
        on_picture.values(),
    );
    let (found, expected) = (&found.gradients[0], &expected.gradients[0]);
    for (what, found, expected) in [
        (
            "points",
            found.points.as_flattened(),
            expected.points.as_flattened(),
        ),
        (
            "half widths",
            &found.half_widths[..],
            &expected.half_widths[..],
        ),
        (
            "colors",
            found.colors.as_flattened(),
            expected.colors.as_flattened(),
        ),
    ] {
        let (cosine, difference) = agreement(found, expected);
        let agrees = found.len() == expected.len() && difference <= tolerance;
        if !agrees {
            let line = format!("cosine - 1 = {:e}, difference {difference:e}", cosine - 1.0);
            all.push(format!("{}: gradient of {what}: {line}", scene.name));
        }
    }
    all
}
