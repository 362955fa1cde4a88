//! The model that is part of the program.

use sha2::{Digest, Sha256};

/// The weight file, in the safetensors format; `weights/README.md` tells its story.
pub(crate) const BYTES: &[u8] = include_bytes!("../../weights/compact-v3.safetensors");

/// Stands for a path in errors and reports.
pub(crate) const NAME: &str = "compact-v3.safetensors (embedded)";

/// SHA-256 of the embedded weight file, in lower-case hexadecimal.
pub const EMBEDDED_SHA256: &str =
    "2b0928371253ca44fe1ba7d2d82c0319e8ce24370e864eda981513c04ca27207";

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
