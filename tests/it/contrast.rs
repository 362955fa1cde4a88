//! The contrastive loss: what it does to a drawing. Its gradient is tested beside its code.

use clipdraw::clip::{Clip, WeightsSource};
use clipdraw::draw::{Frame, Preset};
use tch::{Device, Kind};

use crate::draw::{draw, spec, term};

fn house(clip: &Clip, contrast_weight: f64) -> Vec<Frame> {
    let mut spec = spec(&[("a house", 1.0)], 20);
    spec.strokes = 64;
    spec.steps_per_frame = 20;
    spec.seed = 3;
    spec.objective.center.weight = 0.0;
    spec.preset = Some(Preset {
        contrast_weight,
        ..Preset::ORIGINAL
    });
    draw(clip, spec)
}

#[test]
fn the_contrast_reaches_the_strokes_and_is_reported_as_a_term() {
    let clip = Clip::load(&WeightsSource::Embedded, Device::Cpu, Kind::Float).unwrap();
    let frames = house(&clip, 1.0);
    let (first, last) = (&frames[0], &frames[frames.len() - 1]);
    let contrast = |frame| term(frame, "contrast");
    assert!(
        contrast(last) < contrast(first),
        "{} to {}",
        contrast(first),
        contrast(last)
    );
    let sum = term(last, "clip") + contrast(last) + term(last, "centre");
    assert!((last.losses.total() - sum).abs() < 1e-12);
    let without = house(&clip, 0.0);
    assert_eq!(contrast(&without[0]), 0.0);
    assert_eq!(without[0].strokes, frames[0].strokes);
    assert_ne!(without[1].strokes, frames[1].strokes);
}
