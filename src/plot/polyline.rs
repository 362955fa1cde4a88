//! Polylines in millimetres: what the pen of a plotter follows without being lifted.

use resvg::tiny_skia::{Path, PathSegment, Point};

use super::page::Placement;

/// How far a polyline may be from its curve, in millimetres. Plotters are not more precise.
const TOLERANCE: f64 = 0.02;

/// The maximum number of straight pieces of a curve.
const MAX_PIECES: f64 = 500.0;

/// Points in millimetres from the top left corner of the page, x to the right, y down. There are at least two.
#[derive(Debug, Clone, PartialEq)]
pub struct Polyline(pub Vec<[f64; 2]>);

impl Polyline {
    /// Where the pen is put down.
    pub fn start(&self) -> [f64; 2] {
        self.0[0]
    }

    /// Where the pen is lifted.
    pub fn end(&self) -> [f64; 2] {
        self.0[self.0.len() - 1]
    }

    /// The length in millimetres.
    pub fn length(&self) -> f64 {
        self.0
            .windows(2)
            .map(|pair| distance(pair[0], pair[1]))
            .sum()
    }
}

/// The distance of two points.
pub(super) fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The subpaths of a path in canvas pixels, whose coordinates are finite as in every [`Path`], as lists of points in millimetres on the page.
pub(super) fn flatten(path: &Path, placement: &Placement) -> Vec<Vec<[f64; 2]>> {
    let on_page = |point: Point| {
        let [x, y] = [point.x, point.y].map(|number| f64::from(number) * placement.scale);
        [placement.min[0] + x, placement.min[1] + y]
    };
    let mut lists: Vec<Vec<[f64; 2]>> = Vec::new();
    for segment in path.segments() {
        if let PathSegment::MoveTo(point) = segment {
            lists.push(vec![on_page(point)]);
            continue;
        }
        let Some(points) = lists.last_mut() else {
            continue;
        };
        let from = points[points.len() - 1];
        match segment {
            PathSegment::MoveTo(_) => {}
            PathSegment::LineTo(end) => points.push(on_page(end)),
            PathSegment::QuadTo(control, end) => {
                let (control, end) = (on_page(control), on_page(end));
                let toward = |from: [f64; 2]| mix(from, control, 2.0 / 3.0);
                add_cubic(points, [from, toward(from), toward(end), end]);
            }
            PathSegment::CubicTo(first, second, end) => {
                add_cubic(
                    points,
                    [from, on_page(first), on_page(second), on_page(end)],
                );
            }
            PathSegment::Close => {
                let first = points[0];
                points.push(first);
                // What follows without a `MoveTo` begins here.
                lists.push(vec![first]);
            }
        }
    }
    lists.retain(|points| points.len() > 1);
    lists
}

/// Adds the points of a curve after its first one. The number of pieces is that of Wang's formula (Sederberg, Computer
/// Aided Geometric Design, section 10.6).
fn add_cubic(points: &mut Vec<[f64; 2]>, curve: [[f64; 2]; 4]) {
    let bend = |at: usize| {
        let [a, b, c] = [curve[at], curve[at + 1], curve[at + 2]];
        (a[0] - 2.0 * b[0] + c[0]).hypot(a[1] - 2.0 * b[1] + c[1])
    };
    let pieces = (0.75 * bend(0).max(bend(1)) / TOLERANCE).sqrt().ceil();
    let pieces = pieces.clamp(1.0, MAX_PIECES);
    for index in 1..pieces as usize {
        let t = index as f64 / pieces;
        let (first, middle, last) = (
            mix(curve[0], curve[1], t),
            mix(curve[1], curve[2], t),
            mix(curve[2], curve[3], t),
        );
        points.push(mix(mix(first, middle, t), mix(middle, last, t), t));
    }
    points.push(curve[3]);
}

fn mix(a: [f64; 2], b: [f64; 2], t: f64) -> [f64; 2] {
    [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t]
}

/// The parts of a polyline that are on the canvas.
pub(super) fn clip(points: &[[f64; 2]], placement: &Placement) -> Vec<Polyline> {
    let mut parts: Vec<Vec<[f64; 2]>> = Vec::new();
    let mut leaves = true;
    for pair in points.windows(2) {
        let Some([from, to]) = clip_segment([pair[0], pair[1]], placement) else {
            leaves = true;
            continue;
        };
        match parts.last_mut() {
            Some(part) if !leaves => part.push(to),
            _ => parts.push(vec![from, to]),
        }
        leaves = to != pair[1];
    }
    let middle = f64::midpoint(placement.min[0], placement.max[0]);
    let parts = parts.into_iter().map(Polyline);
    parts.map(|part| with_length(part, middle)).collect()
}

