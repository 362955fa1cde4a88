//! The likeness: a drawing should have the shapes of a picture, as inner layers of CLIP's image tower see them (`CLIPasso`,
//! Vinker et al. 2022, section 3.2).
//!
//! The embedding says what a picture shows; the outputs of inner layers still say where. They are compared between a view of
//! the drawing and the same view of the picture, with the same warp and crop:
//!
//! ```text
//! loss of a view = weight * 1/2 * sum over two layers of |F(view of drawing) - F(view of picture)|^2 / D
//! ```
//!
//! with `F` the outputs of a layer, and `D` the square distance between those for the whole picture and for an empty canvas.
//! So an empty canvas has a loss of about the weight in every view and a copy of the picture has none, whatever the kind of
//! tower.

use std::sync::Arc;

use tch::{TchError, Tensor};

use super::term::{Target, Term, TermContext, ViewEmbeddings, ViewFeatures};
use crate::clip::ClipError;
use crate::import::DecodedPicture;
use crate::render::cpu::warp::ViewBatch;
use crate::render::view::ViewTransform;
use crate::scene::{Canvas, Picture, Rgb};

/// The weight of the term for a likeness of 1, beside a picture or a text of weight 1, whose loss is minus a cosine.
///
/// Measured with the embedded model, a drawn head of a cat as the picture, 128 strokes and 250 steps. Random strokes have a
/// loss of 0.70 in a view; the drawing that follows nothing but the shapes, 0.0003. With the picture's embedding of weight 1
/// beside it, a weight of 0.1 gives the outline (a loss of 0.06 before the weight), 0.3 places the eyes and the mouth as well
/// (0.014), and 1 follows all shapes closely (0.005); the cosine with the picture then falls from 0.97 to 0.96. The distance
/// from an empty canvas makes other towers comparable.
const STRENGTH: f32 = 1.0;

/// The square distance of a picture from an empty canvas is at least this part of the square length of its features, so that
/// a picture that is nearly empty has no extreme loss.
const MIN_DISTANCE: f32 = 0.01;

/// The settings of the term.
#[derive(Debug, Clone, PartialEq)]
pub struct LikenessSpec {
    /// The picture. It is fitted into the canvas, and what it leaves free is the background.
    pub picture: Arc<DecodedPicture>,
    /// How much its shapes are followed, above 0 and at most 1.
    pub amount: f32,
}

/// The term.
#[derive(Debug, Clone)]
pub(super) struct Likeness {
    /// On the canvas of the drawing.
    picture: Arc<Picture>,
    /// What a loss of 1 in [`Term::on_views`] counts in the objective.
    weight: f32,
    /// For each tower and layer the factor of the square distance.
    factors: Arc<[[f32; 2]]>,
}

impl Likeness {
    /// The term of a drawing whose terms on views are multiplied by `clip_weight`.
    ///
    /// # Errors
    /// When libtorch fails.
    pub(super) fn new(
        spec: &LikenessSpec,
        context: &TermContext<'_>,
        clip_weight: f64,
    ) -> Result<Self, ClipError> {
        let while_doing = ClipError::while_doing("fitting a picture into the canvas");
        let picture = fitted(&spec.picture, context.canvas).map_err(while_doing)?;
        let (width, height) = (picture.width(), picture.height());
        let empty = Picture::filled(width, height, context.canvas.background.channels());
        let whole = [ViewTransform::whole(width, height)];
        let side = context.clip.input_size() as usize;
        let views = [&picture, &empty].map(|picture| ViewBatch::new(picture, &whole, side).values);
        let shape = [2, 3, side as i64, side as i64];
        let views = Tensor::f_from_slice(&views.concat())
            .and_then(|views| views.f_reshape(shape))
            .map_err(ClipError::while_doing("storing views of a picture"))?;
        let features = context.clip.features(&views)?;
        let factors = features.iter().map(factors);
        let factors = factors
            .collect::<Result<_, _>>()
            .map_err(ClipError::while_doing(
                "measuring the features of a picture",
            ))?;
        Ok(Self {
            picture: Arc::new(picture),
            weight: STRENGTH * spec.amount * clip_weight as f32,
            factors,
        })
    }

    /// The factor of each view, `[n]`, for the square distance in one of the layers.
    fn factors(&self, layer: usize, features: &ViewFeatures) -> Result<Tensor, TchError> {
        let towers = features.towers.iter();
        let factors: Vec<f32> = towers.map(|tower| self.factors[*tower][layer]).collect();
        Tensor::f_from_slice(&factors)?.f_to_device(features.drawing[layer].device())
    }
}

