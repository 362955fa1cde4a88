//! CLIP on the device against CLIP on the processor.

use tch::{TchError, Tensor};

use super::comparison::{MIN_COSINE, cosine, stroke_cosines};
use super::recorder::{CheckError, Measurement, Recorder};
use super::scenes::{OwnedScene, start};
use super::settings::{CheckSettings, PROMPT};
use crate::clip::{Clip, ClipError, ViewGroup, forward_backward};
use crate::compute::{Precision, to_host};
use crate::render::cpu::CpuRenderer;
use crate::render::{Renderer, renderer_for};
use crate::scene::{Canvas, StrokeGradient, Strokes};

/// The precisions that are compared.
const PRECISIONS: [Precision; 3] = [Precision::Fp32, Precision::Bf16, Precision::Fp16];

/// The cosine of views with the prompt, and its gradients.
struct Gradients {
    on_views: Vec<f32>,
    on_strokes: StrokeGradient,
    /// The mean cosine over the views.
    similarity: f64,
}

/// Compares the gradients in each precision with those of the processor in fp32. Only the precision that `auto`
/// selects has to be close enough.
pub(super) fn check(settings: &CheckSettings, recorder: &mut Recorder<'_>) {
    let scene = start(settings.seed);
    let expected = recorder.attempt("fp32, on the processor", || {
        let clip = settings.load(tch::Device::Cpu, Precision::Fp32)?;
        let tower = clip.config().image.tower_kind();
        Ok((gradients(&clip, &CpuRenderer, &scene)?, tower))
    });
    let Some((expected, tower)) = expected else {
        return;
    };
    let renderer = renderer_for(settings.device);
    for precision in PRECISIONS {
        let is_auto = precision == Precision::Auto.resolved(settings.device, tower);
        recorder.check(precision.to_string(), || {
            let clip = settings.load_checked(precision)?;
            let found = gradients(&clip, &*renderer, &scene)?;
            Ok(compare(&found, &expected, is_auto))
        });
    }
}

fn compare(found: &Gradients, expected: &Gradients, has_limit: bool) -> Measurement {
    let on_views = cosine(&found.on_views, &expected.on_views);
    let on_strokes = stroke_cosines(&found.on_strokes, &expected.on_strokes);
    let [points, widths, colors] = on_strokes;
    let figure = format!(
        "cosines: views {on_views:.6}, points {points:.6}, half widths {widths:.6}, colors {colors:.6}; similarity of views \
         and prompt {:.6}, on the processor {:.6}",
        found.similarity, expected.similarity
    );
    let cosines = [on_views, points, widths, colors];
    let passed = cosines.iter().all(|cosine| *cosine >= MIN_COSINE);
    let measurement = if has_limit {
        Measurement::passed_if(passed, figure)
    } else {
        Measurement::without_limit(figure)
    };
    measurement
        .with("views_cosine", on_views)
        .with_stroke_cosines(on_strokes)
}

/// The mean cosine of strokes with the prompt, over the views of the scene [`start`].
pub(super) fn similarity(
    clip: &Clip,
    strokes: &Strokes,
    canvas: &Canvas,
    seed: u64,
) -> Result<f64, CheckError> {
    let scene = OwnedScene {
        strokes: strokes.clone(),
        canvas: *canvas,
        ..start(seed)
    };
    let renderer = renderer_for(clip.device());
    Ok(gradients(clip, &*renderer, &scene)?.similarity)
}

/// The gradients of the cosine of a scene's views with the prompt, as a drawing computes them.
fn gradients(
    clip: &Clip,
    renderer: &dyn Renderer,
    scene: &OwnedScene,
) -> Result<Gradients, CheckError> {
    let prompt = clip.embed_text(PROMPT)?;
    let rendered = renderer.forward(&[scene.scene()], clip.input_size() as usize)?;
    let group = ViewGroup {
        count: scene.views.len(),
        first_tower: 0,
    };
    let batches = clip.batches(&[group])?.into_iter();
    let results = forward_backward(
        rendered.views(),
        batches
            .map(|batch| (batch, prompt.shallow_clone()))
            .collect(),
        |_, embeddings, prompt| {
            let cosine = || -> Result<(Vec<f32>, Tensor), TchError> {
                let cosines = embeddings.f_matmul(&prompt)?;
                Ok((to_host(&cosines)?, prompt.f_expand_as(embeddings)?))
            };
            cosine().map_err(ClipError::while_doing("comparing views with a prompt"))
        },
    )?;
    let (cosines, on_views): (Vec<_>, Vec<_>) = results.into_iter().unzip();
    let cosines = cosines.concat();
    let on_views = Tensor::f_cat(&on_views, 0)?;
    let mut on_strokes = rendered.backward(&on_views)?;
    Ok(Gradients {
        on_views: to_host(&on_views)?,
        on_strokes: on_strokes.pop().expect("one scene has one gradient"),
        similarity: f64::from(cosines.iter().sum::<f32>()) / cosines.len() as f64,
    })
}
