//! What an animation shows, and in which file format.

use crate::output::format::{EncodeError, OutputFormat, SizeFactors, png_size};
use crate::scene::Canvas;

/// How long a frame is shown, in milliseconds.
pub(super) const FRAME_MILLISECONDS: u16 = 50;

/// How long the finished drawing is shown before the animation begins again, in milliseconds.
pub(super) const LAST_MILLISECONDS: u16 = 2_000;

/// The maximum number of frames.
const MAX_FRAMES: usize = 600;

/// The maximum number of strokes of all frames of an animated SVG. Each takes about 150 bytes.
const MAX_SVG_STROKES: usize = 40_000;

/// When a file of pictures has this size in bytes, no frame is added except the last one.
pub(super) const MAX_BYTES: u64 = 128 << 20;

/// The file format of an animation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnimationFormat {
    /// SVG that moves without a script (SMIL).
    Svg,
    /// GIF, at most 256 colours a frame.
    Gif,
    /// Animated WebP, without loss.
    Webp,
}

impl AnimationFormat {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Svg, Self::Gif, Self::Webp];

    /// The file extension, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Gif => "gif",
            Self::Webp => "webp",
        }
    }

    /// The media type, as in `Content-Type` and data URLs.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Svg => "image/svg+xml",
            Self::Gif => "image/gif",
            Self::Webp => "image/webp",
        }
    }

    /// The format with a file extension, ignoring case.
    pub fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|format| format.extension().eq_ignore_ascii_case(extension))
    }
}

/// What an animation shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnimationStyle {
    /// All frames of the drawing.
    Timelapse,
    /// The finished drawing, stroke by stroke.
    Strokes,
}

/// How an animation is made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnimationOptions {
    /// The file format.
    pub format: AnimationFormat,
    /// What it shows.
    pub style: AnimationStyle,
    /// Pixels of the file for one of the canvas, for formats that have pixels.
    pub scale: f32,
}

/// What the size of an animation depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnimationSize {
    /// What is drawn on.
    pub canvas: Canvas,
    /// The number of strokes.
    pub strokes: usize,
    /// The number of frames of the drawing, the first and the last one included.
    pub frames: usize,
}

impl AnimationOptions {
    /// Checks whether a canvas can be written with these options.
    ///
    /// # Errors
    /// When the pictures would have too many pixels, or none.
    pub fn check_size(self, canvas: &Canvas) -> Result<(), EncodeError> {
        match self.format {
            AnimationFormat::Svg => Ok(()),
            AnimationFormat::Gif | AnimationFormat::Webp => self.picture_size(canvas).map(|_| ()),
        }
    }

    /// The size of the pictures in pixels.
    pub(super) fn picture_size(self, canvas: &Canvas) -> Result<[u32; 2], EncodeError> {
        png_size([canvas.width as f32, canvas.height as f32], self.scale)
    }

    /// Every how many frames of the drawing, or strokes, there is a frame of the animation.
    pub(super) fn stride(self, size: &AnimationSize) -> usize {
        let (available, limit) = match (self.style, self.format) {
            (AnimationStyle::Timelapse, AnimationFormat::Svg) => {
                let limit = MAX_SVG_STROKES / size.strokes.max(1);
                (size.frames, limit.clamp(2, MAX_FRAMES))
            }
            (AnimationStyle::Timelapse, _) => (size.frames, MAX_FRAMES),
            // Strokes that appear take little room in an SVG.
            (AnimationStyle::Strokes, AnimationFormat::Svg) => return 1,
            (AnimationStyle::Strokes, _) => (size.strokes, MAX_FRAMES),
        };
        available.div_ceil(limit).max(1)
    }

    /// Estimates an upper bound of the size of the file at scale 1, in bytes.
    pub fn estimate_bytes(self, size: &AnimationSize, prompt_bytes: usize) -> u64 {
        let available = match (self.style, self.format) {
            (AnimationStyle::Timelapse, _) => size.frames,
            // The strokes, and when each of them appears.
            (AnimationStyle::Strokes, AnimationFormat::Svg) => 2,
            (AnimationStyle::Strokes, _) => size.strokes,
        };
        let frames = available.div_ceil(self.stride(size)) + 2;
        let format = match self.format {
            AnimationFormat::Svg => OutputFormat::Svg,
            AnimationFormat::Gif | AnimationFormat::Webp => OutputFormat::Png,
        };
        let frame = format.estimate_bytes(&SizeFactors {
            strokes: size.strokes,
            canvas: &size.canvas,
            prompt_bytes,
        });
        (frames as u64 * frame).min(MAX_BYTES + 2 * frame)
    }
}