impl Term for Likeness {
    fn name(&self) -> &'static str {
        "likeness"
    }

    fn share(&self) -> Box<dyn Term> {
        Box::new(self.clone())
    }

    fn scale(&self, _: &Target) -> f32 {
        self.weight
    }

    fn picture(&self) -> Option<&Picture> {
        Some(&self.picture)
    }

    fn on_views(&self, views: &ViewEmbeddings<'_>) -> Result<Option<Tensor>, TchError> {
        let Some(features) = views.features else {
            return Ok(None);
        };
        let of_layer = |layer: usize| -> Result<Tensor, TchError> {
            square_distances(&features.drawing[layer], &features.picture[layer])?
                .f_mul(&self.factors(layer, features)?)
        };
        Ok(Some(of_layer(0)?.f_add(&of_layer(1)?)?))
    }
}

/// The square distance of each row of two tensors, `[n, ...]` to `[n]`. The order of a row's sum does not depend on the other
/// rows.
fn square_distances(first: &Tensor, second: &Tensor) -> Result<Tensor, TchError> {
    let difference = first.f_sub(second)?.f_flatten(1, -1)?;
    difference
        .f_mul(&difference)?
        .f_sum_dim_intlist(1, false, None)
}

/// The factor of the square distance in each layer, from the features of the picture and of an empty canvas, `[2, ...]`.
fn factors(layers: &[Tensor; 2]) -> Result<[f32; 2], TchError> {
    let factor = |features: &Tensor| -> Result<f32, TchError> {
        let (picture, empty) = (features.f_narrow(0, 0, 1)?, features.f_narrow(0, 1, 1)?);
        let of_canvas = f32::try_from(square_distances(&picture, &empty)?)?;
        let length = f32::try_from(square_distances(&picture, &picture.f_zeros_like()?)?)?;
        Ok(0.5 / of_canvas.max(MIN_DISTANCE * length).max(f32::MIN_POSITIVE))
    };
    Ok([factor(&layers[0])?, factor(&layers[1])?])
}

/// A picture on a canvas: as large as it fits without being cut or distorted, in the middle, on the background.
fn fitted(picture: &DecodedPicture, canvas: &Canvas) -> Result<Picture, TchError> {
    let pixels = picture.on_background(canvas.background);
    let sides = [canvas.width, canvas.height].map(|side| side as usize);
    let [width, height] = fitted_size([pixels.width(), pixels.height()], sides);
    let scaled = Tensor::f_from_slice(pixels.values())?
        .f_reshape([1, 3, pixels.height() as i64, pixels.width() as i64])?
        .f_internal_upsample_bicubic2d_aa([height as i64, width as i64], false, None, None)?
        .f_clamp(0.0, 1.0)?;
    let scaled: Vec<f32> = Vec::try_from(&scaled.f_reshape([-1])?)?;
    Ok(in_the_middle(
        &Picture::new(width, height, scaled),
        sides,
        canvas.background,
    ))
}

/// The size of a picture that fits into a canvas, both in pixels.
fn fitted_size([width, height]: [usize; 2], canvas: [usize; 2]) -> [usize; 2] {
    let scale = (canvas[0] as f64 / width as f64).min(canvas[1] as f64 / height as f64);
    let side =
        |length: usize, most: usize| ((length as f64 * scale).round() as usize).clamp(1, most);
    [side(width, canvas[0]), side(height, canvas[1])]
}

