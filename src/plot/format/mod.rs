//! The file formats of plotters, one file each.

mod plot_format;
mod svg;
mod gcode;
mod hpgl;

pub use gcode::{GcodeOptions, write_gcode};
pub use hpgl::write_hpgl;
pub use plot_format::{PlotFormat, Speeds};
pub use svg::write_plot_svg;
