//! Cubic segments to chords: straight pieces close enough to the curve that nobody sees the
//! difference. The distance to a curve changes by no more than the curve is moved, so the outline
//! of a stroke is as close to the true one as the chords are to the curve.

use crate::scene::Point;

/// The farthest that a chord may lie from its curve, in pixels.
const TOLERANCE: f64 = 0.03;

/// More chords than this are not cut from one piece of a curve: the piece is halved first, and a
/// half that cannot touch the canvas costs nothing more.
const MOST_CHORDS_OF_A_PIECE: f64 = 32.0;

/// Halvings of one segment, enough for the largest finite coordinates.
const MOST_HALVINGS: u32 = 72;

/// A segment gets no more chords than this; only strokes of thousands of pixels could ask for it.
const MOST_CHORDS_OF_A_SEGMENT: usize = 4096;

/// One straight piece of a stroke's centre line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Chord {
    /// Where it starts, in canvas pixels.
    pub(super) start: Point,
    /// From its start to its end.
    pub(super) reach: Point,
    /// One over its squared length, or 0 for a chord without length.
    pub(super) inverse_square: f32,
    /// Whether the chord before it in the list ends where this one starts.
    pub(super) continues: bool,
    /// The first of the four control points it depends on, counted from the stroke's first.
    pub(super) first_point: u32,
    /// The curve's parameter at its start, 0 to 1 along the segment.
    pub(super) from: f32,
    /// The curve's parameter at its end.
    pub(super) to: f32,
}

/// An upright box in canvas pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub(super) least: [f64; 2],
    pub(super) most: [f64; 2],
}

impl Bounds {
    /// The box around some points, without points an empty one.
    pub(super) fn around(points: impl IntoIterator<Item = [f64; 2]>) -> Self {
        let empty = Self {
            least: [f64::INFINITY; 2],
            most: [f64::NEG_INFINITY; 2],
        };
        points.into_iter().fold(empty, |bounds, point| Self {
            least: [0, 1].map(|axis| bounds.least[axis].min(point[axis])),
            most: [0, 1].map(|axis| bounds.most[axis].max(point[axis])),
        })
    }

    /// The same box with `margin` added on every side.
    pub(super) fn grown(self, margin: f64) -> Self {
        Self {
            least: self.least.map(|side| side - margin),
            most: self.most.map(|side| side + margin),
        }
    }

    fn meets(&self, other: &Self) -> bool {
        (0..2).all(|axis| {
            self.least[axis] <= other.most[axis] && other.least[axis] <= self.most[axis]
        })
    }

    /// The part of the line from `start` to `end` inside the box, as fractions of its length
    /// (Liang and Barsky).
    fn clip(&self, start: [f64; 2], end: [f64; 2]) -> Option<[f64; 2]> {
        let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
        for axis in 0..2 {
            let way = end[axis] - start[axis];
            let to_least = self.least[axis] - start[axis];
            let to_most = self.most[axis] - start[axis];
            if way == 0.0 {
                if to_least > 0.0 || to_most < 0.0 {
                    return None;
                }
                continue;
            }
            let (first, last) = (to_least / way, to_most / way);
            enter = enter.max(first.min(last));
            leave = leave.min(first.max(last));
        }
        (enter <= leave).then_some([enter, leave])
    }
}

/// Cuts strokes into chords, leaving out what lies outside `near`.
#[derive(Debug)]
pub(super) struct Flattener<'a> {
    near: Bounds,
    chords: &'a mut Vec<Chord>,
    /// Chords of earlier segments, which do not count for the limit.
    before: usize,
    first_point: u32,
    /// The end of the last chord where nothing was cut off after it.
    open_end: Option<[f64; 2]>,
}

/// A part of a segment: its own control points, and which part it is.
#[derive(Debug, Clone, Copy)]
struct Piece {
    points: [[f64; 2]; 4],
    from: f64,
    to: f64,
}

impl<'a> Flattener<'a> {
    /// Chords are appended to `chords`; whatever lies outside `near` is left out.
    pub(super) fn new(near: Bounds, chords: &'a mut Vec<Chord>) -> Self {
        Self {
            near,
            chords,
            before: 0,
            first_point: 0,
            open_end: None,
        }
    }

