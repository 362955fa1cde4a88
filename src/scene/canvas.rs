//! The canvas that strokes are drawn on.

use super::Rgb;

/// The side of CLIPDraw's canvas in pixels. Lengths given for it are scaled for other canvases, so
/// that a larger canvas shows the same drawing at a larger size.
pub const REFERENCE_SIDE: f32 = 224.0;

/// The canvas that strokes are drawn on: its size in pixels and its background.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Canvas {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// The colour under the strokes.
    pub background: Rgb,
    /// Whether the background is missing in files. It still is under the strokes while they are optimized.
    pub is_transparent: bool,
}

impl Canvas {
    /// A canvas of a width and a height, whose background is part of files.
    pub fn new([width, height]: [u32; 2], background: Rgb) -> Self {
        Self {
            width,
            height,
            background,
            is_transparent: false,
        }
    }

    /// Canvas pixels for one pixel of the 224 x 224 canvas that defaults are written for:
    /// the shorter side over 224.
    pub fn scale(&self) -> f32 {
        self.width.min(self.height) as f32 / REFERENCE_SIDE
    }

    /// The number of pixels of one channel, `H * W`.
    pub fn area(&self) -> usize {
        self.width as usize * self.height as usize
    }
}

impl Default for Canvas {
    fn default() -> Self {
        Self {
            width: 224,
            height: 224,
            background: Rgb::WHITE,
            is_transparent: false,
        }
    }
}
