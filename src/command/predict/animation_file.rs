//! The file of an animation, written frame by frame.

use std::fs::File;
use std::io::{BufWriter, IntoInnerError};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::command::atomic_file::{check_folder, check_writable, is_regular, temporary_beside};
use crate::draw::Frame;
use crate::output::{AnimationEncoder, AnimationOptions, AnimationSize, Document};

/// An animation that is written to a temporary file, which gets its name when it is complete.
pub(super) struct AnimationFile {
    path: PathBuf,
    temporary: PathBuf,
    options: AnimationOptions,
    size: AnimationSize,
    /// `None` before the first frame.
    encoder: Option<Encoder>,
}

type Encoder = AnimationEncoder<BufWriter<File>>;

impl AnimationFile {
    /// The animation at `path`, without frames.
    ///
    /// # Errors
    /// If the file cannot be written, or the pictures would have too many pixels or none.
    pub(super) fn new(
        path: &Path,
        options: AnimationOptions,
        size: AnimationSize,
    ) -> anyhow::Result<Self> {
        let name = path.display();
        check_folder(path)?;
        ensure!(
            is_regular(path),
            "{name}: an animation needs a regular file"
        );
        check_writable(path).with_context(|| format!("{name} cannot be written"))?;
        options.check_size(&size.canvas).context("--png-scale")?;
        Ok(Self {
            path: path.to_owned(),
            temporary: temporary_of(path),
            options,
            size,
            encoder: None,
        })
    }

    fn encoder(&mut self) -> anyhow::Result<Encoder> {
        if let Some(encoder) = self.encoder.take() {
            return Ok(encoder);
        }
        let file = File::create(&self.temporary)?;
        Ok(Encoder::new(
            BufWriter::new(file),
            &self.options,
            &self.size,
        )?)
    }

    /// The file's name in messages.
    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Adds a frame that is not the last one.
    ///
    /// # Errors
    /// If it cannot be encoded or written.
    pub(super) fn add(&mut self, frame: &Frame) -> anyhow::Result<()> {
        let mut encoder = self.encoder()?;
        encoder.add(&frame.strokes)?;
        self.encoder = Some(encoder);
        Ok(())
    }

    /// Adds the last frame and ends the file.
    ///
    /// # Errors
    /// If it cannot be encoded or written.
    pub(super) fn finish(&mut self, document: &Document<'_>) -> anyhow::Result<()> {
        let writer = self.encoder()?.finish(document)?;
        writer.into_inner().map_err(IntoInnerError::into_error)?;
        std::fs::rename(&self.temporary, &self.path)?;
        Ok(())
    }
}

/// The temporary file of an animation. Several are written at once, so it has the name of the animation in its own.
fn temporary_of(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    temporary_beside(path).with_extension(format!("{name}.part"))
}

impl Drop for AnimationFile {
    fn drop(&mut self) {
        // It is gone if the animation is complete.
        let _ = std::fs::remove_file(&self.temporary);
    }
}
