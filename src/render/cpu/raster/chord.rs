//! Cubic segments to chords: straight pieces close enough to the curve that nobody sees the
//! difference. The distance to a curve changes by no more than the curve is moved, so the outline
//! of a stroke is as close to the true one as the chords are to the curve.
//!
//! Chords between points of the curve would all lie on its inner side. Where two chords of a piece
//! meet they are moved outwards, so that the curve lies on both sides of them in equal parts; what
//! then remains shrinks with the fourth power of their length instead of the second, also in the
//! gradient.

use crate::scene::Point;

/// The farthest that a chord between points of the curve may lie from it, in pixels; the chords
/// as they are moved lie at most two thirds of that away.
const TOLERANCE: f64 = 0.06;

/// Even a straight segment gets this many chords: moving its inner control points bends it.
const MIN_CHORDS_PER_PIECE: f64 = 4.0;

/// More chords than this are not cut from one piece of a curve: the piece is halved first, and a
/// half that cannot touch the canvas costs nothing more.
const MAX_CHORDS_PER_PIECE: f64 = 32.0;

/// Halvings of one segment, enough for the largest finite coordinates.
const MAX_HALVINGS: u32 = 72;

/// A segment gets no more chords than this; only strokes of thousands of pixels could ask for it.
const MAX_CHORDS_PER_SEGMENT: usize = 4096;

/// One straight piece of a stroke's centre line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chord {
    /// Where it starts, in canvas pixels.
    pub(super) start: Point,
    /// From its start to its end.
    pub(super) vector: Point,
    /// One over its squared length, or 0 for a chord without length.
    pub(super) inverse_square: f32,
    /// Whether the chord before it in the list ends where this one starts.
    pub(super) continues: bool,
}

impl Chord {
    /// Its start and its end.
    pub(super) fn ends(&self) -> [[f64; 2]; 2] {
        let start = self.start.map(f64::from);
        let vector = self.vector.map(f64::from);
        [start, [start[0] + vector[0], start[1] + vector[1]]]
    }
}

/// How a chord depends on control points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ChordWeights {
    /// The stroke.
    pub(super) stroke: u32,
    /// The first of four control points, counted from the stroke's first.
    pub(super) first_point: u32,
    /// How much of each control point is in the chord's start.
    pub(super) start: [f32; 4],
    /// How much of each control point is in the chord's end.
    pub(super) end: [f32; 4],
}

/// An upright box in canvas pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub(super) min: [f64; 2],
    pub(super) max: [f64; 2],
}

impl Bounds {
    /// The box around some points, without points an empty one.
    pub(super) fn around(points: impl IntoIterator<Item = [f64; 2]>) -> Self {
        let empty = Self {
            min: [f64::INFINITY; 2],
            max: [f64::NEG_INFINITY; 2],
        };
        points.into_iter().fold(empty, |bounds, point| Self {
            min: [0, 1].map(|axis| bounds.min[axis].min(point[axis])),
            max: [0, 1].map(|axis| bounds.max[axis].max(point[axis])),
        })
    }

    /// The same box with `margin` added on every side.
    pub(super) fn expanded(self, margin: f64) -> Self {
        Self {
            min: self.min.map(|side| side - margin),
            max: self.max.map(|side| side + margin),
        }
    }

    fn intersects(&self, other: &Self) -> bool {
        (0..2).all(|axis| self.min[axis] <= other.max[axis] && other.min[axis] <= self.max[axis])
    }

    /// The part of the line from `start` to `end` inside the box, as fractions of its length
    /// (Liang and Barsky).
    fn clip(&self, start: [f64; 2], end: [f64; 2]) -> Option<[f64; 2]> {
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        for axis in 0..2 {
            let delta = end[axis] - start[axis];
            let to_min = self.min[axis] - start[axis];
            let to_max = self.max[axis] - start[axis];
            if delta == 0.0 {
                if to_min > 0.0 || to_max < 0.0 {
                    return None;
                }
                continue;
            }
            let (first, last) = (to_min / delta, to_max / delta);
            enter = enter.max(first.min(last));
            leave = leave.min(first.max(last));
        }
        (enter <= leave).then_some([enter, leave])
    }
}

