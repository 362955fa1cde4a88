//! A sheet of drawings for inspection, and the ranking of their prompts by a separate classifier.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use super::parameters::Parameters;
use super::teacher::Teacher;
use super::tower::{Mode, Tower};
use clipdraw::draw::Spec;
use clipdraw::render::cpu::raster::paint;
use clipdraw::render::cpu::warp::ViewBatch;
use clipdraw::render::view::{ViewTransform, random_views};
use clipdraw::scene::{Picture, Strokes};

/// Views of a drawing that the classifier sees, in addition to the whole drawing.
const VIEWS: usize = 15;
/// A caption closer than this to the prompt means the same, and does not count against it (the
/// teacher's cosine).
const SAME: f64 = 0.75;

/// Pictures side by side, row by row, with a margin of a few white pixels.
pub fn sheet(pictures: &[Picture], columns: usize) -> Picture {
    const MARGIN: usize = 6;
    let (width, height) = pictures.first().map_or((0, 0), |picture| {
        (picture.width() + MARGIN, picture.height() + MARGIN)
    });
    let rows = pictures.len().div_ceil(columns.max(1));
    let mut whole = Picture::filled(columns * width + MARGIN, rows * height + MARGIN, [1.0; 3]);
    let (stride, plane) = (whole.width(), whole.width() * whole.height());
    let values = whole.values_mut();
    for (index, picture) in pictures.iter().enumerate() {
        let (left, top) = (
            MARGIN + index % columns * width,
            MARGIN + index / columns * height,
        );
        for y in 0..picture.height() {
            for x in 0..picture.width() {
                for (channel, value) in picture.pixel(x, y).into_iter().enumerate() {
                    values[channel * plane + (top + y) * stride + left + x] = value;
                }
            }
        }
    }
    whole
}

/// A tower that was not used for the drawing.
#[derive(Debug)]
pub struct Classifier<'a> {
    /// Its architecture.
    pub tower: Tower,
    /// Its weights.
    pub parameters: &'a Parameters,
    /// The embeddings of captions.
    pub teacher: &'a Teacher,
    /// The captions to choose from.
    pub concepts: &'a [usize],
    /// Side of its pictures, in pixels.
    pub side: usize,
}

/// How well the classifier recognizes a drawing.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranking {
    /// How many captions of other things come before the prompt: 0 is best.
    pub rank: usize,
    /// The best captions, as numbers of the teacher's.
    pub first: Vec<usize>,
}

impl Classifier<'_> {
    /// The ranking for the drawing of `prompt`, a caption of the teacher's.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn rank(&self, strokes: &Strokes, spec: &Spec, prompt: usize) -> anyhow::Result<Ranking> {
        let picture = paint(strokes, &spec.canvas).into_picture();
        let (width, height) = (picture.width(), picture.height());
        let mut views = random_views(&mut ChaCha8Rng::seed_from_u64(1), VIEWS, width, height);
        views.push(ViewTransform::whole(width, height));
        let pixels = ViewBatch::new(&picture, &views, self.side);
        let side = self.side as i64;
        let pictures = Tensor::from_slice(&pixels.values).reshape([-1, 3, side, side]);
        let embeddings =
            tch::no_grad(|| self.tower.read(self.parameters, &pictures, Mode::Evaluate))?;
        let mean = embeddings.mean_dim(0, false, Kind::Float);
        let captions = self.teacher.embed(self.concepts).to_device(Device::Cpu);
        let text = self
            .teacher
            .embed(&[prompt])
            .to_device(Device::Cpu)
            .select(0, 0);
        let scores = captions.matmul(&mean);
        let likeness = captions.matmul(&text);
        let same = likeness.ge(SAME);
        // A name of the same thing is as good as the prompt itself.
        let names = Tensor::cat(
            &[text.dot(&mean).reshape([1]), scores.masked_select(&same)],
            0,
        );
        let own = names.max().double_value(&[]);
        let better = scores
            .gt(own)
            .logical_and(&same.logical_not())
            .sum(Kind::Int64);
        let first = scores.topk(5, 0, true, true).1;
        let first = Vec::<i64>::try_from(first)?;
        Ok(Ranking {
            rank: better.int64_value(&[]) as usize,
            first: first
                .iter()
                .map(|&index| self.concepts[index as usize])
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_holds_every_picture_in_its_place() {
        let pictures: Vec<_> = [0.0, 0.25, 0.5]
            .map(|grey| Picture::filled(10, 10, [grey; 3]))
            .into();
        let sheet = sheet(&pictures, 2);
        assert_eq!((sheet.width(), sheet.height()), (38, 38));
        assert_eq!(sheet.pixel(8, 8), [0.0; 3]);
        assert_eq!(sheet.pixel(24, 8), [0.25; 3]);
        assert_eq!(sheet.pixel(8, 24), [0.5; 3]);
        assert_eq!(sheet.pixel(24, 24), [1.0; 3]);
    }
}
