//! What the image towers on libtorch have in common: blocks, one after another, and features after some of them.

use tch::{TchError, Tensor};

/// The output of the last of some blocks; the input itself if there is none.
pub(super) fn forward_blocks<B>(
    blocks: &[B],
    input: Tensor,
    forward: impl Fn(&B, &Tensor) -> Result<Tensor, TchError>,
) -> Result<Tensor, TchError> {
    blocks
        .iter()
        .try_fold(input, |input, block| forward(block, &input))
}

/// The outputs after `first` and after `second` blocks, which are not fewer.
pub(super) fn block_features<B>(
    blocks: &[B],
    [first, second]: [usize; 2],
    input: Tensor,
    forward: impl Fn(&B, &Tensor) -> Result<Tensor, TchError>,
) -> Result<[Tensor; 2], TchError> {
    let outer = forward_blocks(&blocks[..first], input, &forward)?;
    let inner = forward_blocks(&blocks[first..second], outer.shallow_clone(), forward)?;
    Ok([outer, inner])
}
