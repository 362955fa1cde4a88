//! Errors of preparing a drawing for a plotter.

use crate::import::SvgError;

/// The maximum number of points of all polylines together.
pub(super) const MAX_POINTS: usize = 4_000_000;

/// The maximum number of pens.
pub(super) const MAX_PENS: usize = 32;

/// Why a drawing cannot be prepared for a plotter.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// The file is not an SVG, or it exceeds a limit.
    #[error("the SVG cannot be read")]
    Svg(#[source] SvgError),
    /// The polylines would have too many points.
    #[error("the drawing has more than {MAX_POINTS} points; use a wider pen or no hatching")]
    TooManyPoints,
    /// Nothing in the drawing can be drawn with a pen.
    #[error("the drawing has no visible stroke on the page")]
    Empty,
    /// A text that is not a paper size.
    #[error(
        "`{0}` is not a paper size; allowed are a2 to a6, letter, legal, tabloid, executive, and WIDTHxHEIGHT in millimetres from 10 to 5000, such as 200x300"
    )]
    Paper(String),
    /// The margins leave no room for a drawing.
    #[error(
        "a margin of {margin} mm is not possible on paper of {width} x {height} mm; it must be at least 0, and at least 1 mm has to be left"
    )]
    Margin {
        /// The margin in millimetres.
        margin: f64,
        /// The width of the paper in millimetres.
        width: f64,
        /// The height of the paper in millimetres.
        height: f64,
    },
    /// A text that is not a pen.
    #[error(
        "`{0}` is not a pen; a pen is black, white, gray, red, green, blue, yellow, orange, brown, purple, pink, cyan, a colour of the form #rrggbb, or NAME=#rrggbb, where a name has letters, digits, - and _"
    )]
    Pen(String),
    /// More pens than plotters have.
    #[error("there are {0} pens; 1 to {MAX_PENS} are allowed")]
    PenCount(usize),
    /// A text that is not the name of a plot format.
    #[error("`{0}` is not a format for plotters; allowed are svg, gcode, hpgl")]
    Format(String),
}
