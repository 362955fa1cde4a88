//! The contrastive loss: the picture should look like the prompt more than like other things.
//!
//! A picture that looks a little like everything can already have a high cosine. As in CLIP's training, the
//! cosine with the prompt is therefore compared with those of other captions by a softmax:
//!
//! ```text
//! loss of a view = -weight * log( exp(s c) / (exp(s c) + sum over k of exp(s c_k)) )
//! ```
//!
//! with `c` the cosine of the view with the prompts, `c_k` that with caption k, and `s` the logit scale. The
//! captions are a list of common things, except those that mean the same as the prompt.

use tch::{Kind, TchError, Tensor};

use super::term::{StrokePart, Term, TermContext, ViewEmbeddings};
use crate::clip::{Clip, ClipError};
use crate::scene::Canvas;

/// The factor of the cosines before the softmax.
const LOGIT_SCALE: f64 = 30.0;
/// Captions with a larger cosine to a prompt mean the same thing and are left out.
const TOO_CLOSE: f64 = 0.55;
/// Captions of common things, whose embeddings are far from each other.
const CAPTIONS: &[&str] = &[
    "a messy scribble",
    "random lines",
    "an airplane",
    "an apple",
    "an ant",
    "an anchor",
    "a backpack",
    "a banana",
    "a bear",
    "a bed",
    "a bell",
    "a bicycle",
    "a bird",
    "a boat",
    "a book",
    "a bottle",
    "a bridge",
    "a broccoli",
    "a bus",
    "a butterfly",
    "a cake",
    "a camel",
    "a camera",
    "a candle",
    "a car",
    "a carrot",
    "a castle",
    "a cat",
    "a chair",
    "a cherry",
    "a chicken",
    "a clock",
    "a cloud",
    "a coat",
    "a cow",
    "a crab",
    "a crocodile",
    "a crown",
    "a cup of coffee",
    "a desert",
    "a diamond",
    "a dog",
    "a dolphin",
    "a door",
    "a dragon",
    "a dress",
    "a drum",
    "a duck",
    "an egg",
    "an elephant",
    "an eye",
    "a face",
    "a fire",
    "a fish",
    "a flag",
    "a flower",
    "a forest",
    "a fox",
    "a frog",
    "a giraffe",
    "glasses",
    "a grape",
    "a guitar",
    "a hamburger",
    "a hammer",
    "a hand",
    "a hat",
    "a heart",
    "a horse",
    "a house",
    "an ice cream",
    "an island",
    "a key",
    "a knife",
    "a ladder",
    "a lamp",
    "a leaf",
    "a lemon",
    "a lighthouse",
    "a lion",
    "a lobster",
    "a man",
    "a map",
    "a monkey",
    "a moon",
    "a mountain",
    "a mouse",
    "a mushroom",
    "an octopus",
    "an owl",
    "a palm tree",
    "a panda",
    "a parrot",
    "a pencil",
    "a penguin",
    "a piano",
    "a pig",
    "a pizza",
    "a planet",
    "a pumpkin",
    "a rabbit",
    "a rainbow",
    "a ring",
    "a river",
    "a road",
    "a robot",
    "a rocket",
    "a rose",
    "a sandwich",
    "a scissors",
    "a shark",
    "a sheep",
    "a shoe",
    "a skull",
    "a snail",
    "a snake",
    "a snowman",
    "a soccer ball",
    "a spider",
    "a star",
    "a strawberry",
    "a submarine",
    "a sun",
    "a sunset",
    "a table",
    "a telephone",
    "a television",
    "a tiger",
    "a tractor",
    "a train",
    "a tree",
    "a trumpet",
    "a turtle",
    "an umbrella",
    "a volcano",
    "a watermelon",
    "a whale",
    "a window",
    "a woman",
];

/// The term; without negatives it is turned off.
#[derive(Debug)]
pub(super) struct Contrastive {
    /// Unit vectors of captions of other things, `[K, E]`, on the model's device.
    negatives: Option<Tensor>,
    weight: f64,
}

impl Contrastive {
    /// # Errors
    /// When libtorch fails.
    pub(super) fn new(context: &TermContext<'_>) -> Result<Self, ClipError> {
        // A picture is closer to all pictures than to any caption, so its cosine cannot be compared with those of captions.
        let weight = if context.prompts.iter().any(|prompt| prompt.is_picture) {
            0.0
        } else {
            context.preset.contrast_weight
        };
        let embeddings = context.prompts.iter().map(|prompt| &prompt.embedding[..]);
        let negatives = if weight == 0.0 {
            None
        } else {
            negatives(context.clip, &embeddings.collect::<Vec<_>>())?
        };
        Ok(Self { negatives, weight })
    }
}

