//! Where drawings are written.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::output::OutputFormat;

/// The place and the format of the finished drawing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    place: Place,
    /// The format, decided by the file's ending.
    pub format: OutputFormat,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    File(PathBuf),
    StandardOutput,
}

impl Output {
    /// Decides place and format; `wanted` is the format of the inputs, which counts when no file
    /// name says otherwise.
    ///
    /// # Errors
    /// When the file's ending is neither svg nor png, or its folder does not exist.
    pub fn new(path: Option<&Path>, wanted: OutputFormat) -> anyhow::Result<Self> {
        let Some(path) = path else {
            let place = Place::File(PathBuf::from("drawing").with_extension(wanted.extension()));
            return Ok(Self {
                place,
                format: wanted,
            });
        };
        if path == Path::new("-") {
            return Ok(Self {
                place: Place::StandardOutput,
                format: wanted,
            });
        }
        let ending = path
            .extension()
            .and_then(std::ffi::OsStr::to_str)
            .unwrap_or_default();
        let format = ending
            .parse()
            .with_context(|| format!("--output {}", path.display()))?;
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
        // Better now than after minutes of drawing.
        can_write(path)
            .with_context(|| format!("--output {} cannot be written", path.display()))?;
        Ok(Self {
            place: Place::File(path.to_owned()),
            format,
        })
    }

    /// How the place is called in messages.
    pub fn name(&self) -> String {
        match &self.place {
            Place::File(path) => path.display().to_string(),
            Place::StandardOutput => "standard output".to_owned(),
        }
    }

    /// Writes the whole drawing.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, bytes: &[u8]) -> anyhow::Result<()> {
        match &self.place {
            Place::File(path) => write_file(path, bytes),
            Place::StandardOutput => std::io::stdout().write_all(bytes),
        }
        .with_context(|| format!("{} cannot be written", self.name()))
    }
}

/// The folder of the intermediate frames.
#[derive(Debug)]
pub struct FrameFolder {
    folder: PathBuf,
    digits: usize,
}

/// Digits of a step in a frame's name, unless there are more steps, so that names sort.
const STEP_DIGITS: usize = 5;

impl FrameFolder {
    /// Makes the folder for the frames of a drawing of `steps` steps.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(folder: &Path, steps: usize) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("--frames {} cannot be made", folder.display()))?;
        Ok(Self {
            folder: folder.to_owned(),
            digits: steps.to_string().len().max(STEP_DIGITS),
        })
    }

    /// Writes the frame of a step as `frame-00010.svg`.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn write(&self, step: usize, format: OutputFormat, bytes: &[u8]) -> anyhow::Result<()> {
        let name = format!("frame-{step:0digits$}.{format}", digits = self.digits);
        let path = self.folder.join(name);
        write_file(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))
    }
}

/// Whether a path is a plain file or could become one; a device or a link is written to directly.
fn is_plain(path: &Path) -> bool {
    std::fs::symlink_metadata(path).map_or(true, |metadata| metadata.is_file())
}

/// The file that a drawing is written to before it takes the place of `path`.
fn part_beside(path: &Path) -> PathBuf {
    path.with_file_name(format!(".clipdraw-{}.part", std::process::id()))
}

fn can_write(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    if !is_plain(path) {
        return Ok(());
    }
    let part = part_beside(path);
    std::fs::write(&part, []).and_then(|()| std::fs::remove_file(&part))
}

/// Writes beside the file first and then renames, so that no reader ever sees half a drawing.
fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if !is_plain(path) {
        return std::fs::write(path, bytes);
    }
    let part = part_beside(path);
    std::fs::write(&part, bytes)
        .and_then(|()| std::fs::rename(&part, path))
        .inspect_err(|_| {
            let _ = std::fs::remove_file(&part);
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_decides_the_format_and_wins_over_the_input() {
        let format = |path: Option<&str>, wanted| {
            Output::new(path.map(Path::new), wanted).map(|output| (output.name(), output.format))
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
    fn frames_sort_by_name_and_nothing_else_is_left_behind() {
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
