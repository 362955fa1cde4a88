//! The time of the forward pass, and of both passes.

use clipdraw::render::cpu::raster;
use clipdraw::scene::{Canvas, Picture, Strokes, start};

/// Strokes of a start with half widths spread evenly up to the widest.
#[derive(Debug, Clone, Copy)]
struct Scene {
    strokes: usize,
    widest: f32,
}

impl std::fmt::Display for Scene {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} strokes of 1 to {}",
            self.strokes, self.widest
        )
    }
}

impl Scene {
    const fn new(strokes: usize, widest: f32) -> Self {
        Self { strokes, widest }
    }

    fn strokes(self) -> (Strokes, Canvas) {
        let canvas = Canvas::default();
        let mut strokes = start::random_strokes(&canvas, self.strokes, 1);
        for (index, half_width) in strokes.half_widths.iter_mut().enumerate() {
            *half_width += (index as f32 * 0.618_034).fract() * (self.widest - 1.0);
        }
        (strokes, canvas)
    }
}

const SCENES: [Scene; 4] = [
    Scene::new(256, 1.0),
    Scene::new(256, 12.0),
    Scene::new(256, 20.0),
    Scene::new(1024, 1.0),
];

#[divan::bench(args = SCENES)]
fn picture(bencher: divan::Bencher<'_, '_>, scene: Scene) {
    let (strokes, canvas) = scene.strokes();
    bencher.bench_local(|| raster::paint(&strokes, &canvas));
}

#[divan::bench(args = SCENES)]
fn picture_and_gradient(bencher: divan::Bencher<'_, '_>, scene: Scene) {
    let (strokes, canvas) = scene.strokes();
    let picture_gradient = Picture::filled(224, 224, [0.3, -0.2, 0.1]);
    bencher.bench_local(|| raster::paint(&strokes, &canvas).gradient(&picture_gradient));
}

#[divan::bench(args = SCENES)]
fn picture_and_gradient_on_one_thread(bencher: divan::Bencher<'_, '_>, scene: Scene) {
    let (strokes, canvas) = scene.strokes();
    let picture_gradient = Picture::filled(224, 224, [0.3, -0.2, 0.1]);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.expect("one thread can be started");
    bencher.bench_local(|| {
        pool.install(|| raster::paint(&strokes, &canvas).gradient(&picture_gradient))
    });
}
