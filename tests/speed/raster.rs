//! The time of the forward pass, and of both passes.

use clipdraw::import::read_strokes;
use clipdraw::render::cpu::raster;
use clipdraw::scene::{Canvas, Picture, Strokes, start};

/// What is drawn.
#[derive(Debug, Clone, Copy)]
enum Scene {
    /// Strokes of a start with half widths spread evenly up to the widest.
    Start { strokes: usize, widest: f32 },
    /// A finished drawing: its strokes cover each other far more than those of a start.
    Finished,
}

impl std::fmt::Display for Scene {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start { strokes, widest } => {
                write!(formatter, "{strokes} strokes of 1 to {widest}")
            }
            Self::Finished => write!(formatter, "a finished drawing"),
        }
    }
}

impl Scene {
    const fn new(strokes: usize, widest: f32) -> Self {
        Self::Start { strokes, widest }
    }

    fn strokes(self) -> (Strokes, Canvas) {
        let canvas = Canvas::default();
        match self {
            Self::Start { strokes, widest } => {
                let mut strokes = start::random_strokes(&canvas, strokes, 1);
                for (index, half_width) in strokes.half_widths.iter_mut().enumerate() {
                    *half_width += (index as f32 * 0.618_034).fract() * (widest - 1.0);
                }
                (strokes, canvas)
            }
            Self::Finished => {
                let drawing = include_bytes!("../../docs/drawing.svg");
                let imported = read_strokes(drawing).expect("a drawing of this program");
                (imported.on_canvas(&canvas), canvas)
            }
        }
    }
}

const SCENES: [Scene; 5] = [
    Scene::new(256, 1.0),
    Scene::new(256, 12.0),
    Scene::new(256, 20.0),
    Scene::new(1024, 1.0),
    Scene::Finished,
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
