//! Drawings for pen plotters: any SVG becomes polylines in millimetres on a sheet of paper, one layer a pen, in an
//! order with little travel, as SVG, G-code or HPGL.

mod error;
mod page;
mod pen;
mod polyline;
mod svg_reader;
mod hatch;
mod order;
mod plan;
#[cfg(test)]
mod test_plot;
mod format;

pub use error::PlotError;
pub use format::{GcodeOptions, PlotFormat, Speeds, write_gcode, write_hpgl, write_plot_svg};
pub use page::{Page, PaperSize};
pub use pen::{Pen, Pens};
pub use plan::{Layer, Opacity, Plot, PlotOptions, Report};
pub use polyline::Polyline;
