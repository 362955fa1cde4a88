//! Strokes to a picture, and the gradient of a picture back to strokes, without any sampling
//! noise.
//!
//! A stroke is the union of all discs of its half width along its curve, as in SVG with round caps
//! and joins: where it crosses itself it is not painted twice. `chord` flattens curves into straight
//! pieces, `block`, `binner` and `tile_bins` find the tiles that each stroke touches and the few chords that
//! matter there, `nearest` finds for every sample of a pixel the nearest point of the centre
//! line, `edge` and `coverage` turn that distance into the covered part of the pixel. `forward`
//! composites the strokes over one another, `backward` takes a gradient back to them, and `visible` finds those that can be
//! seen.
//!
//! A module may use only the modules listed above it.

mod chord;
mod lanes;
mod nearest;
mod edge;
mod coverage;
mod block;
mod binner;
mod tile_bins;
mod forward;
mod picture_gradient;
mod backward;
mod visible;
#[cfg(test)]
mod tests;

use self::picture_gradient::PictureGradient;
use self::tile_bins::TileBins;
use crate::render::view::Pooling;
use crate::scene::{Canvas, Picture, StrokeGradient, Strokes};

/// A picture that remembers the strokes it shows, so that a gradient can go back to them.
#[derive(Debug)]
pub struct Painting {
    strokes: Strokes,
    canvas: Canvas,
    bins: TileBins,
    picture: Picture,
}

/// Paints strokes over the canvas, the first lowest: `[3, H, W]`, values 0 to 1, what an SVG
/// viewer shows for paths with round caps and joins that are `2 * half_width` wide.
///
/// Colours outside 0 to 1 are painted as the nearest that is inside. A stroke whose half width is
/// not above 0, or with a number that is not finite, is not painted. The same strokes give the
/// same bytes on any number of threads.
pub fn paint(strokes: &Strokes, canvas: &Canvas) -> Painting {
    let mut strokes = strokes.clone();
    for channel in strokes.colors.as_flattened_mut() {
        if channel.is_finite() {
            *channel = channel.clamp(0.0, 1.0);
        }
    }
    let bins = TileBins::new(&strokes, canvas);
    let picture = forward::forward(&bins, &strokes, canvas);
    Painting {
        strokes,
        canvas: *canvas,
        bins,
        picture,
    }
}

/// For each stroke whether it is needed to show the picture of [`paint`]: without all the others, no value of the picture
/// changes by more than `tolerance`. A stroke is not needed if it is covered, outside of the canvas, or hardly opaque.
pub fn visible(strokes: &Strokes, canvas: &Canvas, tolerance: f32) -> Vec<bool> {
    let bins = TileBins::new(strokes, canvas);
    visible::visible(&bins, strokes, canvas, tolerance)
}

impl Painting {
    /// The picture `[3, H, W]`, values 0 to 1.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// The picture alone, without the strokes.
    pub fn into_picture(self) -> Picture {
        self.picture
    }

    /// The gradient of a loss with respect to every number of the strokes, from its gradient with
    /// respect to the picture (`[3, H, W]`): points and half widths per pixel, colours per unit.
    ///
    /// The gradient is that of the picture itself, in closed form; the same input gives the same
    /// bytes on any number of threads. A stroke that is not painted has a gradient of 0; a colour outside
    /// 0 to 1 has the gradient of the nearest colour that is inside.
    ///
    /// # Panics
    /// If the gradient has another size than the picture.
    pub fn gradient(&self, picture_gradient: &Picture) -> StrokeGradient {
        let pooling = Pooling::none(self.picture.width(), self.picture.height());
        self.gradient_through(picture_gradient, pooling)
    }

    /// The same, from the gradient of a loss with respect to the pooled picture. No picture of the size of a large canvas
    /// has to be made of that.
    ///
    /// # Panics
    /// If the gradient has another size than the pooled picture.
    pub fn gradient_through(&self, pooled_gradient: &Picture, pooling: Pooling) -> StrokeGradient {
        assert_eq!(
            (pooled_gradient.width(), pooled_gradient.height()),
            (pooling.width(), pooling.height()),
            "a picture and its gradient have one size"
        );
        let gradient = PictureGradient::new(pooled_gradient, pooling, &self.canvas);
        backward::backward(&self.bins, &self.strokes, &self.canvas, gradient)
    }
}
