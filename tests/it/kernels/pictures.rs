//! One scene at a time: pictures, views and gradients are those of the processor.

use std::sync::atomic::Ordering;

use clipdraw::render::cuda::{KernelRenderer, Room};
use clipdraw::scene::{Canvas, Strokes};
use proptest::prelude::*;

use super::comparison::{disagreements, render};
use super::processor::Processor;
use super::scenes::{OwnedScene, all};
use crate::raster::extremes::stroke;

/// The largest relative difference between gradients of strokes. Only the order of sums differs; the largest that was
/// measured in `all()` is 3.3e-7.
const TOLERANCE: f64 = 1e-6;

/// The same for random strokes, whose gradients may almost cancel. The largest that was seen is 1.5e-4, with a control point
/// eight million pixels away.
const TOLERANCE_OF_RANDOM_STROKES: f64 = 1e-3;

#[test]
fn hard_scenes_have_the_bits_of_the_processor() {
    let found: Vec<String> = all()
        .iter()
        .flat_map(|(scene, side)| disagreements(scene, *side, TOLERANCE))
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn extreme_strokes_have_the_bits_of_the_processor(strokes in prop::collection::vec(stroke(), 1..6)) {
        let mut all = Strokes::new();
        for (points, half_width, color) in &strokes {
            all.push(points, *half_width, *color);
        }
        let canvas = Canvas { width: 37, height: 21, ..Canvas::default() };
        let scene = OwnedScene::new("extreme strokes", all, canvas);
        let found = disagreements(&scene, 24, TOLERANCE_OF_RANDOM_STROKES);
        prop_assert!(found.is_empty(), "{}", found.join("\n"));
    }
}

#[test]
fn more_chords_than_shared_memory_holds_change_no_byte() {
    let few = Processor::with_definitions(0, &["MAX_CANDIDATES=2"]);
    let few = KernelRenderer::new(few, Room::default());
    let usual = KernelRenderer::new(Processor::new(0), Room::default());
    for (scene, side) in all().iter().filter(|(scene, _)| scene.canvas.width < 200) {
        let few = render(&few, &[scene], *side);
        let usual = render(&usual, &[scene], *side);
        assert_eq!(few.bits(), usual.bits(), "{}", scene.name);
    }
}

#[test]
fn a_pass_without_enough_room_is_done_again_with_more() {
    let forward = 7;
    for room in [
        Room {
            chords: 1,
            ..Room::default()
        },
        Room {
            tile_strokes: 1,
            ..Room::default()
        },
        Room {
            chords: 3,
            tile_strokes: 5,
        },
    ] {
        let usual = KernelRenderer::new(Processor::new(0), Room::default());
        let narrow = KernelRenderer::new(Processor::new(0), room);
        let scenes = all();
        let (scene, side) = scenes
            .iter()
            .find(|(scene, _)| scene.name == "long strokes")
            .unwrap();
        let expected = render(&usual, &[scene], *side);
        assert_eq!(
            render(&narrow, &[scene], *side).bits(),
            expected.bits(),
            "{room:?}"
        );
        let launches = narrow.launcher().launches.swap(0, Ordering::Relaxed);
        assert!(
            launches > usual.launcher().launches.load(Ordering::Relaxed),
            "{launches}"
        );
        let grown = narrow.room();
        assert!(grown.chords >= room.chords && grown.tile_strokes >= room.tile_strokes);
        // What was learned is kept: the next pass has enough room at once.
        assert_eq!(
            render(&narrow, &[scene], *side).bits(),
            expected.bits(),
            "{room:?}"
        );
        let launches = narrow.launcher().launches.load(Ordering::Relaxed);
        assert_eq!(launches, forward + 4);
    }
}

#[test]
fn a_stroke_of_too_many_points_is_an_error() {
    let mut strokes = Strokes::new();
    strokes.push(&[[1.0, 2.0]; 13], 1.0, [0.5; 4]);
    let scene = OwnedScene::new("thirteen points", strokes, Canvas::default());
    let renderer = KernelRenderer::new(Processor::new(0), Room::default());
    let scenes = [scene.scene()];
    let error = clipdraw::render::Renderer::forward(&renderer, &scenes, 32)
        .err()
        .expect("the kernels have no room for it");
    assert!(error.to_string().contains("13 control points"), "{error}");
}
