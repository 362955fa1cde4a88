//! Tests of the parts of the rasterizer that are not visible from outside.

mod chords;
mod edges;
mod binning;
