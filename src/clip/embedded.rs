//! The model that is part of the program.

use sha2::{Digest, Sha256};

/// The weight file, in the safetensors format; `weights/README.md` says how it was made.
pub(crate) const BYTES: &[u8] = include_bytes!("../../weights/compact-v4.safetensors");

/// Used in place of a path in errors and reports.
pub(crate) const NAME: &str = "compact-v4.safetensors (embedded)";

/// SHA-256 of the embedded weight file, in lower-case hexadecimal.
pub const EMBEDDED_SHA256: &str =
    "6e6ef95b19eb20435e1f62e91c57f7f451394d3a46d17326c66d3a0e582cadbd";

/// Whether the embedded weights are the ones that [`EMBEDDED_SHA256`] names.
pub fn embedded_is_intact() -> bool {
    let digest = Sha256::digest(BYTES);
    let written =
        |byte: &u8| [byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16));
    digest
        .iter()
        .flat_map(written)
        .eq(EMBEDDED_SHA256.chars().map(Some))
}
