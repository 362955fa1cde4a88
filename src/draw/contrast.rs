//! The contrast: the picture should be taken for what the prompt says rather than for other things.
//!
//! The cosine alone is content with a picture that looks a little like everything. What it is told from is a
//! list of common things, less those that the prompt itself means.

use tch::{Kind, Tensor};

use crate::clip::{Clip, ClipError, Contrast};

/// What the cosines are multiplied with before the softmax.
const SHARPNESS: f64 = 30.0;
/// Captions closer to a prompt than this are no other things (cosine).
const TOO_CLOSE: f64 = 0.55;
/// Common things, far from each other.
const THINGS: &[&str] = &[
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

/// The contrast of a drawing whose prompts have the unit vectors `texts`, `[E]` each, and count with
/// `weight`; none if it does not count or everything is what the prompts mean.
///
/// # Errors
/// When libtorch fails.
pub(super) fn contrast(
    clip: &Clip,
    texts: &[Vec<f32>],
    weight: f64,
) -> Result<Option<Contrast>, ClipError> {
    if weight == 0.0 {
        return Ok(None);
    }
    let things = clip.embed_texts(THINGS)?;
    let others = || {
        let own: Vec<_> = texts.iter().map(|text| Tensor::from_slice(text)).collect();
        let own = Tensor::f_stack(&own, 0)?.f_to_device(things.device())?;
        let closest = things.f_matmul(&own.f_tr()?)?.f_max_dim(1, false)?.0;
        let others = closest.f_lt(TOO_CLOSE)?.f_nonzero()?.f_squeeze_dim(1)?;
        things.f_index_select(0, &others)?.f_to_kind(Kind::Float)
    };
    let others = others().map_err(ClipError::while_doing(
        "choosing what a drawing is told from",
    ))?;
    Ok((others.size()[0] > 0).then_some(Contrast {
        others,
        sharpness: SHARPNESS,
        weight,
    }))
}