impl Term for Contrastive {
    fn name(&self) -> &'static str {
        "contrast"
    }

    fn share(&self) -> Box<dyn Term> {
        Box::new(Self {
            negatives: self.negatives.as_ref().map(Tensor::shallow_clone),
            weight: self.weight,
        })
    }

    fn on_views(&self, views: &ViewEmbeddings<'_>) -> Result<Option<Tensor>, TchError> {
        let Some(negatives) = &self.negatives else {
            return Ok(None);
        };
        let positive = views.alignment.f_neg()?.f_unsqueeze(1)?;
        let negative = views.embeddings.f_matmul(&negatives.f_tr()?)?;
        let logits = Tensor::f_cat(&[positive, negative], 1)?.f_mul_scalar(LOGIT_SCALE)?;
        let log_probabilities = logits.f_log_softmax(-1, Kind::Float)?;
        let loss = log_probabilities
            .f_select(1, 0)?
            .f_mul_scalar(-self.weight)?;
        Ok(Some(loss))
    }

    fn stroke_part(&self, _: &Canvas, _: usize) -> StrokePart {
        StrokePart::Independent
    }

    fn is_active(&self) -> bool {
        self.negatives.is_some()
    }
}

/// The captions that mean something other than the prompts with these unit vectors, `[E]` each; `None` if
/// all of them mean the same.
fn negatives(clip: &Clip, prompts: &[&[f32]]) -> Result<Option<Tensor>, ClipError> {
    let captions = clip.embed_texts(CAPTIONS)?;
    let select = || {
        let prompts: Vec<_> = prompts
            .iter()
            .map(|prompt| Tensor::from_slice(prompt))
            .collect();
        let prompts = Tensor::f_stack(&prompts, 0)?.f_to_device(captions.device())?;
        let closest = captions.f_matmul(&prompts.f_tr()?)?.f_max_dim(1, false)?.0;
        let others = closest.f_lt(TOO_CLOSE)?.f_nonzero()?.f_squeeze_dim(1)?;
        captions.f_index_select(0, &others)?.f_to_kind(Kind::Float)
    };
    let negatives = select().map_err(ClipError::while_doing(
        "choosing the captions that a drawing is compared with",
    ))?;
    Ok((negatives.size()[0] > 0).then_some(negatives))
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    /// Rows of length one that are close together, so that no softmax saturates.
    fn rows(count: i64, width: i64, seed: i64) -> Tensor {
        let numbers = Tensor::arange(count * width, (Kind::Float, Device::Cpu)) + seed;
        let rows = (numbers * 12.9898).sin().reshape([count, width]) * 0.2 + 1.0;
        &rows / rows.norm_scalaropt_dim(2.0, [1], true)
    }

    #[test]
    fn the_gradient_is_that_of_the_value_and_reaches_every_view() {
        let term = Contrastive {
            negatives: Some(rows(5, 16, 7)),
            weight: 0.7,
        };
        let direction = -rows(1, 16, 1).select(0, 0);
        let loss = |embeddings: &Tensor| {
            let alignment = (embeddings * &direction).sum_dim_intlist(-1, false, Kind::Float);
            let views = ViewEmbeddings {
                embeddings,
                alignment: &alignment,
                features: None,
            };
            term.on_views(&views).unwrap().unwrap()
        };
        let embeddings = rows(3, 16, 3).set_requires_grad(true);
        let total = loss(&embeddings).sum(Kind::Float);
        assert!(total.double_value(&[]) > 0.0);
        let gradient = Tensor::run_backward(&[total], &[&embeddings], false, false).remove(0);
        let embeddings = embeddings.detach().to_kind(Kind::Double);
        for view in 0..3 {
            for index in 0..16 {
                let change = Tensor::zeros([3, 16], (Kind::Double, Device::Cpu));
                let _ = change.get(view).get(index).fill_(1e-2);
                let at =
                    |embeddings: Tensor| loss(&embeddings.to_kind(Kind::Float)).sum(Kind::Double);
                let measured = (at(&embeddings + &change) - at(&embeddings - &change)) / 2e-2;
                let measured = measured.double_value(&[]);
                let claimed = gradient.double_value(&[view, index]);
                let error = (measured - claimed).abs();
                assert!(
                    error < 0.03 * claimed.abs().max(0.5),
                    "{measured}, {claimed}"
                );
            }
            let row = gradient.get(view).abs().max().double_value(&[]);
            assert!(row > 0.01, "view {view} gets no gradient");
        }
    }
}
