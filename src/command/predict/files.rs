//! The files that a drawing and its frames are written to.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};

use crate::command::atomic_file::{check_folder, check_writable, write_file};
use crate::command::standard_output::standard_output;
use crate::output::{AnimationFormat, OutputFormat};

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
        let Ok(format) = extension.parse() else {
            bail!("--output {}: {}", path.display(), refusal_of(extension));
        };
        // It is better to fail now than after minutes of drawing.
        check_folder(path).context("--output")?;
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
        if let Some(path) = &self.path {
            write_file(path, bytes)
        } else {
            let mut out = standard_output();
            out.write_all(bytes).and_then(|()| out.flush())
        }
        .with_context(|| format!("{} cannot be written", self.name()))
    }
}

/// Why a file with this extension cannot be written.
fn refusal_of(extension: &str) -> String {
    // `Outputs` writes an animation where the extension is that of one.
    let animations = [AnimationFormat::Gif, AnimationFormat::Webp].map(AnimationFormat::extension);
    let allowed = [OutputFormat::EXTENSIONS, &animations].concat().join(", ");
    if extension.is_empty() {
        format!("the name has no extension, which selects the format; allowed are {allowed}")
    } else {
        format!("`{extension}` is not an output format; allowed are {allowed}")
    }
}

/// The folder of the frames.
#[derive(Debug)]
pub(super) struct FrameFolder {
    folder: PathBuf,
    /// The frames of another drawing, which may be deleted.
    earlier: Vec<PathBuf>,
    /// How many frames it has.
    frames: Cell<usize>,
}

/// The number of digits of a frame's number. A drawing has at most 10,001 frames, so all names sort.
const DIGITS: usize = 5;

impl FrameFolder {
    /// The folder, which need not exist yet. Frames of another drawing in it are an error, or may be deleted with `overwrite`.
    /// Nothing is created or deleted yet.
    ///
    /// # Errors
    /// If it cannot be read or written, or has frames that may not be deleted.
    pub(super) fn new(folder: &Path, overwrite: bool) -> anyhow::Result<Self> {
        let name = folder.display();
        // A folder that does not exist is created in the next one above it.
        let existing = folder.ancestors().find(|folder| folder.exists());
        let existing = existing.unwrap_or(Path::new("."));
        ensure!(
            existing.is_dir(),
            "--frames {name}: {} is not a folder",
            existing.display()
        );
        check_writable(&existing.join("frame-00000.svg"))
            .with_context(|| format!("--frames {name} cannot be written"))?;
        let earlier = if existing == folder {
            earlier_frames(folder).with_context(|| format!("--frames {name}"))?
        } else {
            Vec::new()
        };
        if !overwrite && let Some(frame) = earlier.first() {
            bail!(
                "--frames {name} has frames of another drawing, such as {}; --overwrite deletes them",
                frame.display()
            );
        }
        Ok(Self {
            folder: folder.to_owned(),
            earlier,
            frames: Cell::new(0),
        })
    }

    /// Creates the folder, and deletes the frames of another drawing.
    ///
    /// # Errors
    /// If the system cannot do it.
    pub(super) fn clear(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("--frames {} cannot be created", self.folder.display()))?;
        for frame in &self.earlier {
            std::fs::remove_file(frame)
                .with_context(|| format!("{} cannot be deleted", frame.display()))?;
        }
        Ok(())
    }

    /// Writes the next frame as `frame-00000.svg`, `frame-00001.svg` and so on.
    ///
    /// # Errors
    /// If the system cannot write it.
    pub(super) fn write(&self, format: OutputFormat, bytes: &[u8]) -> anyhow::Result<()> {
        let number = self.frames.replace(self.frames.get() + 1);
        let name = format!("frame-{number:0DIGITS$}.{format}");
        let path = self.folder.join(name);
        write_file(&path, bytes).with_context(|| format!("{} cannot be written", path.display()))
    }
}

/// The files in a folder whose names are those of frames, in the order of their names.
fn earlier_frames(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut frames = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path
            .file_name()
            .and_then(OsStr::to_str)
            .is_some_and(is_frame)
        {
            frames.push(path);
        }
    }
    frames.sort();
    Ok(frames)
}

fn is_frame(name: &str) -> bool {
    let number = name
        .strip_prefix("frame-")
        .and_then(|rest| rest.split_once('.'));
    number.is_some_and(|(number, extension)| {
        number.len() >= DIGITS
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && OutputFormat::EXTENSIONS.contains(&extension)
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
            (
                "a.bmp",
                "`bmp` is not an output format; allowed are svg, png, gif, webp",
            ),
            ("a", "the name has no extension"),
            ("/no/such/a.svg", "there is no folder /no/such"),
        ] {
            let error = format!("{:#}", format(Some(path), OutputFormat::Svg).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn frames_of_another_drawing_are_deleted_only_with_permission() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "frame-00003.svg",
            "frame-000010.png",
            "frame-1.svg",
            "notes.txt",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let error = FrameFolder::new(folder.path(), false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("--overwrite deletes them"), "{error}");
        let names = || {
            let entries = std::fs::read_dir(folder.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let frames = FrameFolder::new(folder.path(), true).unwrap();
        assert_eq!(names().len(), 4);
        frames.clear().unwrap();
        assert_eq!(names(), ["frame-1.svg", "notes.txt"]);
    }

    #[test]
    fn a_file_is_no_folder_for_frames() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("a")] {
            let error = FrameFolder::new(&path, true).unwrap_err().to_string();
            assert!(error.ends_with("file is not a folder"), "{error}");
        }
    }

    #[test]
    fn frames_are_numbered_without_gaps_and_no_temporary_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let frames = FrameFolder::new(&folder.path().join("a/b"), false).unwrap();
        assert!(!folder.path().join("a").exists());
        frames.clear().unwrap();
        for _ in 0..3 {
            frames.write(OutputFormat::Svg, b"<svg/>").unwrap();
        }
        let mut names: Vec<_> = std::fs::read_dir(folder.path().join("a/b"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["frame-00000.svg", "frame-00001.svg", "frame-00002.svg"]
        );
    }
}
