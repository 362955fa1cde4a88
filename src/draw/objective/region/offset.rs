//! Positions relative to a region, and their distance from it.

/// How far a point is outside of a region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::draw::objective) struct Outside {
    /// The distance from the nearest point of the region, greater than 0.
    pub(in crate::draw::objective) distance: f64,
    /// The gradient of the distance with respect to the position of the point; of length 1, or about that for a mask.
    pub(in crate::draw::objective) direction: [f64; 2],
}

impl Outside {
    /// From the vector that leads from the nearest point of the region to the point.
    pub(super) fn from_vector(vector: [f64; 2]) -> Option<Self> {
        let distance = vector[0].hypot(vector[1]);
        (distance > 0.0).then(|| Self {
            distance,
            direction: vector.map(|part| part / distance),
        })
    }
}

/// A position in the system of axes of a region, mirrored into its quadrant with positive coordinates.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rotated {
    half_size: [f64; 2],
    /// Not negative.
    mirrored: [f64; 2],
    signs: [f64; 2],
    cosine: f64,
    sine: f64,
}

impl Rotated {
    /// `rotation` is that of the region, in degrees, clockwise with y pointing down.
    pub(super) fn new([x, y]: [f64; 2], rotation: f64, half_size: [f64; 2]) -> Self {
        let (sine, cosine) = rotation.to_radians().sin_cos();
        let own = [cosine * x + sine * y, cosine * y - sine * x];
        Self {
            half_size,
            mirrored: own.map(f64::abs),
            signs: own.map(|part| if part < 0.0 { -1.0 } else { 1.0 }),
            cosine,
            sine,
        }
    }

    /// The result of `measure` for the mirrored position and half the size of the region, turned back.
    pub(super) fn outside(
        &self,
        measure: fn([f64; 2], [f64; 2]) -> Option<Outside>,
    ) -> Option<Outside> {
        let found = measure(self.mirrored, self.half_size)?;
        let [x, y] = [0, 1].map(|axis| self.signs[axis] * found.direction[axis]);
        Some(Outside {
            distance: found.distance,
            direction: [
                self.cosine * x - self.sine * y,
                self.sine * x + self.cosine * y,
            ],
        })
    }
}
