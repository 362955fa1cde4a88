//! Measures how well a text tower is trained.

use std::fmt;

use tch::{Kind, TchError, Tensor};

use super::teacher::Teacher;
use super::text_tower::TrainableTextTower;

/// Neighbours that are compared.
const NEIGHBOURS: i64 = 5;
/// Texts among which neighbours are looked for, at most.
const BANK: usize = 5_000;
/// Words that mean nearly the same, and one pair that does not.
const PAIRS: [(&str, &str); 8] = [
    ("a bonfire", "a campfire"),
    ("a bonfire", "fire"),
    ("a campfire", "fire"),
    ("a cat", "a kitten"),
    ("a boat", "a ship"),
    ("a sailing boat", "a sailboat"),
    (
        "a submarine",
        "watercolor painting of an underwater submarine",
    ),
    ("a cat", "a car"),
];

/// How close a tower comes to the teacher on some texts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Closeness {
    /// Texts that were compared.
    pub texts: usize,
    /// Mean cosine to the teacher's vector.
    pub mean: f64,
    /// Median of the cosines.
    pub median: f64,
    /// A tenth of the cosines is lower.
    pub tenth: f64,
    /// Part of the teacher's nearest neighbours in the bank that are also the tower's, 0 to 1.
    pub shared_neighbours: f64,
}

impl fmt::Display for Closeness {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} texts: cosine {:.3} (median {:.3}, lowest tenth below {:.3}), {:.0} % of the nearest {NEIGHBOURS} shared",
            self.texts,
            self.mean,
            self.median,
            self.tenth,
            100.0 * self.shared_neighbours
        )
    }
}

/// Compares a tower with the teacher on `texts`; neighbours are looked for in `bank`.
///
/// # Errors
/// When the teacher does not know one of the texts, or libtorch fails.
pub fn closeness(
    tower: &TrainableTextTower,
    teacher: &Teacher,
    texts: &[String],
    bank: &[String],
) -> anyhow::Result<Closeness> {
    let step = bank.len().div_ceil(BANK).max(1);
    let bank: Vec<String> = bank.iter().step_by(step).cloned().collect();
    let vectors = tower.embed(texts)?;
    let goals = teacher.embed(&teacher.captions(texts)?);
    let bank = teacher.embed(&teacher.captions(&bank)?);
    let cosines = vectors
        .f_mul(&goals)?
        .f_sum_dim_intlist(-1, false, None::<Kind>)?;
    let quantile = |part: f64| -> Result<f64, TchError> {
        cosines
            .f_quantile_scalar(part, None, false, "linear")?
            .f_double_value(&[])
    };
    Ok(Closeness {
        texts: texts.len(),
        mean: cosines.f_mean(None::<Kind>)?.f_double_value(&[])?,
        median: quantile(0.5)?,
        tenth: quantile(0.1)?,
        shared_neighbours: shared_neighbours(&vectors, &goals, &bank)?,
    })
}

/// Part of the nearest of `bank` that two sets of vectors share.
fn shared_neighbours(ours: &Tensor, theirs: &Tensor, bank: &Tensor) -> Result<f64, TchError> {
    let count = NEIGHBOURS.min(bank.size()[0]);
    let nearest = |vectors: &Tensor| -> Result<Tensor, TchError> {
        Ok(vectors
            .f_matmul(&bank.f_tr()?)?
            .f_topk(count, -1, true, false)?
            .1)
    };
    let same = nearest(ours)?
        .f_unsqueeze(2)?
        .f_eq_tensor(&nearest(theirs)?.f_unsqueeze(1)?)?;
    same.f_any_dim(-1, false)?
        .f_to_kind(Kind::Double)?
        .f_mean(None::<Kind>)?
        .f_double_value(&[])
}

/// Pairs of texts and their cosines, of which the last should be small and the others large.
///
/// # Errors
/// When libtorch fails.
pub fn pairs(
    tower: &TrainableTextTower,
) -> Result<Vec<(&'static str, &'static str, f64)>, TchError> {
    let mut found = Vec::new();
    for (left, right) in PAIRS {
        let vectors = tower.embed(&[left.to_owned(), right.to_owned()])?;
        let cosine = vectors.f_get(0)?.f_dot(&vectors.f_get(1)?)?;
        found.push((left, right, cosine.f_double_value(&[])?));
    }
    Ok(found)
}

/// The smallest cosine between what two towers make of the same text, over the texts of [`pairs`].
///
/// # Errors
/// When libtorch fails.
pub fn likeness(one: &TrainableTextTower, other: &TrainableTextTower) -> Result<f64, TchError> {
    let texts: Vec<String> = PAIRS
        .iter()
        .flat_map(|(left, right)| [*left, *right].map(str::to_owned))
        .collect();
    one.embed(&texts)?
        .f_mul(&other.embed(&texts)?)?
        .f_sum_dim_intlist(-1, false, None::<Kind>)?
        .f_min()?
        .f_double_value(&[])
}
