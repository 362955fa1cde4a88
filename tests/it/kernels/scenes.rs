//! Scenes that are hard to render.

use clipdraw::render::Scene;
use clipdraw::render::view::{ViewTransform, random_views};
use clipdraw::scene::{Canvas, Rgb, Strokes, start};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::raster::scenes::{hard, random, spread};

/// A scene that owns its parts.
#[derive(Debug)]
pub(super) struct OwnedScene {
    pub(super) name: String,
    pub(super) strokes: Strokes,
    pub(super) canvas: Canvas,
    pub(super) views: Vec<ViewTransform>,
}

impl OwnedScene {
    /// A scene with three random views and the whole canvas.
    pub(super) fn new(name: impl Into<String>, strokes: Strokes, canvas: Canvas) -> Self {
        let (width, height) = (canvas.width as usize, canvas.height as usize);
        let mut random = ChaCha8Rng::seed_from_u64(u64::from(canvas.width) + strokes.len() as u64);
        let mut views = random_views(&mut random, 3, width, height);
        views.push(ViewTransform::whole(width, height));
        Self {
            name: name.into(),
            strokes,
            canvas,
            views,
        }
    }

    pub(super) fn scene(&self) -> Scene<'_> {
        Scene {
            strokes: &self.strokes,
            canvas: &self.canvas,
            views: &self.views,
        }
    }
}

fn canvas(width: u32, height: u32) -> Canvas {
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

/// The random strokes of another canvas, moved and scaled to this one and beyond its edges.
fn spread_over(strokes: &Strokes, canvas: &Canvas, factor: f32) -> Strokes {
    let mut moved = strokes.clone();
    for point in &mut moved.points {
        *point = [
            (point[0] / 224.0 - 0.2) * factor * canvas.width as f32,
            (point[1] / 224.0 - 0.2) * factor * canvas.height as f32,
        ];
    }
    moved
}

fn opaque() -> OwnedScene {
    let (mut strokes, canvas) = random(4, [14.0, 26.0], 1.5);
    for stroke in 0..strokes.len() {
        strokes.colors[stroke][3] = if stroke % 3 == 0 { 0.0 } else { 1.0 };
    }
    OwnedScene::new("opaque strokes that cover tiles", strokes, canvas)
}

/// Strokes that are not painted, or look as they should not.
fn corner_cases() -> OwnedScene {
    let points = [[20.0, 30.0], [60.0, 10.0], [90.0, 80.0], [120.0, 60.0]];
    let color = [0.8, 0.3, 0.1, 0.7];
    let mut strokes = Strokes::new();
    strokes.push(&points, 5.0, color);
    strokes.push(&points.map(|[x, y]| [x + 40.0, y]), f32::NAN, color);
    strokes.push(&points.map(|[_, y]| [f32::NAN, y]), 5.0, color);
    strokes.push(&points.map(|[x, _]| [x, f32::INFINITY]), 5.0, color);
    strokes.push(&points, 0.0, color);
    strokes.push(&points, -3.0, color);
    strokes.push(&points.map(|[x, y]| [y, x]), 7.0, [1.5, -0.4, 0.5, 3.0]);
    strokes.push(&points, 4.0, [f32::NAN, 0.5, 0.5, 0.5]);
    strokes.push(&points.map(|[x, y]| [x + 1e5, y]), 9.0, color);
    strokes.push(&points.map(|[x, y]| [x * 1e20, y * 1e25]), 9.0, color);
    strokes.push(&[[70.5, 70.25]; 4], 8.0, color);
    strokes.push(&points, 0.01, color);
    strokes.push(&points, 1.1e6, [0.2, 0.3, 0.4, 0.1]);
    strokes.push(&points.map(|[x, y]| [x + 3e6, y]), 1.1e6, color);
    strokes.push(
        &points.map(|[x, y]| [x + 9e5, y]),
        9e5,
        [0.5, 0.9, 0.4, 0.2],
    );
    strokes.push(&points, f32::MAX, [0.9, 0.3, 0.4, 0.1]);
    OwnedScene::new("corner cases", strokes, canvas(133, 97))
}

/// Scenes whose views are sampled from a pooled picture.
fn much_larger_than_their_views() -> Vec<(OwnedScene, usize)> {
    let large = canvas(1024, 1024);
    let mut strokes = start::random_strokes(&large, 96, 6);
    for stroke in 0..strokes.len() {
        strokes.half_widths[stroke] = 0.5 + 30.0 * spread(stroke);
    }
    let odd = canvas(413, 331);
    let (of_odd, _) = random(7, [0.3, 9.0], 1.0);
    let of_odd = spread_over(&of_odd, &odd, 1.4);
    vec![
        (
            OwnedScene::new("a large canvas", strokes.clone(), large),
            224,
        ),
        (
            OwnedScene::new("a large canvas in small views", strokes, large),
            64,
        ),
        (
            OwnedScene::new("an odd canvas in very small views", of_odd, odd),
            16,
        ),
    ]
}

/// Each with the side of its views.
pub(super) fn all() -> Vec<(OwnedScene, usize)> {
    let small = hard().into_iter();
    let mut all: Vec<_> = small
        .map(|scene| (OwnedScene::new(scene.name, scene.strokes, scene.canvas), 64))
        .collect();
    let (strokes, canvas_224) = random(1, [1.0, 1.0], 1.0);
    all.push((OwnedScene::new("a start", strokes, canvas_224), 224));
    let (strokes, _) = random(2, [0.25, 6.0], 2.5);
    all.push((OwnedScene::new("long strokes", strokes, canvas_224), 96));
    let (strokes, _) = random(3, [1.0, 20.0], 1.0);
    all.push((OwnedScene::new("wide strokes", strokes, canvas_224), 96));
    all.push((opaque(), 96));
    let odd = canvas(301, 183);
    let (strokes, _) = random(5, [0.3, 40.0], 1.0);
    let strokes = spread_over(&strokes, &odd, 1.7);
    all.push((OwnedScene::new("beyond an odd canvas", strokes, odd), 64));
    all.push((corner_cases(), 64));
    all.extend(much_larger_than_their_views());
    let mut many = Strokes::new();
    for stroke in 0..300 {
        let shade = spread(stroke);
        let points = [
            [10.0, 10.0],
            [10.5, 10.2],
            [10.1, 10.6],
            [30.6 * shade, 10.6],
        ];
        many.push(&points, 0.5 + 3.0 * shade, [shade, 1.0 - shade, shade, 0.2]);
    }
    all.push((
        OwnedScene::new("many strokes on few tiles", many, canvas(37, 21)),
        32,
    ));
    let line = [[3.0, 3.0], [4.0, 9.0], [2.0, 7.0], [9.0, 1.0]];
    let mut one = Strokes::new();
    one.push(&line, 0.7, [0.1, 0.2, 0.3, 0.9]);
    all.push((
        OwnedScene::new("nine pixels of height", one.clone(), canvas(1, 9)),
        16,
    ));
    all.push((OwnedScene::new("one pixel", one, canvas(1, 1)), 8));
    all.push((
        OwnedScene::new("no strokes", Strokes::new(), canvas(17, 40)),
        16,
    ));
    all
}
