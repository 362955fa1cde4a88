//! The accuracy of a tower: how often a picture's own caption is ranked first, or among the first,
//! of all captions of its test.

use std::fmt;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tch::{Kind, TchError, Tensor};

use super::pack::{Pack, SIDE};
use super::teacher::Teacher;
use clipdraw::render::cpu::warp::ViewBatch;
use clipdraw::render::view::ViewTransform;
use clipdraw::scene::Picture;

/// White around a test picture, as a part of the picture's side.
const MARGIN: f32 = 0.075;
/// Pictures that are read at a time.
const AT_ONCE: usize = 64;
/// The order in which a test's pictures are taken.
const SEED: u64 = 1;

/// Pictures of one set that was never trained on.
#[derive(Debug)]
pub struct TestSet {
    name: String,
    pictures: Vec<Vec<f32>>,
    concepts: Vec<String>,
    side: usize,
}

/// Parts of pictures, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Evaluation {
    /// Their own caption is the first.
    pub top_1: f64,
    /// It is among the first five.
    pub top_5: f64,
    /// It is among the first ten.
    pub top_10: f64,
    /// Pictures that were looked at.
    pub pictures: usize,
    /// The captions to choose from.
    pub captions: usize,
}

impl fmt::Display for Evaluation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: f64| 100.0 * part;
        write!(
            out,
            "{:.1}/{:.1}/{:.1} of {} n={}",
            percent(self.top_1),
            percent(self.top_5),
            percent(self.top_10),
            self.captions,
            self.pictures
        )
    }
}

/// How many captions of the test are ranked before each picture's own caption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranks {
    /// The picture's own caption, as a number of the teacher's, and its rank: 0 is best.
    ranks: Vec<(usize, usize)>,
    captions: usize,
}

impl Ranks {
    /// The figures of all pictures.
    pub fn of_all(&self) -> Evaluation {
        self.of(|_| true)
    }

    /// The figures of those pictures whose caption is one of these, sorted as they are. They are still distinguished
    /// from all captions.
    pub fn of_these(&self, captions: &[usize]) -> Evaluation {
        self.of(|caption| captions.binary_search(&caption).is_ok())
    }

    fn of(&self, counts: impl Fn(usize) -> bool) -> Evaluation {
        let ranks: Vec<usize> = self
            .ranks
            .iter()
            .filter(|(caption, _)| counts(*caption))
            .map(|&(_, rank)| rank)
            .collect();
        let within = |limit: usize| {
            ranks.iter().filter(|rank| **rank < limit).count() as f64 / ranks.len().max(1) as f64
        };
        Evaluation {
            top_1: within(1),
            top_5: within(5),
            top_10: within(10),
            pictures: ranks.len(),
            captions: self.captions,
        }
    }
}

impl TestSet {
    /// All pictures of the set of this name, on white paper, `side` pixels wide.
    pub fn new(pack: &Pack, set: &str, side: usize) -> Self {
        let mut chosen: Vec<usize> = (0..pack.len())
            .filter(|&index| pack.records[index].set == set)
            .collect();
        chosen.shuffle(&mut ChaCha8Rng::seed_from_u64(SEED));
        Self {
            name: set.to_owned(),
            pictures: chosen
                .iter()
                .map(|&index| on_white(pack.picture(index), side))
                .collect(),
            concepts: chosen
                .iter()
                .map(|&index| pack.records[index].concept.clone())
                .collect(),
            side,
        }
    }

    /// The set's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The ranks that `read`, which turns pictures `[N, 3, R, R]` into unit vectors `[N, E]`, gives the
    /// captions of the first `most` pictures. Captions that the teacher does not know are passed over.
    ///
    /// # Errors
    /// When `read` fails.
    pub fn ranks(
        &self,
        teacher: &Teacher,
        most: usize,
        read: impl Fn(&Tensor) -> Result<Tensor, TchError>,
    ) -> anyhow::Result<Ranks> {
        let known: Vec<(usize, usize)> = (0..self.pictures.len())
            .filter_map(|index| Some((index, teacher.caption(&self.concepts[index])?)))
            .collect();
        let mut captions: Vec<usize> = known.iter().map(|&(_, caption)| caption).collect();
        captions.sort_unstable();
        captions.dedup();
        let choices = teacher.embed(&captions);
        let known = &known[..most.min(known.len())];
        let mut ranks = Vec::new();
        for chunk in known.chunks(AT_ONCE) {
            let values: Vec<f32> = chunk
                .iter()
                .flat_map(|&(index, _)| self.pictures[index].clone())
                .collect();
            let side = self.side as i64;
            let embeddings = read(&Tensor::from_slice(&values).reshape([-1, 3, side, side]))?;
            let scores = embeddings
                .to_device(choices.device())
                .f_matmul(&choices.f_tr()?)?;
            let own: Vec<i64> = chunk
                .iter()
                .map(|(_, caption)| captions.binary_search(caption).expect("it was listed") as i64)
                .collect();
            let own = scores.f_gather(
                1,
                &Tensor::from_slice(&own)
                    .to_device(scores.device())
                    .unsqueeze(1),
                false,
            )?;
            let better = scores
                .f_gt_tensor(&own)?
                .f_sum_dim_intlist(1, false, Kind::Int64)?;
            let better = Vec::<i64>::try_from(better)?;
            ranks.extend(
                chunk
                    .iter()
                    .zip(better)
                    .map(|(&(_, caption), rank)| (caption, rank as usize)),
            );
        }
        Ok(Ranks {
            ranks,
            captions: captions.len(),
        })
    }
}

/// A picture of a pack on white paper with a margin, `[3, side, side]`.
fn on_white(picture: &[u8], side: usize) -> Vec<f32> {
    let margin = (MARGIN * SIDE as f32).round() as usize;
    let whole = SIDE + 2 * margin;
    let mut canvas = Picture::filled(whole, whole, [1.0; 3]);
    let plane = whole * whole;
    let values = canvas.values_mut();
    for (index, pixel) in picture.chunks(4).enumerate() {
        let place = (index / SIDE + margin) * whole + index % SIDE + margin;
        let opacity = f32::from(pixel[3]) / 255.0;
        for (channel, &byte) in pixel[..3].iter().enumerate() {
            values[channel * plane + place] = f32::from(byte) / 255.0 + 1.0 - opacity;
        }
    }
    ViewBatch::new(&canvas, &[ViewTransform::whole(whole, whole)], side).values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::PICTURE_BYTES;

    #[test]
    fn the_pictures_of_some_captions_are_told_from_all() {
        let ranks = Ranks {
            ranks: vec![(3, 0), (5, 4), (5, 7), (9, 20)],
            captions: 40,
        };
        assert_eq!(ranks.of_all().to_string(), "25.0/50.0/75.0 of 40 n=4");
        assert_eq!(
            ranks.of_these(&[5, 6]).to_string(),
            "0.0/50.0/100.0 of 40 n=2"
        );
    }

    #[test]
    fn a_picture_lies_in_the_middle_of_white_paper() {
        let black: Vec<u8> = [0, 0, 0, 255].repeat(PICTURE_BYTES / 4);
        let values = on_white(&black, 46);
        assert_eq!(values[0], 1.0);
        assert_eq!(values[23 * 46 + 23], 0.0);
        assert_eq!(values.len(), 3 * 46 * 46);
    }
}