/// A dot becomes a short line toward the middle: programs for plotters leave out lines without a length.
fn with_length(line: Polyline, middle: f64) -> Polyline {
    if line.length() >= TOLERANCE {
        return line;
    }
    let [x, y] = line.start();
    let end = if x < middle {
        x + TOLERANCE
    } else {
        x - TOLERANCE
    };
    Polyline(vec![[x, y], [end, y]])
}

/// The part of a straight segment that is on the canvas (Liang and Barsky 1984).
fn clip_segment([from, to]: [[f64; 2]; 2], placement: &Placement) -> Option<[[f64; 2]; 2]> {
    let (mut enter, mut leave) = (0.0_f64, 1.0_f64);
    for axis in 0..2 {
        let delta = to[axis] - from[axis];
        let before = placement.min[axis] - from[axis];
        let after = placement.max[axis] - from[axis];
        if delta == 0.0 {
            if before > 0.0 || after < 0.0 {
                return None;
            }
            continue;
        }
        let (first, last) = (before / delta, after / delta);
        enter = enter.max(first.min(last));
        leave = leave.min(first.max(last));
    }
    // A segment that only touches the edge from outside has no part on the canvas.
    if enter >= leave {
        return None;
    }
    let start = if enter == 0.0 {
        from
    } else {
        mix(from, to, enter)
    };
    let end = if leave == 1.0 {
        to
    } else {
        mix(from, to, leave)
    };
    Some([start, end])
}

#[cfg(test)]
mod tests {
    use resvg::tiny_skia::PathBuilder;

    use super::*;

    const UNIT: Placement = Placement {
        scale: 1.0,
        min: [0.0, 0.0],
        max: [10.0, 10.0],
    };

    #[test]
    fn a_flattened_circle_is_as_long_as_the_circle_and_closed() {
        let circle = PathBuilder::from_circle(5.0, 5.0, 4.0).unwrap();
        let lists = flatten(&circle, &UNIT);
        assert_eq!(lists.len(), 1);
        assert_eq!(lists[0].first(), lists[0].last());
        let length = Polyline(lists[0].clone()).length();
        assert!(
            (length - 8.0 * std::f64::consts::PI).abs() < 0.05,
            "{length}"
        );
        for point in &lists[0] {
            assert!((distance(*point, [5.0, 5.0]) - 4.0).abs() < TOLERANCE);
        }
    }

    #[test]
    fn what_follows_a_closed_subpath_begins_at_its_start() {
        let mut path = PathBuilder::new();
        path.move_to(1.0, 1.0);
        path.line_to(2.0, 1.0);
        path.line_to(2.0, 2.0);
        path.close();
        path.line_to(5.0, 5.0);
        let lists = flatten(&path.finish().unwrap(), &UNIT);
        assert_eq!(lists[0].len(), 4);
        assert_eq!(lists[1], [[1.0, 1.0], [5.0, 5.0]]);
    }

    #[test]
    fn a_polyline_is_cut_where_it_leaves_the_canvas() {
        let points = [
            [-5.0, 5.0],
            [5.0, 5.0],
            [5.0, 15.0],
            [8.0, 15.0],
            [8.0, 5.0],
            [8.0, 6.0],
        ];
        let parts = clip(&points, &UNIT);
        assert_eq!(parts[0].0, [[0.0, 5.0], [5.0, 5.0], [5.0, 10.0]]);
        assert_eq!(parts[1].0, [[8.0, 10.0], [8.0, 5.0], [8.0, 6.0]]);
        assert_eq!(parts.len(), 2);
        assert!(clip(&[[20.0, 1.0], [20.0, 2.0]], &UNIT).is_empty());
        assert!(clip(&[[0.0, -1.0], [-1.0, 0.0]], &UNIT).is_empty());
        let dot = clip(&[[9.0, 1.0], [9.0, 1.0]], &UNIT);
        assert_eq!(dot[0].0, [[9.0, 1.0], [8.98, 1.0]]);
    }
}
