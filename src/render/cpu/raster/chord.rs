//! Flattens cubic segments into chords: straight pieces so close to the curve that the difference
//! cannot be seen. Replacing a curve by one that lies within `e` of it changes no distance to it
//! by more than `e`, so the outline of a stroke is as accurate as its flattened centre line.
//!
//! Chords between points of the curve would all lie on its inner side, which makes every bend a
//! little too tight, in the picture and in its gradient. The joints between chords
//! are therefore moved outwards, until the curve lies on both sides of the chords in equal parts:
//!
//! ```text
//!   joints on the curve                joints moved outwards
//!
//!        __--o--__   curve                      o          h^2/12 |B''| outside
//!      o-----------o chord                __--''  ``--__
//!      h^2/8 |B''| inside               o''            ``o  h^2/24 |B''| inside
//! ```
//!
//! Here `h` is the parameter's step and `B''` the second derivative. Over one chord the gap of a
//! parabola is `u (1 - u) h^2 |B''| / 2`, `u` from 0 to 1: 1/8 in the middle, 1/12 on average. With
//! the average taken away, what remains shrinks with the fourth power of `h` instead of the
//! second. A moved joint is still a weighted sum of control points, so its gradient is exact.

use crate::scene::Point;

/// The largest allowed distance between the curve and a chord whose ends lie on it, in pixels.
/// With the joints moved outwards the distance is at most two thirds of that (1/12 to 1/8).
const TOLERANCE: f64 = 0.06;

/// Even a straight segment gets this many chords: with a single one its inner control points would
/// have no weight in any joint, hence no gradient, and the segment could never become curved.
const MIN_CHORDS_PER_PIECE: f64 = 4.0;

/// A piece of a curve that needs more chords than this is halved first: a half that cannot touch
/// the canvas is then dropped before any of its chords is made.
const MAX_CHORDS_PER_PIECE: f64 = 32.0;

/// The maximum depth of halving. Each halving divides the second differences of the points
/// by 4, so 72 are enough for the largest finite coordinates, about 2^128.
const MAX_HALVINGS: u32 = 72;

/// The maximum number of chords of one segment. Only strokes that run over the canvas many times,
/// thousands of pixels long, could need more.
const MAX_CHORDS_PER_SEGMENT: usize = 4096;

/// A piece of the flattened centre line of a stroke: a straight line between two joints.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chord {
    /// Where it starts, in canvas pixels.
    pub(super) start: Point,
    /// From its start to its end, in pixels.
    pub(super) vector: Point,
    /// One over its squared length; 0 for a chord without length, whose nearest point is then
    /// always its start, without a division by zero.
    pub(super) inverse_square: f32,
    /// Whether the previous chord in the list ends where this one starts.
    pub(super) continues: bool,
}

impl Chord {
    /// Its start and its end, in canvas pixels.
    pub(super) fn ends(&self) -> [[f64; 2]; 2] {
        let start = self.start.map(f64::from);
        let vector = self.vector.map(f64::from);
        [start, [start[0] + vector[0], start[1] + vector[1]]]
    }
}

/// How the ends of a chord depend on control points: linearly, with these weights. The backward
/// pass multiplies by their transpose.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ChordWeights {
    /// The stroke.
    pub(super) stroke: u32,
    /// The first of four control points, counted from the stroke's first.
    pub(super) first_point: u32,
    /// The weight of each control point in the chord's start.
    pub(super) start: [f32; 4],
    /// The weight of each control point in the chord's end.
    pub(super) end: [f32; 4],
}

/// An axis-aligned box in canvas pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub(super) min: [f64; 2],
    pub(super) max: [f64; 2],
}

impl Bounds {
    /// The smallest box around some points; without points an empty one, which meets no other.
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

    /// The part of the line from `start` to `end` that lies inside the box, as two fractions of
    /// its length, or `None` (Liang and Barsky, "A New Concept and Method for Line Clipping", ACM
    /// Transactions on Graphics 3(1), 1984).
    ///
    /// ```text
    ///               |        |
    ///      start o--E--------L-----o end       the line is inside between the last of its
    ///               |  box   |                 entries E and the first of its exits L
    /// ```
    fn clip(&self, start: [f64; 2], end: [f64; 2]) -> Option<[f64; 2]> {
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        for axis in 0..2 {
            let delta = end[axis] - start[axis];
            let to_min = self.min[axis] - start[axis];
            let to_max = self.max[axis] - start[axis];
            // Parallel to these two sides: between them everywhere or nowhere.
            if delta == 0.0 {
                if to_min > 0.0 || to_max < 0.0 {
                    return None;
                }
                continue;
            }
            // Where the line crosses the two sides; which one it enters by depends on its direction.
            let (first, last) = (to_min / delta, to_max / delta);
            enter = enter.max(first.min(last));
            leave = leave.min(first.max(last));
        }
        (enter <= leave).then_some([enter, leave])
    }
}

