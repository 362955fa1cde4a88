//! What CLIP says of the views of several drawings, all in one batch.

use tch::{Device, Kind, TchError, Tensor};

use crate::augment::Views;
use crate::clip::{Clip, ClipError};

/// Half precision has too little range for the small gradients on its way down, so the loss is
/// multiplied by this power of two before and divided after, which changes no digit.
const HALF_PRECISION_SCALE: f64 = 256.0;

/// The views of one drawing and the texts that they are held against.
pub(super) struct Subject<'a> {
    /// Pixels, `[N, 3, R, R]`.
    pub views: &'a Views,
    /// Unit vectors of the prompts, `[prompts, embedding]`.
    pub texts: &'a Tensor,
    /// The CLIP loss is the sum over the views of their embedding times this, `[embedding]`.
    pub direction: &'a Tensor,
}

/// What CLIP says of one drawing.
pub(super) struct Judgement {
    /// For each prompt the sum over the views of the cosine between view and text.
    pub cosine_sums: Vec<f64>,
    /// The gradient of the CLIP loss for every value of the views.
    pub gradient: Views,
}

/// Runs the views of all subjects through CLIP, forward and back to the pixels.
///
/// # Errors
/// When libtorch fails, for example for want of memory.
pub(super) fn judge(clip: &Clip, subjects: &[Subject<'_>]) -> Result<Vec<Judgement>, ClipError> {
    let pixels = pixels(clip, subjects).map_err(ClipError::while_doing("laying out the views"))?;
    let embeddings = clip.embed_pictures(&pixels)?;
    let slopes = slopes(clip, subjects, &pixels, &embeddings)
        .map_err(ClipError::while_doing("following the loss back to the views"))?;
    let embeddings = embeddings.detach();
    let mut done = (0, 0);
    let mut judgements = Vec::with_capacity(subjects.len());
    for subject in subjects {
        let (views, values) = (subject.view_count(), subject.views.values.len());
        let own = embeddings.narrow(0, done.0 as i64, views as i64);
        judgements.push(Judgement {
            cosine_sums: cosine_sums(subject, &own)
                .map_err(ClipError::while_doing("comparing views and prompts"))?,
            gradient: Views {
                side: subject.views.side,
                values: slopes[done.1..done.1 + values].to_vec(),
            },
        });
        done = (done.0 + views, done.1 + values);
    }
    Ok(judgements)
}

/// All views as one tensor that gathers a gradient, `[N, 3, R, R]`.
fn pixels(clip: &Clip, subjects: &[Subject<'_>]) -> Result<Tensor, TchError> {
    let side = clip.input_size();
    let parts = subjects
        .iter()
        .map(|subject| Tensor::f_from_slice(&subject.views.values)?.f_view([-1, 3, side, side]))
        .collect::<Result<Vec<_>, _>>()?;
    let pixels = Tensor::f_cat(&parts, 0)?.f_to_device(clip.device())?;
    Ok(pixels.set_requires_grad(true))
}

/// The gradient of the CLIP loss for every value of all views, one after the other.
fn slopes(
    clip: &Clip,
    subjects: &[Subject<'_>],
    pixels: &Tensor,
    embeddings: &Tensor,
) -> Result<Vec<f32>, TchError> {
    let scale = match clip.kind() {
        Kind::Half => HALF_PRECISION_SCALE,
        _ => 1.0,
    };
    let loss = embeddings.f_mul(&directions(subjects)?)?.f_sum(Kind::Float)?;
    loss.f_mul_scalar(scale)?.f_backward()?;
    let slopes = pixels.f_grad()?.f_mul_scalar(1.0 / scale)?;
    Vec::try_from(&slopes.f_to_device(Device::Cpu)?.f_view([-1])?)
}

fn cosine_sums(subject: &Subject<'_>, embeddings: &Tensor) -> Result<Vec<f64>, TchError> {
    let sum = embeddings.f_sum_dim_intlist(0, false, Kind::Float)?;
    let sums = subject.texts.f_matmul(&sum)?.f_to_device(Device::Cpu)?;
    Vec::try_from(&sums.f_to_kind(Kind::Double)?)
}

/// One direction for each view, `[N, embedding]`.
fn directions(subjects: &[Subject<'_>]) -> Result<Tensor, TchError> {
    let rows = subjects
        .iter()
        .map(|subject| {
            let row = subject.direction.f_unsqueeze(0)?;
            row.f_expand([subject.view_count() as i64, -1], false)
        })
        .collect::<Result<Vec<_>, _>>()?;
    Tensor::f_cat(&rows, 0)
}

impl Subject<'_> {
    fn view_count(&self) -> usize {
        self.views.values.len() / (3 * self.views.side * self.views.side)
    }
}
