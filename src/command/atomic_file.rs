//! Files that are written as a whole: a reader sees the old one or the new one.

use std::path::{Path, PathBuf};

use anyhow::bail;

/// Whether a path is a regular file or does not exist. Anything else, such as a device or a link, is
/// written to directly.
pub(super) fn is_regular(path: &Path) -> bool {
    std::fs::symlink_metadata(path).map_or(true, |metadata| metadata.is_file())
}

/// The temporary file that is renamed to `path` once it is complete.
pub(super) fn temporary_beside(path: &Path) -> PathBuf {
    path.with_file_name(format!(".clipdraw-{}.part", std::process::id()))
}

/// Checks that the folder of a file exists.
///
/// # Errors
/// If it does not.
pub(super) fn check_folder(path: &Path) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!(
            "{}: there is no folder {}",
            path.display(),
            folder.display()
        );
    }
    Ok(())
}

/// Checks that a file can be written.
///
/// # Errors
/// If it cannot.
pub(super) fn check_writable(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    if !is_regular(path) {
        return Ok(());
    }
    let temporary = temporary_beside(path);
    std::fs::write(&temporary, []).and_then(|()| std::fs::remove_file(&temporary))
}

/// Writes a temporary file first and then renames it, so that no reader ever sees half a drawing.
///
/// # Errors
/// If the system cannot write it.
pub(super) fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if !is_regular(path) {
        return std::fs::write(path, bytes);
    }
    let temporary = temporary_beside(path);
    std::fs::write(&temporary, bytes)
        .and_then(|()| std::fs::rename(&temporary, path))
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&temporary);
        })
}
