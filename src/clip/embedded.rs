//! The model that is part of the program.

use sha2::{Digest, Sha256};

/// The weight file, in the safetensors format; `weights/README.md` tells its story.
pub(crate) const BYTES: &[u8] = include_bytes!("../../weights/compact-v1.safetensors");

/// Stands for a path in errors and reports.
pub(crate) const NAME: &str = "compact-v1.safetensors (embedded)";

/// SHA-256 of the embedded weight file, in lower-case hexadecimal.
pub const EMBEDDED_SHA256: &str =
    "df417f99c3e152c8323ac99a4b42dd903c3685ca44d21966c2208eab40096dc0";

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
