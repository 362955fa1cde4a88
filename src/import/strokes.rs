//! Files with strokes: SVG, and the JSON of clipdraw-interactive.

use resvg::usvg::roxmltree::Document;
use serde_json::{Map, Value};

use super::changes::Changes;
use super::document;
use super::own;
use super::shapes;
use super::starting_paths::{self, StartingPathsError};
use super::style;
use super::svg_error::SvgError;
use super::vector_effect;
use crate::scene::{Canvas, Rgb, Strokes};

/// The maximum number of strokes in a file.
pub const MAX_STROKES: usize = 2048;

/// The strokes in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportedStrokes {
    /// In painter's order, in units of `size`; at least one.
    pub strokes: Strokes,
    /// The width and height of what they are drawn on.
    pub size: [f32; 2],
    /// The color of the rectangle behind everything, if there is one; `None` for an unchanged file of this program.
    pub paper: Option<Rgb>,
    /// The inputs of the drawing by name, if the file is one of this program. They are not checked.
    pub inputs: Map<String, Value>,
    /// What became something else or was left out, in lines.
    pub notes: Vec<String>,
}

/// Why strokes cannot be read from a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StrokesError {
    /// It is not a text.
    #[error("it is neither an SVG nor a list of starting paths")]
    UnknownFormat,
    /// The SVG cannot be used.
    #[error(transparent)]
    Svg(#[from] SvgError),
    /// The JSON cannot be used.
    #[error(transparent)]
    StartingPaths(#[from] StartingPathsError),
    /// There are no strokes.
    #[error("it has no strokes{}", found(notes))]
    NoStrokes {
        /// What there was instead, in lines.
        notes: Vec<String>,
    },
    /// There are too many strokes.
    #[error("it has {count} strokes; at most {MAX_STROKES} are allowed")]
    TooManyStrokes {
        /// How many there are.
        count: usize,
    },
}

/// Reads the strokes in a file: an SVG, or the `starting_paths` of clipdraw-interactive. An SVG of this program is read
/// exactly as it is written.
///
/// # Errors
/// When it is no such file, has no strokes or too many, or would need too much memory or time.
pub fn read_strokes(bytes: &[u8]) -> Result<ImportedStrokes, StrokesError> {
    let text = document::text_of(bytes).map_err(|error| match error {
        // Bytes that are no text are no file that somebody could have meant.
        SvgError::NoText => StrokesError::UnknownFormat,
        other => other.into(),
    })?;
    if text.trim_start().starts_with('[') {
        let (size, strokes) = starting_paths::read(&text)?;
        let count = strokes.len();
        return imported(strokes, count, size, Vec::new());
    }
    let document = document::parse(&text)?;
    let inputs = own::inputs(&document);
    if inputs.is_some()
        && let Some((size, strokes)) = own::read(&document)
    {
        let count = strokes.len();
        return Ok(ImportedStrokes {
            inputs: inputs.unwrap_or_default(),
            ..imported(strokes, count, size, Vec::new())?
        });
    }
    let resolved = style::resolved(&document);
    let marked = vector_effect::marked(resolved.as_deref().unwrap_or(&text)).or(resolved);
    let imported = match &marked {
        Some(text) => of_shapes(&document::parse(text)?),
        None => of_shapes(&document),
    }?;
    Ok(ImportedStrokes {
        inputs: inputs.unwrap_or_default(),
        ..imported
    })
}

/// The shapes of any SVG.
fn of_shapes(document: &Document<'_>) -> Result<ImportedStrokes, StrokesError> {
    let tree = document::build_with_style(document, Some(vector_effect::style_sheet()))?;
    let found = shapes::read(&tree, Changes::left_out(document), MAX_STROKES);
    let size = [tree.size().width(), tree.size().height()];
    Ok(ImportedStrokes {
        paper: found.paper,
        ..imported(found.strokes, found.count, size, found.changes.notes())?
    })
}

/// The end of a message about a file without strokes.
fn found(notes: &[String]) -> String {
    if notes.is_empty() {
        String::new()
    } else {
        format!("; {}", notes.join("; "))
    }
}

fn imported(
    strokes: Strokes,
    count: usize,
    size: [f32; 2],
    notes: Vec<String>,
) -> Result<ImportedStrokes, StrokesError> {
    if count == 0 {
        return Err(StrokesError::NoStrokes { notes });
    }
    if count > MAX_STROKES {
        return Err(StrokesError::TooManyStrokes { count });
    }
    Ok(ImportedStrokes {
        strokes,
        size,
        paper: None,
        inputs: Map::new(),
        notes,
    })
}

impl ImportedStrokes {
    /// Canvas pixels for one unit of the file, so that all of it fits on the canvas.
    pub fn scale_on(&self, canvas: &Canvas) -> f32 {
        let [width, height] = self.size;
        (canvas.width as f32 / width).min(canvas.height as f32 / height)
    }

    /// The strokes on a canvas: as large as possible, and in the middle.
    pub fn on_canvas(&self, canvas: &Canvas) -> Strokes {
        let scale = self.scale_on(canvas);
        let sides = [canvas.width as f32, canvas.height as f32];
        let mut strokes = self.strokes.clone();
        // The same size is kept exactly, whatever the rounding of the arithmetic below.
        if sides == self.size {
            return strokes;
        }
        let offset = [0, 1].map(|axis| 0.5 * (sides[axis] - scale * self.size[axis]));
        for point in &mut strokes.points {
            *point = [0, 1].map(|axis| scale * point[axis] + offset[axis]);
        }
        for half_width in &mut strokes.half_widths {
            *half_width *= scale;
        }
        strokes
    }
}
