//! What holds for every weight file, whatever its format.

use std::path::Path;

use clipdraw::clip::authoring::{Checkpoint, read_checkpoint_bytes};
use clipdraw::errors::chain;
use clipdraw::tch::Tensor;

/// How many times the bytes of a file its tensors may take: numbers of 8 bits become floats of 32.
const EXPANSION: usize = 4;

/// The bytes that its tensors may take, however small it is.
const ALLOWANCE: usize = 1 << 26;

/// Reads a file that is in memory: it is refused with a reason that names the file, or its tensors take no
/// more memory than a file of this size may.
pub(crate) fn read(bytes: &[u8]) -> Option<Checkpoint> {
    let file = Path::new("fuzzed.weights");
    match read_checkpoint_bytes(file, bytes) {
        Err(error) => {
            assert!(
                chain(&error).contains("fuzzed.weights"),
                "{}",
                chain(&error)
            );
            None
        }
        Ok(checkpoint) => {
            let sizes = checkpoint.tensors.values().map(bytes_of);
            let total: usize = sizes.sum();
            assert!(
                total <= ALLOWANCE.max(EXPANSION * bytes.len()),
                "{total} bytes"
            );
            Some(checkpoint)
        }
    }
}

fn bytes_of(tensor: &Tensor) -> usize {
    let count: i64 = tensor.size().iter().product();
    assert!(count > 0, "a weight has numbers");
    count as usize * tensor.kind().elt_size_in_bytes()
}