    /// Flattens one stroke of `1 + 3 n` control points.
    pub(super) fn flatten(mut self, points: &[Point]) {
        for (segment, points) in points.windows(4).step_by(3).enumerate() {
            self.first_point = 3 * segment as u32;
            self.before = self.chords.len();
            let mut corners = [[0.0; 2]; 4];
            for (corner, point) in corners.iter_mut().zip(points) {
                *corner = point.map(f64::from);
            }
            let whole = Piece {
                points: corners,
                from: 0.0,
                to: 1.0,
            };
            self.piece(whole, MOST_HALVINGS);
        }
    }

    fn piece(&mut self, piece: Piece, halvings: u32) {
        if !self.near.meets(&Bounds::around(piece.points))
            || self.chords.len() - self.before >= MOST_CHORDS_OF_A_SEGMENT
        {
            self.open_end = None;
            return;
        }
        let wanted = chords_wanted(&piece.points);
        if wanted <= MOST_CHORDS_OF_A_PIECE || halvings == 0 {
            self.cut(&piece, wanted.min(MOST_CHORDS_OF_A_PIECE) as u32);
            return;
        }
        let [first, second] = halves(&piece);
        self.piece(first, halvings - 1);
        self.piece(second, halvings - 1);
    }

    fn cut(&mut self, piece: &Piece, count: u32) {
        let mut start = piece.points[0];
        let mut from = piece.from;
        for index in 1..=count {
            let part = f64::from(index) / f64::from(count);
            let end = match index == count {
                true => piece.points[3],
                false => position(&piece.points, part),
            };
            let to = piece.from + part * (piece.to - piece.from);
            self.chord([start, end], [from, to]);
            (start, from) = (end, to);
        }
    }

    fn chord(&mut self, ends: [[f64; 2]; 2], parameters: [f64; 2]) {
        let Some(kept) = self.near.clip(ends[0], ends[1]) else {
            self.open_end = None;
            return;
        };
        let at =
            |part: f64| [0, 1].map(|axis| ends[0][axis] + part * (ends[1][axis] - ends[0][axis]));
        let (start, end) = (
            at(kept[0]),
            if kept[1] == 1.0 { ends[1] } else { at(kept[1]) },
        );
        let reach = [end[0] - start[0], end[1] - start[1]];
        let square = reach[0] * reach[0] + reach[1] * reach[1];
        let parameter = |part: f64| (parameters[0] + part * (parameters[1] - parameters[0])) as f32;
        self.chords.push(Chord {
            start: start.map(|coordinate| coordinate as f32),
            reach: reach.map(|coordinate| coordinate as f32),
            inverse_square: if square > SHORTEST_SQUARE {
                square.recip() as f32
            } else {
                0.0
            },
            continues: kept[0] == 0.0 && self.open_end == Some(start),
            first_point: self.first_point,
            from: parameter(kept[0]),
            to: parameter(kept[1]),
        });
        self.open_end = (kept[1] == 1.0).then_some(end);
    }
}

/// A chord with a smaller squared length counts as a point.
const SHORTEST_SQUARE: f64 = 1e-12;

/// How many equal parts of the parameter keep the chords within the tolerance: a chord of a curve
/// deviates by at most 1/8 of the second derivative, times the square of the parameter's step; the
/// second derivative of a cubic is at most 6 times the larger second difference of its points.
fn chords_wanted(points: &[[f64; 2]; 4]) -> f64 {
    let bend = |a: [f64; 2], b: [f64; 2], c: [f64; 2]| {
        (a[0] - 2.0 * b[0] + c[0]).hypot(a[1] - 2.0 * b[1] + c[1])
    };
    let most = bend(points[0], points[1], points[2]).max(bend(points[1], points[2], points[3]));
    (0.75 * most / TOLERANCE).sqrt().ceil().max(1.0)
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

fn position(points: &[[f64; 2]; 4], parameter: f64) -> [f64; 2] {
    let weights = bernstein(parameter);
    [0, 1].map(|axis| {
        (0..4)
            .map(|index| weights[index] * points[index][axis])
            .sum()
    })
}

/// How much of each control point is in the point of a cubic at `parameter`.
pub(super) fn bernstein(parameter: f64) -> [f64; 4] {
    let rest = 1.0 - parameter;
    [
        rest * rest * rest,
        3.0 * rest * rest * parameter,
        3.0 * rest * parameter * parameter,
        parameter * parameter * parameter,
    ]
}
