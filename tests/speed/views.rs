//! Views of a canvas: resampling and its transpose, for the input sizes of the embedded model (64) and of ViT-B/32
//! (224).

use clipdraw::render::cpu::warp::{ViewBatch, pooled_view_gradient};
use clipdraw::render::view::random_views;
use clipdraw::scene::Picture;
use divan::Bencher;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The side of the canvas and the input size of the model, in pixels.
#[derive(Debug, Clone, Copy)]
struct Size {
    canvas: usize,
    input: usize,
}

impl std::fmt::Display for Size {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} of a canvas of {}", self.input, self.canvas)
    }
}

const SIZES: [Size; 4] = [
    Size {
        canvas: 224,
        input: 64,
    },
    Size {
        canvas: 224,
        input: 224,
    },
    Size {
        canvas: 1024,
        input: 64,
    },
    Size {
        canvas: 1024,
        input: 224,
    },
];

#[divan::bench(args = SIZES)]
fn four_views(bencher: Bencher<'_, '_>, Size { canvas, input }: Size) {
    let picture = Picture::filled(canvas, canvas, [0.5; 3]);
    let views = random_views(&mut ChaCha8Rng::seed_from_u64(1), 4, canvas, canvas);
    bencher.bench(|| ViewBatch::new(&picture, &views, input));
}

#[divan::bench(args = SIZES)]
fn gradient_of_four_views(bencher: Bencher<'_, '_>, Size { canvas, input }: Size) {
    let picture = Picture::filled(canvas, canvas, [0.5; 3]);
    let views = random_views(&mut ChaCha8Rng::seed_from_u64(1), 4, canvas, canvas);
    let gradient = ViewBatch::new(&picture, &views, input);
    bencher.bench(|| pooled_view_gradient(&gradient, &views, canvas, canvas));
}
