//! The list of file formats.

use std::fmt;
use std::str::FromStr;

use super::descriptor::{Contents, Format, SizeFactors};
use super::error::EncodeError;
use super::{png, svg};
use crate::scene::Canvas;

/// Makes an enum of the formats, each described by the `FORMAT` of a module.
macro_rules! output_formats {
    ($($(#[doc = $doc:literal])+ $variant:ident = $module:ident,)+) => {
        /// The file format of a finished drawing and of its frames.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum OutputFormat {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl OutputFormat {
            /// Every format.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The file extension of every format, in the same order.
            pub const EXTENSIONS: &'static [&'static str] = &[$($module::FORMAT.extension),+];

            const fn description(self) -> &'static Format {
                match self {
                    $(Self::$variant => &$module::FORMAT,)+
                }
            }
        }
    };
}

output_formats! {
    /// The strokes themselves.
    Svg = svg,
    /// Pixels, as resvg paints the SVG.
    Png = png,
}

/// A text that is not the name of a format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not an output format; allowed are {}", OutputFormat::EXTENSIONS.join(", "))]
pub struct OutputFormatError {
    name: String,
}

impl OutputFormat {
    /// The file extension, without the dot.
    pub const fn extension(self) -> &'static str {
        self.description().extension
    }

    /// The media type, as in `Content-Type` and data URLs.
    pub const fn media_type(self) -> &'static str {
        self.description().media_type
    }

    /// Checks whether a canvas can be written in this format; `scale` is pixels of the file for one
    /// of the canvas, for formats that have pixels.
    ///
    /// # Errors
    /// When the file would have too many pixels, or none.
    pub fn check_size(self, canvas: &Canvas, scale: f32) -> Result<(), EncodeError> {
        (self.description().check_size)(canvas, scale)
    }

    /// Makes a file; `scale` is pixels of the file for one of the canvas, for formats that have
    /// pixels.
    ///
    /// # Errors
    /// When the file would have too many pixels, or none.
    pub fn encode(self, contents: &Contents<'_>, scale: f32) -> Result<Vec<u8>, EncodeError> {
        (self.description().encode)(contents, scale)
    }

    /// Estimates an upper bound of the size of a file at scale 1, in bytes.
    pub fn estimate_bytes(self, factors: &SizeFactors<'_>) -> u64 {
        (self.description().estimate_bytes)(factors)
    }
}

impl fmt::Display for OutputFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.extension())
    }
}

impl FromStr for OutputFormat {
    type Err = OutputFormatError;

    /// Finds a format by its file extension, ignoring case.
    fn from_str(text: &str) -> Result<Self, OutputFormatError> {
        Self::ALL
            .iter()
            .copied()
            .find(|format| format.extension().eq_ignore_ascii_case(text))
            .ok_or_else(|| OutputFormatError {
                name: text.to_owned(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_estimated_from_above_but_not_by_far() {
        // Bytes of files that the embedded model drew in one step with seed 3.
        let cases = [
            (256, 224, OutputFormat::Svg, 44_299),
            (2048, 224, OutputFormat::Svg, 343_210),
            (16, 224, OutputFormat::Svg, 3_820),
            (256, 224, OutputFormat::Png, 62_345),
            (2048, 224, OutputFormat::Png, 154_636),
            (256, 1024, OutputFormat::Png, 357_916),
            (2048, 1024, OutputFormat::Png, 1_819_004),
            (16, 224, OutputFormat::Png, 5_356),
        ];
        for (strokes, side, format, bytes) in cases {
            let canvas = Canvas {
                width: side,
                height: side,
                ..Canvas::default()
            };
            let estimate = format.estimate_bytes(&SizeFactors {
                strokes,
                canvas: &canvas,
                prompt_bytes: "Watercolor painting of an underwater submarine.".len(),
            });
            let good = bytes..bytes * 5 / 2;
            assert!(
                good.contains(&estimate),
                "{strokes} {side} {format}: {estimate}"
            );
        }
    }
}
