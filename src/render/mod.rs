//! From strokes to the views that CLIP sees, and from a gradient on the views back to the strokes.

pub mod view;
pub mod cpu;