/// The chords of some strokes and how they depend on control points.
#[derive(Debug, Default)]
pub(super) struct Chords {
    pub(super) chords: Vec<Chord>,
    /// One for each chord.
    pub(super) weights: Vec<ChordWeights>,
}

/// Cuts strokes into chords, leaving out what lies outside `clip_box`.
#[derive(Debug)]
struct Flattener<'a> {
    clip_box: Bounds,
    stroke: u32,
    first_point: u32,
    output: &'a mut Chords,
    /// Chords before the segment, which do not count for its limit.
    before: usize,
    /// The end of the last chord where nothing was cut off after it.
    last_end: Option<[f64; 2]>,
}

/// A place on a segment: its position and how much of each control point is in it.
#[derive(Debug, Clone, Copy)]
struct Joint {
    position: [f64; 2],
    weights: [f64; 4],
}

impl Joint {
    /// The point at a part of the line to another joint.
    fn lerp(&self, other: &Self, part: f64) -> Self {
        let between = |a: f64, b: f64| a + part * (b - a);
        Self {
            position: [0, 1].map(|axis| between(self.position[axis], other.position[axis])),
            weights: [0, 1, 2, 3].map(|index| between(self.weights[index], other.weights[index])),
        }
    }
}

/// A part of a segment: its own control points, and which part it is.
#[derive(Debug, Clone, Copy)]
struct Piece {
    points: [[f64; 2]; 4],
    from: f64,
    to: f64,
}

impl Chords {
    /// Appends the chords of a stroke of `1 + 3 n` control points; what lies outside `clip_box` is
    /// left out.
    pub(super) fn flatten(&mut self, stroke: usize, points: &[Point], clip_box: Bounds) {
        let mut flattener = Flattener {
            clip_box,
            stroke: stroke as u32,
            first_point: 0,
            before: 0,
            output: self,
            last_end: None,
        };
        for (segment, points) in points.windows(4).step_by(3).enumerate() {
            flattener.first_point = 3 * segment as u32;
            flattener.before = flattener.output.chords.len();
            let whole = Piece {
                points: [0, 1, 2, 3].map(|index| points[index].map(f64::from)),
                from: 0.0,
                to: 1.0,
            };
            flattener.flatten_piece(whole, MAX_HALVINGS);
        }
    }

    /// Forgets all chords but the first `count`.
    pub(super) fn truncate(&mut self, count: usize) {
        self.chords.truncate(count);
        self.weights.truncate(count);
    }
}

impl Flattener<'_> {
    fn flatten_piece(&mut self, piece: Piece, halvings: u32) {
        if !self.clip_box.intersects(&Bounds::around(piece.points))
            || self.output.chords.len() - self.before >= MAX_CHORDS_PER_SEGMENT
        {
            self.last_end = None;
            return;
        }
        let count = chord_count(&piece.points);
        if count <= MAX_CHORDS_PER_PIECE || halvings == 0 {
            self.subdivide(&piece, count.min(MAX_CHORDS_PER_PIECE) as u32);
            return;
        }
        let [first, second] = halves(&piece);
        self.flatten_piece(first, halvings - 1);
        self.flatten_piece(second, halvings - 1);
    }

    fn subdivide(&mut self, piece: &Piece, count: u32) {
        let step = 1.0 / f64::from(count);
        let mut start = piece.joint(0.0, 0.0);
        for index in 1..count {
            let end = piece.joint(f64::from(index) * step, step);
            self.push_chord(&start, &end);
            start = end;
        }
        self.push_chord(&start, &piece.joint(1.0, 0.0));
    }

    fn push_chord(&mut self, start: &Joint, end: &Joint) {
        let Some([enter, leave]) = self.clip_box.clip(start.position, end.position) else {
            self.last_end = None;
            return;
        };
        let continues = enter <= 0.0 && self.last_end == Some(start.position);
        let first = if enter <= 0.0 {
            *start
        } else {
            start.lerp(end, enter)
        };
        let last = if leave >= 1.0 {
            *end
        } else {
            start.lerp(end, leave)
        };
        let vector = [0, 1].map(|axis| last.position[axis] - first.position[axis]);
        let square = vector[0] * vector[0] + vector[1] * vector[1];
        self.output.chords.push(Chord {
            start: first.position.map(|coordinate| coordinate as f32),
            vector: vector.map(|coordinate| coordinate as f32),
            inverse_square: if square > MIN_SQUARE_LENGTH {
                square.recip() as f32
            } else {
                0.0
            },
            continues,
        });
        self.output.weights.push(ChordWeights {
            stroke: self.stroke,
            first_point: self.first_point,
            start: first.weights.map(|weight| weight as f32),
            end: last.weights.map(|weight| weight as f32),
        });
        self.last_end = (leave >= 1.0).then_some(end.position);
    }
}

