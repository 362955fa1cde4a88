//! The tower of inverted residuals on a processor, forward and backward, without libtorch.
//!
//! The tower is small: most of its products have 8 to 128 rows, so that libtorch spends more time on preparing an
//! operation than on the operation. Here the weights are packed once, in the order in which both passes read them, what
//! follows a product is done while its result is in registers, and memory is kept from step to step.
//!
//! A map is `[views, side, side, stride]`, 32-bit: the channels of a pixel are adjacent, and their number is rounded up
//! to a multiple of sixteen by channels that are always zero. So no loop has a remainder.
//!
//! Every number of a view is computed by the same operations in the same order, whatever views are in the batch. So the
//! bytes of a drawing depend neither on its company nor on the number of threads.

mod vector;
mod matrix;
mod depthwise;
mod stem;
mod tower;

pub(super) use tower::{NativeTower, Tape};