/// A picture in the middle of a background of `[width, height]` pixels, which it fits into.
fn in_the_middle(picture: &Picture, [width, height]: [usize; 2], background: Rgb) -> Picture {
    let mut canvas = Picture::filled(width, height, background.channels());
    let left = (width - picture.width()) / 2;
    let top = (height - picture.height()) / 2;
    let rows = picture.values().chunks_exact(picture.width());
    for (index, row) in rows.enumerate() {
        let (channel, y) = (index / picture.height(), index % picture.height());
        let start = (channel * height + top + y) * width + left;
        canvas.values_mut()[start..start + row.len()].copy_from_slice(row);
    }
    canvas
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind};

    use super::*;
    use crate::clip::{Clip, ClipConfig};
    use crate::draw::preset::Preset;

    /// A dark square with a bright one in it.
    fn picture(width: usize, height: usize) -> DecodedPicture {
        let is_inside = |x: usize, y: usize| x * 2 > width && y * 3 > height;
        let pixels = (0..3 * width * height).map(|index| {
            let place = index % (width * height);
            let channel = index / (width * height);
            if is_inside(place % width, place / width) {
                [250, 130, 10][channel]
            } else {
                [10, 60, 110][channel]
            }
        });
        DecodedPicture {
            width,
            height,
            channels: 3,
            values: pixels.collect(),
            notes: Vec::new(),
        }
    }

    fn term(clip: &Clip, canvas: &Canvas, picture: DecodedPicture) -> Likeness {
        let context = TermContext {
            clip,
            prompts: &[],
            canvas,
            preset: &Preset::ORIGINAL,
        };
        let spec = LikenessSpec {
            picture: Arc::new(picture),
            amount: 0.5,
        };
        Likeness::new(&spec, &context, 3.0).unwrap()
    }

    fn share(features: &[Tensor; 2]) -> [Tensor; 2] {
        [features[0].shallow_clone(), features[1].shallow_clone()]
    }

    #[test]
    fn a_picture_is_fitted_into_the_canvas_without_being_cut_or_distorted() {
        assert_eq!(fitted_size([100, 50], [224, 224]), [224, 112]);
        assert_eq!(fitted_size([50, 100], [300, 200]), [100, 200]);
        assert_eq!(fitted_size([5000, 1], [64, 64]), [64, 1]);
        let background = "#ff0000".parse::<Rgb>().unwrap();
        let canvas = Canvas::new([64, 96], background);
        let fitted = fitted(&picture(32, 32), &canvas).unwrap();
        assert_eq!((fitted.width(), fitted.height()), (64, 96));
        let red = background.channels();
        for (x, y, is_background) in [(5, 15, true), (5, 16, false), (5, 79, false), (5, 80, true)]
        {
            assert_eq!(fitted.pixel(x, y) == red, is_background, "{x} {y}");
        }
        let bright = fitted.pixel(60, 70);
        let expected = [250.0, 130.0, 10.0].map(|value: f32| value / 255.0);
        for (found, expected) in bright.into_iter().zip(expected) {
            assert!((found - expected).abs() < 0.01, "{bright:?}");
        }
    }

    #[test]
    fn a_copy_of_the_picture_has_no_loss_and_an_empty_canvas_one_of_the_weight() {
        let canvas = Canvas::new([48, 40], Rgb::WHITE);
        for config in [
            ClipConfig::tiny_transformer(),
            ClipConfig::tiny_resnet(),
            ClipConfig::tiny_towers(),
        ] {
            let clip = Clip::random(config, 3, Device::Cpu, Kind::Float).unwrap();
            let term = term(&clip, &canvas, picture(48, 40));
            assert_eq!(term.weight, 1.5 * STRENGTH);
            let side = clip.input_size() as usize;
            let views = |picture: &Picture| {
                let whole = [ViewTransform::whole(48, 40)];
                let values = ViewBatch::new(picture, &whole, side).values;
                let side = side as i64;
                Tensor::from_slice(&values).reshape([1, 3, side, side])
            };
            let of_picture = clip.features(&views(&term.picture)).unwrap();
            let empty = Picture::filled(48, 40, [1.0; 3]);
            let of_empty = clip.features(&views(&empty)).unwrap();
            assert_eq!(of_picture.len(), clip.config().towers);
            for tower in 0..clip.config().towers {
                let loss = |drawing: &[Tensor; 2]| {
                    let picture = &of_picture[tower];
                    let features = ViewFeatures::new(share(drawing), share(picture), &[tower]);
                    let views = ViewEmbeddings {
                        embeddings: &Tensor::new(),
                        alignment: &Tensor::new(),
                        features: Some(&features),
                    };
                    f32::try_from(term.on_views(&views).unwrap().unwrap()).unwrap()
                };
                assert_eq!(loss(&of_picture[tower]), 0.0);
                let empty = loss(&of_empty[tower]);
                assert!((empty - 1.0).abs() < 1e-3, "{empty}");
            }
        }
    }

    #[test]
    fn the_loss_of_a_view_does_not_depend_on_the_others() {
        let numbers = |seed: i64| {
            let numbers = Tensor::arange(5 * 1000, (Kind::Float, Device::Cpu)) + seed;
            (numbers * 12.9898).sin().reshape([5, 10, 10, 10])
        };
        let (first, second) = (numbers(1), numbers(9));
        let together = square_distances(&first, &second).unwrap();
        for view in 0..5 {
            let alone = square_distances(&first.narrow(0, view, 1), &second.narrow(0, view, 1));
            assert!(alone.unwrap().equal(&together.narrow(0, view, 1)));
        }
    }

    #[test]
    fn an_empty_picture_has_no_extreme_factor() {
        let canvas = Canvas::new([32, 32], Rgb::WHITE);
        let clip =
            Clip::random(ClipConfig::tiny_transformer(), 3, Device::Cpu, Kind::Float).unwrap();
        let white = DecodedPicture {
            values: vec![255; 3 * 32 * 32],
            ..picture(32, 32)
        };
        let [empty, full] = [white, picture(32, 32)].map(|picture| term(&clip, &canvas, picture));
        for layer in 0..2 {
            let ratio = empty.factors[0][layer] / full.factors[0][layer];
            assert!(ratio.is_finite() && ratio < 1e3, "{ratio}");
        }
    }
}