/// The chords of some strokes and how they depend on control points.
#[derive(Debug, Clone, Default)]
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
    /// The number of chords before the segment, which do not count towards its limit.
    before: usize,
    /// The end of the last chord, unless something was cut off after it.
    last_end: Option<[f64; 2]>,
}

/// A point where chords meet: its position and the weight of each control point in it.
#[derive(Debug, Clone, Copy)]
struct Joint {
    position: [f64; 2],
    weights: [f64; 4],
}

impl Joint {
    /// The point at the fraction `part` of the way to another joint. Weights are interpolated like
    /// the position, so a chord that is clipped still has an exact gradient.
    fn lerp(&self, other: &Self, part: f64) -> Self {
        let between = |a: f64, b: f64| a + part * (b - a);
        Self {
            position: [0, 1].map(|axis| between(self.position[axis], other.position[axis])),
            weights: [0, 1, 2, 3].map(|index| between(self.weights[index], other.weights[index])),
        }
    }
}

/// A part of a segment: its own control points, and its range of the segment's parameter. The
/// points give accurate positions, the range gives weights of the segment's control points.
#[derive(Debug, Clone, Copy)]
struct Piece {
    points: [[f64; 2]; 4],
    from: f64,
    to: f64,
}

impl Chords {
    /// Appends the chords of a stroke of `1 + 3 n` control points. What lies outside `clip_box` is
    /// left out, which saves time; besides, its coordinates would be too coarse in single
    /// precision.
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

    /// Drops all chords but the first `count`.
    pub(super) fn truncate(&mut self, count: usize) {
        self.chords.truncate(count);
        self.weights.truncate(count);
    }
}

impl Flattener<'_> {
    fn flatten_piece(&mut self, piece: Piece, halvings: u32) {
        // A Bézier curve lies within the convex hull of its control points, hence within their box.
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
        // The ends of a piece stay on the curve: there the next piece has chords of another length,
        // or the stroke ends, and a moved end would lengthen or shorten it.
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
        // Compared exactly: neighbouring chords share the very same joint, or none.
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
    /// The joint at the fraction `part` of the piece's parameter, 0 to 1, between chords that each
    /// span `step` of it. With a step of 0 the joint lies on the curve.
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

/// A chord with a smaller squared length counts as a point: positions in single precision are
/// coarser than a millionth of a pixel.
const MIN_SQUARE_LENGTH: f64 = 1e-12;

/// How many equal steps of the parameter keep the chords within the tolerance.
///
/// A chord lies at most `h^2 / 8 max |B''|` from its curve (the error of linear interpolation), and
/// the second derivative of a cubic Bézier curve is a blend of 6 times the two second differences
/// of its points. With `h = 1 / n`: `6/8 bend / n^2 <= TOLERANCE` (Wang's formula; Goldman, in
/// "Pyramid Algorithms", 2003, section 5.6.3).
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

/// The weight of each control point in the joint at `parameter` between chords that each span
/// `step`: `B(t) - h^2/12 B''(t)`, which is the curve's point moved outwards by the average
/// distance of the chords from the curve.
///
/// `B` has Bernstein's weights; `B'' = 6 ((1 - t) (P0 - 2 P1 + P2) + t (P1 - 2 P2 + P3))`.
fn joint_weights(parameter: f64, step: f64) -> [f64; 4] {
    let (t, rest) = (parameter, 1.0 - parameter);
    // -1/12 h^2 times the factor 6 of the second derivative.
    let outward = -0.5 * step * step;
    [
        rest * rest * rest + outward * rest,
        3.0 * rest * rest * t + outward * (3.0 * t - 2.0),
        3.0 * rest * t * t + outward * (1.0 - 3.0 * t),
        t * t * t + outward * t,
    ]
}
