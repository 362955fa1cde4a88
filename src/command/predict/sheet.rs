//! The contact sheet of all finished drawings.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::command::atomic_file::{check_folder, check_writable, write_file};
use crate::output::ContactSheet;
use crate::scene::Canvas;

/// The contact sheet while drawings are added.
pub(super) struct SheetFile {
    path: PathBuf,
    sheet: ContactSheet,
    columns: usize,
    scale: f32,
}

impl SheetFile {
    /// The sheet at `path`, without drawings. Of several prompts, each has a row for its drawings, of which there are
    /// `drawings`; otherwise the sheet is about square.
    ///
    /// # Errors
    /// If the file is not a PNG or cannot be written.
    pub(super) fn new(
        path: &Path,
        canvas: Canvas,
        [prompts, drawings]: [usize; 2],
        scale: f32,
    ) -> anyhow::Result<Self> {
        let name = path.display();
        let is_png = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
        ensure!(is_png, "--sheet {name}: the extension must be .png");
        check_folder(path).context("--sheet")?;
        check_writable(path).with_context(|| format!("--sheet {name} cannot be written"))?;
        let all = prompts * drawings;
        let root = all.isqrt();
        let columns = if prompts > 1 && drawings > 1 {
            drawings
        } else {
            root + usize::from(root * root < all)
        };
        Ok(Self {
            path: path.to_owned(),
            sheet: ContactSheet::new(canvas),
            columns,
            scale,
        })
    }

    /// Adds a drawing, an SVG document.
    pub(super) fn add(&mut self, svg: String) {
        self.sheet.add(svg);
    }

    /// Writes the sheet, if it has any drawing.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn write(&self) -> anyhow::Result<()> {
        if self.sheet.is_empty() {
            return Ok(());
        }
        let name = self.path.display();
        let png = self.sheet.to_png(self.columns, self.scale)?;
        write_file(&self.path, &png).with_context(|| format!("{name} cannot be written"))
    }
}
