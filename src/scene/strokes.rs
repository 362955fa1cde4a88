//! The strokes of a drawing, stored flat: the optimizer moves three long arrays.

/// A position in canvas pixels: x to the right, y down, the origin at the top left corner of the
/// top left pixel. Points may lie outside the canvas.
pub type Point = [f32; 2];

/// Red, green, blue and opacity, each 0 to 1, straight (not premultiplied).
pub type Rgba = [f32; 4];

/// The number of control points that each cubic segment adds to the point that it starts from.
pub const POINTS_PER_SEGMENT: usize = 3;

/// Open cubic Bézier strokes in painter's order (the first one is the lowest), with round caps and
/// joins. Stroke `i` has 4, 7 or 10 control points for 1, 2 or 3 segments.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Strokes {
    /// `points[first_points[i]..first_points[i + 1]]` are the control points of stroke `i`.
    first_points: Vec<usize>,
    /// The control points of all strokes, in canvas pixels.
    pub points: Vec<Point>,
    /// Half of each stroke's width in canvas pixels (diffvg's `stroke_width`).
    pub half_widths: Vec<f32>,
    /// The colour of each stroke.
    pub colors: Vec<Rgba>,
    /// How many of the last strokes stay as they are while the others are moved.
    pub fixed: usize,
}

impl Strokes {
    /// No strokes.
    pub fn new() -> Self {
        Self {
            first_points: vec![0],
            ..Self::default()
        }
    }

    /// Adds one stroke on top of the others.
    ///
    /// # Panics
    /// When the number of points is not `1 + 3 n` with at least one segment.
    pub fn push(&mut self, points: &[Point], half_width: f32, color: Rgba) {
        assert!(
            points.len() > POINTS_PER_SEGMENT && points.len() % POINTS_PER_SEGMENT == 1,
            "a stroke has 1 + 3 n control points, not {}",
            points.len()
        );
        self.points.extend_from_slice(points);
        self.first_points.push(self.points.len());
        self.half_widths.push(half_width);
        self.colors.push(color);
    }

    /// Adds strokes on top of the others.
    pub fn extend(&mut self, others: &Self) {
        for stroke in 0..others.len() {
            self.push(
                others.points_of(stroke),
                others.half_widths[stroke],
                others.colors[stroke],
            );
        }
    }

    /// Adds strokes on top of the others that stay as they are. Strokes that are moved cannot be added after them.
    pub fn extend_fixed(&mut self, others: &Self) {
        self.extend(others);
        self.fixed += others.len();
    }

    /// The index in `points` of the first control point of a stroke, or after the last one.
    pub fn first_point(&self, stroke: usize) -> usize {
        let first = self.first_points.get(stroke).copied();
        first.unwrap_or(self.points.len())
    }

    /// The number of strokes that are moved.
    pub fn moving(&self) -> usize {
        self.len() - self.fixed
    }

    /// The strokes that are moved, and those that stay as they are.
    #[must_use]
    pub fn divided(self) -> (Self, Self) {
        let (moving, all) = (self.moving(), self.len());
        (self.range(0..moving), self.range(moving..all))
    }

    /// Some strokes, as strokes that are moved.
    #[must_use]
    pub fn range(&self, strokes: std::ops::Range<usize>) -> Self {
        let mut some = Self::new();
        for stroke in strokes {
            some.push(
                self.points_of(stroke),
                self.half_widths[stroke],
                self.colors[stroke],
            );
        }
        some
    }

    /// Some of the strokes; those that stay as they are still do. `indices` grow.
    #[must_use]
    pub fn select(&self, indices: &[usize]) -> Self {
        let mut selected = Self::new();
        for stroke in indices {
            selected.extend(&self.range(*stroke..*stroke + 1));
        }
        let moving = self.moving();
        selected.fixed = indices.iter().filter(|stroke| **stroke >= moving).count();
        selected
    }

    /// The number of strokes.
    pub fn len(&self) -> usize {
        self.half_widths.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.half_widths.is_empty()
    }

    /// The range of one stroke's control points in `points`.
    pub fn point_range(&self, stroke: usize) -> std::ops::Range<usize> {
        self.first_points[stroke]..self.first_points[stroke + 1]
    }

    /// The control points of one stroke.
    pub fn points_of(&self, stroke: usize) -> &[Point] {
        &self.points[self.point_range(stroke)]
    }
}
