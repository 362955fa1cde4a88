//! What the file formats of plotters have in common.

use std::str::FromStr;

use crate::plot::error::PlotError;

/// A file format for plotters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlotFormat {
    /// SVG with the layers of Inkscape, which the software of `AxiDraw` reads.
    Svg,
    /// G-code in millimetres.
    Gcode,
    /// HPGL.
    Hpgl,
}

impl FromStr for PlotFormat {
    type Err = PlotError;

    /// Finds a format by a file extension, ignoring case.
    fn from_str(extension: &str) -> Result<Self, PlotError> {
        match extension.to_ascii_lowercase().as_str() {
            "svg" => Ok(Self::Svg),
            "gcode" | "nc" | "ngc" => Ok(Self::Gcode),
            "hpgl" | "plt" => Ok(Self::Hpgl),
            _ => Err(PlotError::Format(extension.to_owned())),
        }
    }
}

/// How fast a pen moves, in millimetres a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speeds {
    /// With the pen down.
    pub draw: f64,
    /// With the pen lifted.
    pub travel: f64,
}
