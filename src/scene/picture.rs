//! Pictures made of pixels.

/// Pixels `[3, H, W]`: red, green and blue planes, rows from the top, values 0 to 1 in sRGB
/// without gamma. The same shape carries the gradient of a loss for every such value.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Picture {
    /// Takes over `3 * height * width` values, plane by plane.
    ///
    /// # Panics
    /// If there is any other number of values.
    pub fn new(width: usize, height: usize, values: Vec<f32>) -> Self {
        assert_eq!(values.len(), 3 * width * height, "a picture is [3, H, W]");
        Self {
            width,
            height,
            values,
        }
    }

    /// A picture of one colour.
    pub fn filled(width: usize, height: usize, color: [f32; 3]) -> Self {
        let plane = width * height;
        let values = color
            .iter()
            .flat_map(|channel| std::iter::repeat_n(*channel, plane))
            .collect();
        Self::new(width, height, values)
    }

    /// Width in pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height in pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// All values, `[3, H, W]` in row-major order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// All values, to be changed in place.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The colour of the pixel in column `x` of row `y`.
    pub fn pixel(&self, x: usize, y: usize) -> [f32; 3] {
        let plane = self.width * self.height;
        let index = y * self.width + x;
        [0, 1, 2].map(|channel| self.values[channel * plane + index])
    }
}
