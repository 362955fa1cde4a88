//! Reads the operands of instructions from the bytes of a pickle.

use super::value::PickleError;

/// The bytes of a pickle that have not been read yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operands<'bytes>(pub(super) &'bytes [u8]);

impl<'bytes> Operands<'bytes> {
    pub(super) fn take(&mut self, count: usize) -> Result<&'bytes [u8], PickleError> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(PickleError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8, PickleError> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn skip(&mut self, count: usize) -> Result<(), PickleError> {
        self.take(count).map(drop)
    }

    /// A length of `width` bytes, and as many bytes as it says.
    pub(super) fn counted(&mut self, width: usize) -> Result<&'bytes [u8], PickleError> {
        let length = unsigned(self.take(width)?);
        self.take(usize::try_from(length).map_err(|_| PickleError::Truncated)?)
    }

    pub(super) fn line(&mut self) -> Result<String, PickleError> {
        let end = self
            .0
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or(PickleError::Truncated)?;
        let line = text(self.take(end)?);
        self.skip(1)?;
        Ok(line)
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Little-endian, at most eight bytes of it.
pub(super) fn unsigned(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .take(8)
        .rev()
        .fold(0, |value, &byte| value << 8 | u64::from(byte))
}

/// Little-endian in two's complement, at most eight bytes of it.
pub(super) fn signed(bytes: &[u8]) -> i64 {
    let missing = 64 - 8 * bytes.len().min(8) as u32;
    let shifted = unsigned(bytes).checked_shl(missing).unwrap_or(0) as i64;
    shifted.checked_shr(missing).unwrap_or(0)
}
