//! Strokes that show nothing: what a drawing starts from, and what it may get stuck in. With their own
//! captions, the model learns to recognize scribbles, instead of reading them as something else.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::pack::{Record, SIDE, Style};
use super::strokes_picture::{canvas, transparent};
use clipdraw::scene::REFERENCE_SIDE;
use clipdraw::scene::start::random_strokes;
use clipdraw::scene::{Point, Rgb, Strokes};

/// The set of all scribbles.
const SET: &str = "scribbles";
/// What every scribble shows.
pub(super) const CONCEPT: &str = "a scribble";

/// How often a scribble is shown, beside other pictures: about a tenth of all is enough.
const WEIGHT: f32 = 0.09;

/// A kind of scribble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ScribbleKind {
    /// As a drawing starts: thin strokes all over.
    Start,
    /// Wide strokes of all lengths.
    Thick,
    /// A handful of strokes.
    Few,
    /// Long strokes that turn and turn.
    Curled,
    /// Strokes of a few colors that have begun to gather in the middle, and others left lying about.
    Litter,
}

const KINDS: [ScribbleKind; 5] = [
    ScribbleKind::Start,
    ScribbleKind::Thick,
    ScribbleKind::Few,
    ScribbleKind::Curled,
    ScribbleKind::Litter,
];

impl ScribbleKind {
    /// What is true of it, besides what is true of all of them.
    fn captions(self) -> &'static [&'static str] {
        match self {
            Self::Start => &[
                "scattered lines",
                "random thin lines",
                "a mess of thin lines",
            ],
            Self::Thick => &[
                "abstract shapes",
                "scattered brush strokes",
                "blobs of paint",
                "an abstract painting",
            ],
            Self::Few => &[
                "a few random lines",
                "a few brush strokes",
                "a few lines on white paper",
            ],
            Self::Curled => &[
                "a tangle of colored lines",
                "tangled lines",
                "curly lines",
                "a doodle",
            ],
            Self::Litter => &[
                "a badly drawn sketch",
                "many ugly messy drawings",
                "an unfinished drawing",
                "stray brush strokes",
            ],
        }
    }
}

/// What is true of every scribble.
pub(super) const PLAIN: [&str; 8] = [
    "scribble",
    "a scribble",
    "a messy scribble",
    "random lines",
    "meaningless scribbles",
    "abstract lines",
    "a drawing of nothing",
    "random brush strokes",
];

/// Scribble number `number`: its picture and its record. The same number gives the same scribble.
pub fn scribble(number: usize) -> (Vec<u8>, Record) {
    let kind = KINDS[number % KINDS.len()];
    let mut random = ChaCha8Rng::seed_from_u64(number as u64);
    let picture = transparent(&strokes(kind, &mut random));
    let captions = PLAIN.iter().chain(kind.captions());
    let record = Record {
        set: SET.to_owned(),
        name: format!("{kind:?}-{number}").to_lowercase(),
        style: Style::Scribble,
        weight: WEIGHT,
        concept: CONCEPT.to_owned(),
        plain: captions.map(|&caption| caption.to_owned()).collect(),
        keywords: Vec::new(),
        scenes: Vec::new(),
        filtered: Vec::new(),
    };
    (picture, record)
}

fn strokes(kind: ScribbleKind, random: &mut ChaCha8Rng) -> Strokes {
    let canvas = canvas(Rgb::WHITE);
    match kind {
        ScribbleKind::Start => {
            let count = random.random_range(8..256);
            random_strokes(&canvas, count, random.random())
        }
        ScribbleKind::Thick => {
            let count = random.random_range(6..80);
            let mut strokes = random_strokes(&canvas, count, random.random());
            let widest = random.random_range(2.0..12.0);
            stretch(&mut strokes, random.random_range(1.0..4.0));
            for half_width in &mut strokes.half_widths {
                *half_width *= random.random_range(1.0..widest);
            }
            strokes
        }
        ScribbleKind::Few => {
            let count = random.random_range(2..9);
            let mut strokes = random_strokes(&canvas, count, random.random());
            stretch(&mut strokes, random.random_range(1.0..6.0));
            let wider = random.random_range(1.0..6.0);
            strokes
                .half_widths
                .iter_mut()
                .for_each(|half_width| *half_width *= wider);
            strokes
        }
        ScribbleKind::Curled => curled(random),
        ScribbleKind::Litter => litter(random),
    }
}

/// Makes strokes longer, each from its first point.
fn stretch(strokes: &mut Strokes, factor: f32) {
    for stroke in 0..strokes.len() {
        let range = strokes.point_range(stroke);
        let first = strokes.points[range.start];
        for point in &mut strokes.points[range] {
            *point = [0, 1].map(|axis| first[axis] + factor * (point[axis] - first[axis]));
        }
    }
}

fn curled(random: &mut ChaCha8Rng) -> Strokes {
    let scale = SIDE as f32 / REFERENCE_SIDE;
    let mut strokes = Strokes::new();
    let few_colors = random.random_bool(0.5);
    let color = random_color(random);
    for _ in 0..random.random_range(2..40) {
        let mut point: Point = [(); 2].map(|()| random.random_range(0.1..0.9) * SIDE as f32);
        let mut angle = random.random_range(0.0..std::f32::consts::TAU);
        let turn = random.random_range(-1.4..1.4_f32);
        let step = random.random_range(8.0..40.0) * scale;
        let mut points = vec![point];
        for _ in 0..9 {
            angle += turn + random.random_range(-0.4..0.4);
            point = [point[0] + step * angle.cos(), point[1] + step * angle.sin()];
            points.push(point);
        }
        let color = if few_colors {
            color
        } else {
            random_color(random)
        };
        strokes.push(&points, random.random_range(0.8..5.0) * scale, color);
    }
    strokes
}

fn litter(random: &mut ChaCha8Rng) -> Strokes {
    let canvas = canvas(Rgb::WHITE);
    let mut strokes = random_strokes(&canvas, random.random_range(30..300), random.random());
    let palette: Vec<_> = (0..random.random_range(2..6))
        .map(|_| random_color(random))
        .collect();
    let gathered = random.random_range(0.2..0.7);
    let middle: Point = [(); 2].map(|()| random.random_range(0.35..0.65) * SIDE as f32);
    for stroke in 0..strokes.len() {
        strokes.half_widths[stroke] *= random.random_range(0.8..5.0);
        if random.random_bool(gathered) {
            let pull = random.random_range(0.3..0.8);
            let range = strokes.point_range(stroke);
            for point in &mut strokes.points[range] {
                *point = [0, 1].map(|axis| point[axis] + pull * (middle[axis] - point[axis]));
            }
            if let Some(color) = palette.choose(random) {
                strokes.colors[stroke] = *color;
            }
        }
    }
    strokes
}

fn random_color(random: &mut ChaCha8Rng) -> [f32; 4] {
    let [red, green, blue] = [(); 3].map(|()| random.random::<f32>());
    [red, green, blue, random.random_range(0.3..1.0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_for_one_scribble_and_every_kind_leaves_paint() {
        for number in 0..2 * KINDS.len() {
            let (picture, record) = scribble(number);
            assert_eq!(picture, scribble(number).0);
            let paint = picture
                .iter()
                .skip(3)
                .step_by(4)
                .filter(|&&opacity| opacity > 0);
            assert!(paint.count() > 20, "{}", record.name);
            assert_eq!(record.concept, CONCEPT);
            assert!(record.plain.len() > PLAIN.len());
        }
    }
}
