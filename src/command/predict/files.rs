//! The files that a drawing and its frames are written to.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::output::OutputFormat;

/// The file that the finished drawing is written to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DrawingFile {
    /// `None` for standard output.
    path: Option<PathBuf>,
    /// The format, selected by the file's extension.
    pub(super) format: OutputFormat,
}

impl DrawingFile {
    /// The file at `path`, in the format of its extension. `wanted` is the format that the inputs
    /// request. It is used where there is no extension: for standard output (`-`) and for the default
    /// file.
    ///
    /// # Errors
    /// If the file's extension is neither svg nor png, or the file cannot be written.
    pub(super) fn new(path: Option<&Path>, wanted: OutputFormat) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self {
                path: Some(Path::new("drawing").with_extension(wanted.extension())),
                format: wanted,
            });
        };
        if path == Path::new("-") {
            return Ok(Self {
                path: None,
                format: wanted,
            });
        }
        let extension = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        let format = extension
            .parse()
            .with_context(|| format!("--output {}", path.display()))?;
        // It is better to fail now than after minutes of drawing.
        check_folder(path)?;
        check_writable(path)
            .with_context(|| format!("--output {} cannot be written", path.display()))?;
        Ok(Self {
            path: Some(path.to_owned()),
            format,
        })
    }

    /// The file's name in messages.
    pub(super) fn name(&self) -> String {
        match &self.path {
            Some(path) => path.display().to_string(),
            None => "standard output".to_owned(),
        }
    }

    /// Writes the whole drawing.
    ///
    /// # Errors
    /// If the system cannot write it.
    pub(super) fn write(&self, bytes: &[u8]) -> anyhow::Result<()> {
        match &self.path {
            Some(path) => write_file(path, bytes),
            None => std::io::stdout().write_all(bytes),
        }
        .with_context(|| format!("{} cannot be written", self.name()))
    }
}

/// The folder of the intermediate frames.
#[derive(Debug)]
pub(super) struct FrameFolder {
    folder: PathBuf,
    digits: usize,
}

/// The minimum number of digits of the step in a frame's name. All names of a drawing have the same
/// number of digits, so that they sort.
const STEP_DIGITS: usize = 5;

impl FrameFolder {
    /// Creates the folder for the frames of a drawing of `steps` steps.
    ///
    /// # Errors
    /// If it cannot be created.
    pub(super) fn new(folder: &Path, steps: usize) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("--frames {} cannot be created", folder.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            digits: steps.to_string().len().max(STEP_DIGITS),
        })
    }

    /// Writes the frame of a step as `frame-00010.svg`.
    ///
    /// # Errors
    /// If the system cannot write it.
    pub(super) fn write(
        &self,
        step: usize,
        format: OutputFormat,
        bytes: &[u8],
    ) -> anyhow::Result<()> {
        let name = format!("frame-{step:0digits$}.{format}", digits = self.digits);
        let path = self.folder.join(name);
        write_file(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))
    }
}

/// Whether a path is a regular file or does not exist. Anything else, such as a device or a link, is
/// written to directly.
fn is_regular(path: &Path) -> bool {
    std::fs::symlink_metadata(path).map_or(true, |metadata| metadata.is_file())
}

/// The temporary file that is renamed to `path` once it is complete.
fn temporary_beside(path: &Path) -> PathBuf {
    path.with_file_name(format!(".clipdraw-{}.part", std::process::id()))
}

fn check_folder(path: &Path) -> anyhow::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        bail!(
            "--output {}: there is no folder {}",
            path.display(),
            folder.display()
        );
    }
    Ok(())
}

fn check_writable(path: &Path) -> std::io::Result<()> {
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
pub(in crate::command) fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_selects_the_format_and_overrides_the_input() {
        let format = |path: Option<&str>, wanted| {
            DrawingFile::new(path.map(Path::new), wanted).map(|file| (file.name(), file.format))
        };
        assert_eq!(
            format(Some("a.PNG"), OutputFormat::Svg).unwrap(),
            ("a.PNG".to_owned(), OutputFormat::Png)
        );
        assert_eq!(
            format(None, OutputFormat::Png).unwrap(),
            ("drawing.png".to_owned(), OutputFormat::Png)
        );
        assert_eq!(
            format(Some("-"), OutputFormat::Svg).unwrap().0,
            "standard output"
        );
        for (path, expected) in [
            ("a.gif", "`gif` is not an output format"),
            ("a", "`` is not"),
            ("/no/such/a.svg", "there is no folder /no/such"),
        ] {
            let error = format!("{:#}", format(Some(path), OutputFormat::Svg).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn frames_sort_by_name_and_no_temporary_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let frames = FrameFolder::new(&folder.path().join("a/b"), 600).unwrap();
        for step in [0, 10, 600] {
            frames.write(step, OutputFormat::Svg, b"<svg/>").unwrap();
        }
        let mut names: Vec<_> = std::fs::read_dir(folder.path().join("a/b"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["frame-00000.svg", "frame-00010.svg", "frame-00600.svg"]
        );
    }
}
