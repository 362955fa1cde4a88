//! The contrast with captions of other things: its gradient, and what it does to a drawing.

use clipdraw::clip::{Clip, ClipConfig, Contrast, ViewGroup, WeightsSource};
use clipdraw::draw::{Frame, Recipe};
use tch::{Device, Kind, Tensor};

use crate::draw::{draw, spec};

/// Rows of length one, the same every time.
fn rows(count: i64, width: i64, seed: i64) -> Tensor {
    let numbers = Tensor::arange(count * width, (Kind::Float, Device::Cpu)) + seed;
    let rows = (numbers * 12.9898).sin().reshape([count, width]);
    &rows / rows.norm_scalaropt_dim(2.0, [1], true)
}

#[test]
fn the_gradient_of_the_contrast_is_that_of_its_value() {
    let config = ClipConfig::tiny_transformer();
    let clip = Clip::random(config, 1, Device::Cpu, Kind::Float).unwrap();
    let (width, length) = (
        clip.embedding_width(),
        3 * clip.input_size() * clip.input_size(),
    );
    let directions = -rows(1, width, 1);
    let contrast = Contrast {
        others: rows(5, width, 7),
        sharpness: 20.0,
        weight: 0.7,
    };
    let wave = |speed: f32| (0..length).map(move |index| (index as f32 * speed).sin());
    let views: Vec<f32> = wave(0.37).map(|value| 0.5 + 0.3 * value).collect();
    let score = |views: &[f32]| {
        let contrast = Some(&contrast);
        let group = ViewGroup {
            views,
            directions: &directions,
            contrast,
            turn: 0,
        };
        clip.score_groups(&[group]).unwrap().remove(0)
    };
    let total = |views: &[f32]| {
        let scores = score(views);
        f64::from(scores.cosines[0]) + f64::from(scores.contrasts[0])
    };
    let scores = score(&views);
    assert!(scores.contrasts[0] > 0.0);
    for speed in [0.11, 0.53, 1.7] {
        let reach = 2e-3;
        let moved = |sign: f32| -> Vec<f32> {
            let steps = views.iter().zip(wave(speed));
            steps
                .map(|(value, step)| value + sign * reach * step)
                .collect()
        };
        let measured = (total(&moved(1.0)) - total(&moved(-1.0))) / (2.0 * f64::from(reach));
        let slopes = scores.gradient.iter().zip(wave(speed));
        let claimed: f64 = slopes.map(|(slope, step)| f64::from(slope * step)).sum();
        let error = (measured - claimed).abs() / claimed.abs().max(0.05);
        assert!(error < 0.03, "measured {measured}, claimed {claimed}");
    }
}

fn house(clip: &Clip, contrast_weight: f64) -> Vec<Frame> {
    let mut spec = spec(&[("a house", 1.0)], 20);
    spec.strokes = 64;
    spec.steps_per_frame = 20;
    spec.seed = 3;
    spec.centre.weight = 0.0;
    spec.recipe = Some(Recipe {
        contrast_weight,
        ..Recipe::ORIGINAL
    });
    draw(clip, spec)
}

#[test]
fn the_contrast_reaches_the_strokes_and_is_told_as_a_term() {
    let clip = Clip::load(&WeightsSource::Embedded, Device::Cpu, Kind::Float).unwrap();
    let frames = house(&clip, 1.0);
    let [first, last] = [&frames[0].losses, &frames[frames.len() - 1].losses];
    assert!(
        last.contrast < first.contrast,
        "{} to {}",
        first.contrast,
        last.contrast
    );
    assert!((last.total() - last.clip() - last.contrast - last.centre).abs() < 1e-12);
    let without = house(&clip, 0.0);
    assert_eq!(without[0].losses.contrast, 0.0);
    assert_eq!(without[0].strokes, frames[0].strokes);
    assert_ne!(without[1].strokes, frames[1].strokes);
}
