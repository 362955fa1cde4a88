//! Facts about the parts of the rasterizer that cannot be seen from outside.

mod chords;
mod edges;
mod binning;
