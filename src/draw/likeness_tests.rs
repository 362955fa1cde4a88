//! The gradient of the term `likeness` through the image towers, with the other terms on views beside it.

use std::sync::Arc;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::image_prompt::ImagePrompt;
use super::objective::LikenessSpec;
use super::step::{ClipPass, DrawingTarget};
use super::{Drawing, Spec, WeightedPrompt};
use crate::clip::{Clip, ClipConfig};
use crate::compute::to_host;
use crate::import::{DecodedPicture, decode_picture};
use crate::render::cpu::warp::ViewBatch;
use crate::render::view::{ViewTransform, random_views};
use crate::scene::{Canvas, Picture, Rgb};

const SIDE: usize = 64;

fn target() -> DecodedPicture {
    let svg = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9" fill="#036"/><circle cx="5" cy="4" r="3" fill="#f80"/></svg>"##;
    decode_picture(svg.as_bytes()).unwrap()
}

/// A drawing with a text and a picture, which follows the shapes of the picture.
fn spec(image_weight: f32, text_weight: f32) -> Spec {
    let image = ImagePrompt::new(target(), image_weight);
    let mut spec = Spec {
        prompts: vec![WeightedPrompt {
            weight: text_weight,
            ..WeightedPrompt::new("a sun")
        }],
        canvas: Canvas::new([SIDE as u32; 2], Rgb::WHITE),
        strokes: 3,
        views: 3,
        ..Spec::default()
    };
    spec.objective.likeness = Some(LikenessSpec {
        picture: image.picture(),
        amount: 0.7,
    });
    spec.image_prompts = vec![image];
    spec
}

/// The loss of views of a picture on a drawing's canvas, and its gradient with respect to these views.
fn loss_and_gradient(clip: &Clip, drawing: &Drawing, views: &Tensor) -> (f64, Tensor) {
    let side = clip.input_size() as usize;
    let transforms = transforms();
    let picture = drawing.objective.picture().unwrap();
    let picture = ViewBatch::new(picture, &transforms, side).values;
    let target = DrawingTarget {
        objective: &drawing.objective,
        picture: Some(Tensor::from_slice(&picture).view_as(views)),
    };
    let groups = [drawing.view_group()];
    let batches = clip.batches(&groups).unwrap();
    let pass = ClipPass::run(views, batches, &groups, &[target]).unwrap();
    let values = to_host(&pass.results.flatten().unwrap()).unwrap();
    let outcome = pass.results.by_drawing(&values, 1).remove(0);
    let strokes = vec![0.0; 8];
    let losses = drawing.objective.losses(&outcome, &strokes);
    assert!(losses.value("likeness").unwrap() > 0.0);
    (losses.total(), pass.gradient)
}

fn transforms() -> Vec<ViewTransform> {
    random_views(&mut ChaCha8Rng::seed_from_u64(4), 3, SIDE, SIDE)
}

/// Views of something that is not the picture.
fn views(clip: &Clip) -> Tensor {
    let mut canvas = Picture::filled(SIDE, SIDE, [0.8; 3]);
    for (index, value) in canvas.values_mut().iter_mut().enumerate() {
        *value += 0.2 * (index as f32 * 0.37).sin();
    }
    let side = clip.input_size();
    let values = ViewBatch::new(&canvas, &transforms(), side as usize).values;
    Tensor::from_slice(&values).reshape([3, 3, side, side])
}

/// Numbers between -1 and 1 in the shape of a tensor.
fn waves(like: &Tensor, frequency: f64) -> Tensor {
    let numbers = Tensor::arange(like.numel() as i64, (Kind::Float, Device::Cpu));
    (numbers * frequency).sin().view_as(like)
}

fn models() -> Vec<Clip> {
    let configs = [
        ClipConfig::tiny_transformer(),
        ClipConfig::tiny_resnet(),
        ClipConfig::tiny_towers(),
    ];
    configs
        .into_iter()
        .map(|config| Clip::random(config, 7, Device::Cpu, Kind::Float).unwrap())
        .collect()
}

