//! A contact sheet: finished drawings side by side in one picture.

use resvg::tiny_skia::{Color, PixmapPaint, Transform};

use super::format::{EncodeError, encode_pixels, paint_over, png_size, transparent_pixels};
use crate::scene::Canvas;

/// The space around each drawing, in pixels of its canvas.
const GAP: f32 = 8.0;

/// The maximum side of a sheet in pixels. Drawings are reduced if they need more.
const MAX_SIDE: f32 = 8192.0;

/// A sheet with drawings of the same size, row by row.
#[derive(Debug)]
pub struct ContactSheet {
    canvas: Canvas,
    /// SVG documents.
    drawings: Vec<String>,
}

impl ContactSheet {
    /// A sheet for drawings on this canvas, without any.
    pub fn new(canvas: Canvas) -> Self {
        Self {
            canvas,
            drawings: Vec::new(),
        }
    }

    /// Adds a drawing, an SVG document.
    pub fn add(&mut self, svg: String) {
        self.drawings.push(svg);
    }

    /// Whether it has no drawings.
    pub fn is_empty(&self) -> bool {
        self.drawings.is_empty()
    }

    /// The sheet as a PNG with this many drawings in a row, `scale` pixels for one of the canvas. If a side would be too
    /// long, there are fewer pixels.
    ///
    /// # Errors
    /// When a drawing is not an SVG, or would have no pixels.
    pub fn to_png(&self, columns: usize, scale: f32) -> Result<Vec<u8>, EncodeError> {
        let columns = columns.clamp(1, self.drawings.len().max(1));
        let rows = self.drawings.len().div_ceil(columns).max(1);
        let [width, height] = [self.canvas.width as f32, self.canvas.height as f32];
        let full = [(width, columns), (height, rows)];
        let full = full.map(|(side, count)| (side + GAP) * count as f32 + GAP);
        let scale = scale.min(MAX_SIDE / full[0].max(full[1]));
        let cell = png_size([width, height], scale)?;
        let gap = (GAP * scale).round() as u32;
        let side = |cell: u32, count: usize| (cell + gap) * count as u32 + gap;
        let mut sheet = transparent_pixels([side(cell[0], columns), side(cell[1], rows)])?;
        sheet.fill(Color::WHITE);
        for (index, svg) in self.drawings.iter().enumerate() {
            let mut picture = transparent_pixels(cell)?;
            paint_over(svg, &mut picture)?;
            let place = [index % columns, index / columns].map(|place| place as u32);
            let [left, top] = [0, 1].map(|axis| (gap + place[axis] * (cell[axis] + gap)) as i32);
            sheet.draw_pixmap(
                left,
                top,
                picture.as_ref(),
                &PixmapPaint::default(),
                Transform::identity(),
                None,
            );
        }
        encode_pixels(&sheet)
    }
}

#[cfg(test)]
mod tests {
    use resvg::tiny_skia::Pixmap;

    use super::*;

    fn sheet(colors: &[&str]) -> ContactSheet {
        let mut sheet = ContactSheet::new(Canvas {
            width: 16,
            height: 8,
            ..Canvas::default()
        });
        for color in colors {
            sheet.add(format!(
                r#"<svg xmlns="http://www.w3.org/2000/svg" width="16" height="8"><rect width="16" height="8" fill="{color}"/></svg>"#
            ));
        }
        sheet
    }

    #[test]
    fn drawings_are_side_by_side_row_by_row_with_white_around_them() {
        let png = sheet(&["red", "lime", "blue"]).to_png(2, 2.0).unwrap();
        let picture = Pixmap::decode_png(&png).unwrap();
        assert_eq!(
            (picture.width(), picture.height()),
            (2 * 48 + 16, 2 * 32 + 16)
        );
        let at = |x, y| {
            let color = picture.pixel(x, y).unwrap();
            [color.red(), color.green(), color.blue()]
        };
        assert_eq!(at(17, 17), [255, 0, 0]);
        assert_eq!(at(80, 20), [0, 255, 0]);
        assert_eq!(at(17, 60), [0, 0, 255]);
        assert_eq!(at(80, 60), [255; 3]);
        assert_eq!(at(50, 20), [255; 3]);
    }

    #[test]
    fn a_sheet_that_would_be_too_large_is_reduced() {
        let png = sheet(&["red"; 9]).to_png(3, 1000.0).unwrap();
        let picture = Pixmap::decode_png(&png).unwrap();
        assert!(
            (8000..=8200).contains(&picture.width()),
            "{}",
            picture.width()
        );
        assert!(sheet(&["red"]).to_png(1, 0.0).is_err());
    }
}
