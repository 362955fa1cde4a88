//! Scenes that are hard to render.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::render::Scene;
use crate::render::view::{ViewTransform, random_views};
use crate::scene::start::random_strokes;
use crate::scene::{Canvas, Rgb, Strokes};

/// The views of a scene, three random ones and the whole canvas.
const RANDOM_VIEWS: usize = 3;

/// A scene that owns its parts.
#[derive(Debug)]
pub(super) struct OwnedScene {
    pub(super) name: &'static str,
    pub(super) strokes: Strokes,
    pub(super) canvas: Canvas,
    pub(super) views: Vec<ViewTransform>,
}

impl OwnedScene {
    /// A scene with random views and the whole canvas.
    fn new(name: &'static str, strokes: Strokes, canvas: Canvas, random: &mut impl Rng) -> Self {
        let (width, height) = (canvas.width as usize, canvas.height as usize);
        let mut views = random_views(random, RANDOM_VIEWS, width, height);
        views.push(ViewTransform::whole(width, height));
        Self {
            name,
            strokes,
            canvas,
            views,
        }
    }

    /// It as renderers get it.
    pub(super) fn scene(&self) -> Scene<'_> {
        Scene {
            strokes: &self.strokes,
            canvas: &self.canvas,
            views: &self.views,
        }
    }
}

/// The strokes that a drawing starts from.
pub(super) fn start(seed: u64) -> OwnedScene {
    let canvas = Canvas::default();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let strokes = random_strokes(&canvas, 256, seed);
    OwnedScene::new("the start of a drawing", strokes, canvas, &mut random)
}

/// Scenes of one seed that are hard to render, each in its own way.
pub(super) fn hard_scenes(seed: u64) -> Vec<OwnedScene> {
    let mut random = ChaCha8Rng::seed_from_u64(seed.wrapping_add(1));
    let usual = Canvas::default();
    let odd = colored(301, 183);
    let large = colored(1024, 1024);

    let wide = with_half_widths(random_strokes(&usual, 256, seed), [1.0, 20.0], &mut random);
    let mut opaque = with_half_widths(random_strokes(&usual, 256, seed), [14.0, 26.0], &mut random);
    for (stroke, color) in opaque.colors.iter_mut().enumerate() {
        color[3] = if stroke % 3 == 0 { 0.0 } else { 1.0 };
    }
    let mut outside = with_half_widths(random_strokes(&odd, 256, seed), [0.3, 40.0], &mut random);
    for point in &mut outside.points {
        // From a third of the canvas before its edges to a third beyond them.
        *point = [(point[0] - 60.0) * 1.66, (point[1] - 36.0) * 1.66];
    }
    let many = random_strokes(&usual, 1024, seed);
    let on_large = with_half_widths(random_strokes(&large, 512, seed), [0.5, 30.0], &mut random);
    vec![
        start(seed),
        OwnedScene::new("wide strokes", wide, usual, &mut random),
        OwnedScene::new(
            "opaque strokes that cover tiles",
            opaque,
            usual,
            &mut random,
        ),
        OwnedScene::new("strokes beyond an odd canvas", outside, odd, &mut random),
        OwnedScene::new("1,024 strokes", many, usual, &mut random),
        OwnedScene::new("a canvas of 1024 by 1024", on_large, large, &mut random),
    ]
}

fn colored(width: u32, height: u32) -> Canvas {
    Canvas {
        width,
        height,
        background: Rgb {
            red: 230,
            green: 240,
            blue: 90,
        },
        ..Canvas::default()
    }
}

/// Random half widths between two limits.
fn with_half_widths(mut strokes: Strokes, limits: [f32; 2], random: &mut impl Rng) -> Strokes {
    for half_width in &mut strokes.half_widths {
        *half_width = random.random_range(limits[0]..limits[1]);
    }
    strokes
}