impl Piece {
    /// The joint of chords at a part of the piece's parameter, 0 to 1. The chords go on for `step`
    /// on both sides of it; at an end of the piece that is 0.
    fn joint(&self, part: f64, step: f64) -> Joint {
        let width = self.to - self.from;
        let local = joint_weights(part, step);
        Joint {
            position: [0, 1].map(|axis| {
                let terms = local.iter().zip(&self.points);
                terms.map(|(weight, point)| weight * point[axis]).sum()
            }),
            weights: joint_weights(self.from + part * width, step * width),
        }
    }
}

/// A chord with a smaller squared length counts as a point.
const MIN_SQUARE_LENGTH: f64 = 1e-12;

/// How many equal parts of the parameter keep the chords within the tolerance: a chord of a curve
/// deviates by at most 1/8 of the second derivative, times the square of the parameter's step; the
/// second derivative of a cubic is at most 6 times the larger second difference of its points.
fn chord_count(points: &[[f64; 2]; 4]) -> f64 {
    let bend = |a: [f64; 2], b: [f64; 2], c: [f64; 2]| {
        (a[0] - 2.0 * b[0] + c[0]).hypot(a[1] - 2.0 * b[1] + c[1])
    };
    let max = bend(points[0], points[1], points[2]).max(bend(points[1], points[2], points[3]));
    (0.75 * max / TOLERANCE)
        .sqrt()
        .ceil()
        .max(MIN_CHORDS_PER_PIECE)
}

/// Splits a piece in the middle of its parameter (de Casteljau).
fn halves(piece: &Piece) -> [Piece; 2] {
    let middle = |a: [f64; 2], b: [f64; 2]| [0.5 * (a[0] + b[0]), 0.5 * (a[1] + b[1])];
    let [a, b, c, d] = piece.points;
    let (ab, bc, cd) = (middle(a, b), middle(b, c), middle(c, d));
    let (abc, bcd) = (middle(ab, bc), middle(bc, cd));
    let center = middle(abc, bcd);
    let half = 0.5 * (piece.from + piece.to);
    [
        Piece {
            points: [a, ab, abc, center],
            from: piece.from,
            to: half,
        },
        Piece {
            points: [center, bcd, cd, d],
            from: half,
            to: piece.to,
        },
    ]
}

/// How much of each control point is in the joint at `parameter` of chords that go on for `step`
/// on both sides: the point of the curve (Bernstein's weights) less 1/12 of the second derivative
/// times the square of the step, which is how far the chords lie inside the curve on average.
fn joint_weights(parameter: f64, step: f64) -> [f64; 4] {
    let (t, rest) = (parameter, 1.0 - parameter);
    let outward = -0.5 * step * step;
    [
        rest * rest * rest + outward * rest,
        3.0 * rest * rest * t + outward * (3.0 * t - 2.0),
        3.0 * rest * t * t + outward * (1.0 - 3.0 * t),
        t * t * t + outward * t,
    ]
}
