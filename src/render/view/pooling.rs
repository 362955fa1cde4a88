//! How a large canvas is reduced before its views are sampled from it, the same for every renderer.

/// The most pixels, along an axis, that a pixel of a view may span where the view is neither warped nor cropped. A canvas
/// with more is pooled, so that they span more than half of this and at most this.
const MAX_SPAN: usize = 4;

/// Average pooling (`PyTorch`'s `avg_pool2d`): each pixel of the pooled picture is the mean of a square of the canvas, whose
/// side is a power of two. Views are sampled from the pooled picture, so the number of samples does not grow with the
/// canvas.
///
/// ```text
///   canvas, 5 x 3, white around it       pooled, 3 x 2
///
///     p p | p p | p w
///     p p | p p | p w                      m m m            m: the mean of four, exact for the picture
///    -----+-----+-----        -->          m m m               with the white around it
///     p p | p p | p w
///     w w | w w | w w
/// ```
///
/// It depends only on the sizes of the canvas and of its views. A canvas that is at most 4 times as large as its views
/// is not pooled: up to 256 pixels for views of 64, up to 896 for views of 224.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pooling {
    halvings: u32,
    size: [usize; 2],
}

impl Pooling {
    /// The pooling of a canvas of `width` by `height` pixels for views of `side` by `side` pixels.
    pub fn new(side: usize, width: usize, height: usize) -> Self {
        let longer = width.max(height);
        let mut halvings = 0;
        while longer > (MAX_SPAN * side.max(1)) << halvings {
            halvings += 1;
        }
        Self {
            halvings,
            size: [width, height].map(|length| length.div_ceil(1 << halvings)),
        }
    }

    /// The pooling that leaves a picture of `width` by `height` pixels as it is.
    pub fn none(width: usize, height: usize) -> Self {
        Self {
            halvings: 0,
            size: [width, height],
        }
    }

    /// How often both sides are halved. 0: the pooled picture is the picture itself.
    pub fn halvings(&self) -> u32 {
        self.halvings
    }

    /// The side of the squares in canvas pixels, `2^halvings`.
    pub fn factor(&self) -> usize {
        1 << self.halvings
    }

    /// The weight of a canvas pixel in the mean of its square: one over the number of its pixels.
    pub fn weight(&self) -> f32 {
        1.0 / (self.factor() * self.factor()) as f32
    }

    /// The width of the pooled picture in its pixels.
    pub fn width(&self) -> usize {
        self.size[0]
    }

    /// The height of the pooled picture in its pixels.
    pub fn height(&self) -> usize {
        self.size[1]
    }

    /// The pixels of the pooled picture; 0 if it is the picture itself.
    pub fn pooled_area(&self) -> usize {
        match self.halvings {
            0 => 0,
            _ => self.width() * self.height(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canvases_of_more_than_four_times_the_side_of_a_view_are_halved() {
        for (side, canvas, halvings, pooled) in [
            (64, [224, 224], 0, [224, 224]),
            (224, [224, 224], 0, [224, 224]),
            (64, [256, 256], 0, [256, 256]),
            (64, [257, 3], 1, [129, 2]),
            (64, [512, 512], 1, [256, 256]),
            (64, [513, 64], 2, [129, 16]),
            (64, [1024, 1024], 2, [256, 256]),
            (64, [64, 1023], 2, [16, 256]),
            (224, [896, 896], 0, [896, 896]),
            (224, [1024, 1024], 1, [512, 512]),
            (8, [1, 1], 0, [1, 1]),
        ] {
            let pooling = Pooling::new(side, canvas[0], canvas[1]);
            assert_eq!(
                (pooling.halvings(), [pooling.width(), pooling.height()]),
                (halvings, pooled),
                "{side} {canvas:?}"
            );
        }
    }
}
