//! Strokes to a picture and a picture's gradient back to strokes, without sampling noise.

mod chord;
mod plan;
mod nearest;
mod coverage;
mod paint;
mod gradient;

use crate::scene::{Canvas, Picture, Strokes};

/// A picture of strokes that knows how it came about.
#[derive(Debug)]
pub struct Painting {
    strokes: Strokes,
    canvas: Canvas,
    plan: plan::Plan,
    picture: Picture,
}

/// Paints strokes over the canvas.
pub fn paint(strokes: &Strokes, canvas: &Canvas) -> Painting {
    let plan = plan::Plan::new(strokes, canvas);
    let picture = paint::picture(&plan, strokes, canvas);
    Painting {
        strokes: strokes.clone(),
        canvas: *canvas,
        plan,
        picture,
    }
}

impl Painting {
    /// The picture `[3, H, W]`.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// The gradient of a number by the strokes, from its gradient by the picture.
    pub fn gradient(&self, picture_gradient: &Picture) -> Strokes {
        gradient::gradient(&self.plan, &self.strokes, &self.canvas, picture_gradient)
    }
}
