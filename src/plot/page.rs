//! Sheets of paper, in millimetres.

use std::str::FromStr;

use super::error::PlotError;

/// The names of [`SIZES`].
const PAPER_NAMES: [&str; 9] = [
    "a2",
    "a3",
    "a4",
    "a5",
    "a6",
    "letter",
    "legal",
    "tabloid",
    "executive",
];

/// Width and height in portrait, in millimetres (ISO 216 and ANSI/ASME Y14.1).
const SIZES: [[f64; 2]; 9] = [
    [420.0, 594.0],
    [297.0, 420.0],
    [210.0, 297.0],
    [148.0, 210.0],
    [105.0, 148.0],
    [215.9, 279.4],
    [215.9, 355.6],
    [279.4, 431.8],
    [184.15, 266.7],
];

/// The smallest and the largest side of paper, in millimetres.
const SIDES: std::ops::RangeInclusive<f64> = 10.0..=5000.0;

/// The smallest side of the area for the drawing, in millimetres.
const MIN_AREA: f64 = 1.0;

/// The width and the height of paper in millimetres, as `a4` or `200x300`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaperSize(pub [f64; 2]);

impl FromStr for PaperSize {
    type Err = PlotError;

    fn from_str(text: &str) -> Result<Self, PlotError> {
        let named = PAPER_NAMES
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        if let Some(index) = named {
            return Ok(Self(SIZES[index]));
        }
        let side = |text: &str| text.trim().parse().ok().filter(|side| SIDES.contains(side));
        text.split_once(['x', 'X'])
            .and_then(|(width, height)| Some(Self([side(width)?, side(height)?])))
            .ok_or_else(|| PlotError::Paper(text.to_owned()))
    }
}

/// A sheet of paper, and the margin that stays empty on all four sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Page {
    /// The width in millimetres.
    pub width: f64,
    /// The height in millimetres.
    pub height: f64,
    /// The margin in millimetres.
    pub margin: f64,
}

/// Where the canvas of a drawing lies on a page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Placement {
    /// Millimetres for one pixel of the canvas.
    pub(super) scale: f64,
    /// The position of the canvas's top left corner in millimetres.
    pub(super) min: [f64; 2],
    /// The position of the canvas's bottom right corner in millimetres.
    pub(super) max: [f64; 2],
}

impl Page {
    /// A sheet of paper. With `landscape`, the longer side is horizontal.
    ///
    /// # Errors
    /// If the margins are negative or leave no room.
    pub fn new(size: PaperSize, landscape: bool, margin: f64) -> Result<Self, PlotError> {
        let PaperSize([mut width, mut height]) = size;
        if landscape && width < height {
            (width, height) = (height, width);
        }
        if margin >= 0.0 && width.min(height) - 2.0 * margin >= MIN_AREA {
            return Ok(Self {
                width,
                height,
                margin,
            });
        }
        Err(PlotError::Margin {
            margin,
            width,
            height,
        })
    }

    /// Puts a canvas into the middle of the page, as large as the margins allow.
    pub(super) fn place(&self, canvas: [f64; 2]) -> Placement {
        let room = [self.width, self.height].map(|side| side - 2.0 * self.margin);
        let scale = (room[0] / canvas[0]).min(room[1] / canvas[1]);
        let size = canvas.map(|side| side * scale);
        let min = [(self.width - size[0]) / 2.0, (self.height - size[1]) / 2.0];
        Placement {
            scale,
            min,
            max: [min[0] + size[0], min[1] + size[1]],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paper_is_named_or_measured() {
        let size = |text: &str| text.parse::<PaperSize>().map(|size| size.0);
        assert_eq!(size("A4").unwrap(), [210.0, 297.0]);
        assert_eq!(size("letter").unwrap(), [215.9, 279.4]);
        assert_eq!(size("200x300.5").unwrap(), [200.0, 300.5]);
        for wrong in ["", "a9", "0x5", "200", "1e9x20", "NaNx20", "-20x20"] {
            let error = size(wrong).unwrap_err().to_string();
            assert!(error.contains("is not a paper size"), "{error}");
        }
    }

    #[test]
    fn a_canvas_fills_the_space_between_the_margins_without_being_distorted() {
        let page = Page::new(PaperSize([210.0, 297.0]), true, 10.0).unwrap();
        assert_eq!([page.width, page.height], [297.0, 210.0]);
        let placement = page.place([100.0, 100.0]);
        assert_eq!(placement.scale, 1.9);
        assert_eq!(placement.min, [53.5, 10.0]);
        assert_eq!(placement.max, [243.5, 200.0]);
    }

    #[test]
    fn margins_have_to_leave_room() {
        for margin in [-1.0, 105.0, f64::NAN, f64::INFINITY] {
            assert!(Page::new(PaperSize([210.0, 297.0]), false, margin).is_err());
        }
    }
}
