//! Rendering on the CPU: the rasterizer paints the picture, the warp resamples it into views.

pub mod raster;
pub mod warp;

use tch::Tensor;

use self::raster::{Painting, paint};
use self::warp::{ViewBatch, pooled_view_gradient};
use super::view::{Pooling, ViewTransform};
use super::{RenderError, Rendered, Renderer, Scene};
use crate::compute::to_host;
use crate::scene::StrokeGradient;

/// Renders on all cores, one scene after the other; the number of threads changes no byte.
#[derive(Debug, Clone, Copy, Default)]
pub struct CpuRenderer;

impl Renderer for CpuRenderer {
    fn forward(
        &self,
        scenes: &[Scene<'_>],
        image_size: usize,
    ) -> Result<Box<dyn Rendered>, RenderError> {
        let mut values = Vec::new();
        let mut rendered = Vec::with_capacity(scenes.len());
        for scene in scenes {
            let painting = paint(scene.strokes, scene.canvas);
            let views = ViewBatch::new(painting.picture(), scene.views, image_size);
            if values.is_empty() {
                values = views.values;
            } else {
                values.extend(views.values);
            }
            rendered.push(RenderedScene {
                painting,
                views: scene.views.to_vec(),
            });
        }
        let side = image_size as i64;
        let views = Tensor::f_from_slice(&values)
            .and_then(|views| views.f_reshape([-1, 3, side, side]))
            .map_err(RenderError::while_doing("storing views"))?;
        Ok(Box::new(CpuRendered {
            scenes: rendered,
            views,
            image_size,
        }))
    }
}

struct CpuRendered {
    scenes: Vec<RenderedScene>,
    views: Tensor,
    image_size: usize,
}

struct RenderedScene {
    painting: Painting,
    views: Vec<ViewTransform>,
}

impl Rendered for CpuRendered {
    fn views(&self) -> &Tensor {
        &self.views
    }

    fn backward(&self, view_gradient: &Tensor) -> Result<Vec<StrokeGradient>, RenderError> {
        let mut first = 0;
        let mut gradients = Vec::with_capacity(self.scenes.len());
        for scene in &self.scenes {
            let count = scene.views.len() as i64;
            let values = view_gradient
                .f_narrow(0, first, count)
                .and_then(|own| to_host(&own))
                .map_err(RenderError::while_doing(
                    "reading the gradient on the views",
                ))?;
            first += count;
            gradients.push(scene.backward(&ViewBatch {
                side: self.image_size,
                values,
            }));
        }
        Ok(gradients)
    }
}

impl RenderedScene {
    fn backward(&self, gradient: &ViewBatch) -> StrokeGradient {
        let picture = self.painting.picture();
        let (width, height) = (picture.width(), picture.height());
        let pooled = pooled_view_gradient(gradient, &self.views, width, height);
        let pooling = Pooling::new(gradient.side, width, height);
        self.painting.gradient_through(&pooled, pooling)
    }
}
