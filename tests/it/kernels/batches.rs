//! The order of work, and several scenes at once.

use clipdraw::render::cuda::{KernelRenderer, Room};

use super::comparison::render;
use super::processor::Processor;
use super::scenes::{OwnedScene, all};

fn small() -> Vec<(OwnedScene, usize)> {
    let scenes = all().into_iter();
    scenes
        .filter(|(scene, _)| scene.canvas.width < 1000)
        .collect()
}

#[test]
fn the_order_of_blocks_and_threads_changes_no_byte() {
    let natural = KernelRenderer::new(Processor::new(0), Room::default());
    let others = [1, 2, 3].map(|order| KernelRenderer::new(Processor::new(order), Room::default()));
    for (scene, side) in small() {
        let expected = render(&natural, &[&scene], side).bits();
        for other in &others {
            assert_eq!(
                render(other, &[&scene], side).bits(),
                expected,
                "{}",
                scene.name
            );
        }
    }
}

#[test]
fn a_scene_has_the_same_bytes_in_every_batch() {
    let renderer = KernelRenderer::new(Processor::new(0), Room::default());
    let scenes: Vec<OwnedScene> = small().into_iter().map(|(scene, _)| scene).collect();
    let side = 48;
    let together: Vec<&OwnedScene> = scenes.iter().collect();
    let together = render(&renderer, &together, side);
    let mut views = together.views.chunks(4 * 3 * side * side);
    for (scene, gradient) in scenes.iter().zip(&together.gradients) {
        let alone = render(&renderer, &[scene], side);
        assert_eq!(alone.views, views.next().unwrap(), "{}", scene.name);
        assert_eq!(&alone.gradients[0], gradient, "{}", scene.name);
    }
}