#[test]
fn the_gradient_on_views_is_that_of_the_reported_losses_for_each_kind_of_tower() {
    for clip in models() {
        for (image_weight, text_weight) in [(1.0, 0.5), (0.0, 0.0), (9.0, -3.0)] {
            let drawing = Drawing::start(&clip, spec(image_weight, text_weight)).unwrap();
            let views = views(&clip);
            let (_, gradient) = loss_and_gradient(&clip, &drawing, &views);
            let along = [
                gradient.shallow_clone(),
                waves(&gradient, 0.11),
                waves(&gradient, 1.7),
            ];
            for direction in along {
                let direction = &direction / direction.norm();
                // Small enough for few kinks of ReLU, and large enough for 32-bit sums.
                let step = 0.005;
                let at = |factor: f64| {
                    loss_and_gradient(&clip, &drawing, &(&views + &direction * factor)).0
                };
                let measured = (at(step) - at(-step)) / (2.0 * step);
                let claimed = (&gradient * &direction).sum(Kind::Double).double_value(&[]);
                let length = gradient.norm().double_value(&[]);
                assert!(
                    (measured - claimed).abs() < 0.03 * length,
                    "{}: {measured}, claimed {claimed}, of {length}",
                    clip.name()
                );
            }
        }
    }
}

#[test]
fn without_other_terms_the_likeness_alone_reaches_the_strokes() {
    for clip in models() {
        let mut spec = spec(0.0, 0.0);
        spec.objective.center.weight = 0.0;
        let mut drawing = Drawing::start(&clip, spec.clone()).unwrap();
        let before = drawing.frame().strokes;
        drawing.step(&clip).unwrap();
        assert!(drawing.frame().strokes != before, "{}", clip.name());
        spec.objective.likeness = None;
        let mut drawing = Drawing::start(&clip, spec).unwrap();
        drawing.step(&clip).unwrap();
        assert!(drawing.frame().strokes == before, "{}", clip.name());
    }
}

#[test]
fn the_weight_of_all_terms_on_views_is_that_of_the_likeness_too() {
    let clip = models().remove(2);
    let losses = [1.0, 4.0].map(|weight| {
        let mut spec = spec(1.0, 1.0);
        spec.objective.clip_weight = weight;
        let drawing = Drawing::start(&clip, spec).unwrap();
        let (total, gradient) = loss_and_gradient(&clip, &drawing, &views(&clip));
        (total, gradient.norm().double_value(&[]))
    });
    let [(loss, gradient), (loss_of_four, gradient_of_four)] = losses;
    assert!((loss_of_four / loss - 4.0).abs() < 1e-4);
    assert!((gradient_of_four / gradient - 4.0).abs() < 1e-4);
    let mut spec = spec(1.0, 1.0);
    spec.objective.clip_weight = 0.0;
    spec.objective.center.weight = 0.0;
    let mut drawing = Drawing::start(&clip, spec).unwrap();
    let before = drawing.frame().strokes;
    drawing.step(&clip).unwrap();
    assert!(drawing.frame().strokes == before);
}

#[test]
fn half_precision_has_room_for_every_allowed_weight() {
    for config in [ClipConfig::tiny_transformer(), ClipConfig::tiny_resnet()] {
        let clip = Clip::random(config.clone(), 7, Device::Cpu, Kind::Half).unwrap();
        let exact = Clip::random(config, 7, Device::Cpu, Kind::Float).unwrap();
        let gradients = [0.001, 1.0, 1000.0].map(|weight| {
            let [found, expected] = [&clip, &exact].map(|clip| {
                let mut spec = spec(0.0, 0.0);
                spec.objective.clip_weight = weight;
                let drawing = Drawing::start(clip, spec).unwrap();
                loss_and_gradient(clip, &drawing, &views(clip)).1
            });
            let cosine = (&found * &expected).sum(Kind::Double) / (found.norm() * expected.norm());
            (cosine.double_value(&[]), found / weight)
        });
        for (cosine, gradient) in &gradients {
            assert!(*cosine > 0.95, "{}: {cosine}", clip.name());
            let difference = (gradient - &gradients[1].1).abs().max();
            let largest = gradients[1].1.abs().max();
            assert!(difference.double_value(&[]) < 1e-3 * largest.double_value(&[]));
        }
    }
}

#[test]
fn copies_share_the_picture() {
    let clip = models().remove(0);
    let drawings = Drawing::start_several(&clip, spec(1.0, 1.0), 2).unwrap();
    let pictures = [0, 1].map(|index| drawings[index].objective.picture().unwrap());
    assert!(std::ptr::eq(pictures[0], pictures[1]));
    let likeness = drawings[0].spec().objective.likeness.as_ref().unwrap();
    assert!(Arc::strong_count(&likeness.picture) > 1);
}
