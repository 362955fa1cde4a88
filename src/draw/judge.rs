//! What CLIP says of the views of several drawings, all in one batch.

use tch::Tensor;

use crate::clip::{Clip, ClipError, Contrast, ViewGroup};
use crate::render::cpu::warp::ViewBatch;

/// The views of one drawing and the texts that they are held against.
pub(super) struct Subject<'a> {
    /// Pixels, `[N, 3, R, R]`.
    pub views: &'a ViewBatch,
    /// Unit vectors of the prompts, `[E]` each.
    pub texts: &'a [Vec<f32>],
    /// What the embedding of each view is multiplied with, `[E]`, of length 1 or 0.
    pub direction: &'a Tensor,
    /// The CLIP loss is the sum over the views of that product, times this.
    pub strength: f32,
    /// What else is asked of the views, times the same.
    pub contrast: Option<&'a Contrast>,
    /// Which image tower's turn it is, if there are several.
    pub turn: usize,
}

/// What CLIP says of one drawing.
pub(super) struct Judgement {
    /// For each prompt the sum over the views of the cosine between view and text.
    pub cosine_sums: Vec<f64>,
    /// The sum over the views of the contrast.
    pub contrast_sum: f64,
    /// The gradient of the CLIP loss and the contrast for every value of the views.
    pub gradient: ViewBatch,
}

/// Runs the views of all subjects through CLIP, forward and back to the pixels.
///
/// # Errors
/// When libtorch fails, for example for want of memory.
pub(super) fn judge(clip: &Clip, subjects: &[Subject<'_>]) -> Result<Vec<Judgement>, ClipError> {
    let directions: Vec<Tensor> = subjects.iter().map(Subject::directions).collect();
    let groups: Vec<ViewGroup<'_>> = subjects
        .iter()
        .zip(&directions)
        .map(|(subject, directions)| ViewGroup {
            views: &subject.views.values,
            directions,
            contrast: subject.contrast,
            turn: subject.turn,
        })
        .collect();
    let scores = clip.score_groups(&groups)?;
    let judgement = |(subject, scores): (&Subject<'_>, crate::clip::ViewScores)| Judgement {
        cosine_sums: subject.cosine_sums(&scores.embeddings),
        contrast_sum: scores.contrasts.iter().map(|value| f64::from(*value)).sum(),
        gradient: ViewBatch {
            side: subject.views.side,
            values: scores
                .gradient
                .iter()
                .map(|slope| slope * subject.strength)
                .collect(),
        },
    };
    Ok(subjects.iter().zip(scores).map(judgement).collect())
}

impl Subject<'_> {
    /// The direction once for each view, `[N, E]`.
    fn directions(&self) -> Tensor {
        let views = self.views.values.len() / (3 * self.views.side * self.views.side);
        self.direction
            .unsqueeze(0)
            .expand([views as i64, -1], false)
    }

    fn cosine_sums(&self, embeddings: &[f32]) -> Vec<f64> {
        let dot = |text: &[f32], view: &[f32]| -> f64 {
            let products = text
                .iter()
                .zip(view)
                .map(|(a, b)| f64::from(*a) * f64::from(*b));
            products.sum()
        };
        let sum = |text: &Vec<f32>| {
            embeddings
                .chunks(text.len())
                .map(|view| dot(text, view))
                .sum()
        };
        self.texts.iter().map(sum).collect()
    }
}
