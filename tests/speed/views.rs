//! Views of a 224 x 224 canvas: resampling and its transpose, for the input sizes of the embedded
//! model (64) and of ViT-B/32 (224).

use clipdraw::render::cpu::warp::{ViewBatch, view_gradient};
use clipdraw::render::view::random_views;
use clipdraw::scene::Picture;
use divan::Bencher;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

const SIDE: usize = 224;

#[divan::bench(args = [64, 224])]
fn four_views(bencher: Bencher<'_, '_>, input_size: usize) {
    let picture = Picture::filled(SIDE, SIDE, [0.5; 3]);
    let views = random_views(&mut ChaCha8Rng::seed_from_u64(1), 4, SIDE, SIDE);
    bencher.bench(|| ViewBatch::new(&picture, &views, input_size));
}

#[divan::bench(args = [64, 224])]
fn gradient_of_four_views(bencher: Bencher<'_, '_>, input_size: usize) {
    let picture = Picture::filled(SIDE, SIDE, [0.5; 3]);
    let views = random_views(&mut ChaCha8Rng::seed_from_u64(1), 4, SIDE, SIDE);
    let gradient = ViewBatch::new(&picture, &views, input_size);
    bencher.bench(|| view_gradient(&gradient, &views, SIDE, SIDE));
}
