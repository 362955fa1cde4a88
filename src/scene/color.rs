//! Opaque colours in their text form: `#rrggbb` or `#rgb`.

use std::fmt;
use std::str::FromStr;

/// An opaque sRGB colour, 8 bits per channel, as it is written in an SVG file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rgb {
    /// Red, 0 to 255.
    pub red: u8,
    /// Green, 0 to 255.
    pub green: u8,
    /// Blue, 0 to 255.
    pub blue: u8,
}

/// A text that is not a colour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a colour of the form #rrggbb or #rgb")]
pub struct ColorError(String);

impl Rgb {
    /// White, the paper of CLIPDraw.
    pub const WHITE: Self = Self {
        red: 255,
        green: 255,
        blue: 255,
    };

    /// Black.
    pub const BLACK: Self = Self {
        red: 0,
        green: 0,
        blue: 0,
    };

    /// The three channels as numbers from 0 to 1, without gamma, as the rasterizer blends them.
    pub fn channels(self) -> [f32; 3] {
        [self.red, self.green, self.blue].map(|channel| f32::from(channel) / 255.0)
    }

    /// The nearest 8-bit colour to three channels from 0 to 1.
    pub fn nearest(channels: [f32; 3]) -> Self {
        let [red, green, blue] =
            channels.map(|channel| (channel.clamp(0.0, 1.0) * 255.0).round() as u8);
        Self { red, green, blue }
    }
}

impl fmt::Display for Rgb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "#{:02x}{:02x}{:02x}",
            self.red, self.green, self.blue
        )
    }
}

impl FromStr for Rgb {
    type Err = ColorError;

    fn from_str(text: &str) -> Result<Self, ColorError> {
        let error = || ColorError(text.to_owned());
        let digits = text.strip_prefix('#').ok_or_else(error)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error());
        }
        let number = u32::from_str_radix(digits, 16).map_err(|_| error())?;
        let [_, red, green, blue] = match digits.len() {
            6 => number.to_be_bytes(),
            3 => [0, number >> 8, number >> 4, number].map(|digit| (digit & 0xf) as u8 * 0x11),
            _ => return Err(error()),
        };
        Ok(Self { red, green, blue })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_forms_are_read_and_written_back_long() {
        for (text, written) in [
            ("#ffffff", "#ffffff"),
            ("#0aF", "#00aaff"),
            ("#12Ab9c", "#12ab9c"),
        ] {
            assert_eq!(text.parse::<Rgb>().unwrap().to_string(), written);
        }
    }

    #[test]
    fn a_text_that_is_not_a_color_is_refused_by_name() {
        for text in [
            "", "#", "white", "#12345", "#gggggg", "#+12345", "#é1", "ffffff",
        ] {
            let error = text.parse::<Rgb>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{text}`")), "{error}");
        }
    }

    #[test]
    fn channels_round_to_the_nearest_color() {
        let color = Rgb {
            red: 3,
            green: 128,
            blue: 255,
        };
        assert_eq!(Rgb::nearest(color.channels()), color);
        assert_eq!(Rgb::nearest([-1.0, 2.0, 0.5]).to_string(), "#00ff80");
    }
}
