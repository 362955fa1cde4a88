//! The pens of a plotter, and which of them draws a colour.

use std::str::FromStr;

use super::error::{MAX_PENS, PlotError};
use crate::scene::Rgb;

/// Colours that pens are named by (CSS Color Module Level 4, named colours).
const COLORS: [(&str, [u8; 3]); 12] = [
    ("black", [0, 0, 0]),
    ("white", [255, 255, 255]),
    ("gray", [128, 128, 128]),
    ("red", [255, 0, 0]),
    ("green", [0, 128, 0]),
    ("blue", [0, 0, 255]),
    ("yellow", [255, 255, 0]),
    ("orange", [255, 165, 0]),
    ("brown", [165, 42, 42]),
    ("purple", [128, 0, 128]),
    ("pink", [255, 192, 203]),
    ("cyan", [0, 255, 255]),
];

/// A pen of a plotter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pen {
    /// Its name: letters, digits, `-` and `_`.
    pub name: String,
    /// The colour of its ink.
    pub color: Rgb,
}

impl FromStr for Pen {
    type Err = PlotError;

    /// Reads `red`, `#c02020` or `brick=#c02020`.
    fn from_str(text: &str) -> Result<Self, PlotError> {
        let text = text.trim();
        let error = || PlotError::Pen(text.to_owned());
        let (name, color) = text.split_once('=').unwrap_or((text, text));
        let known = COLORS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(color));
        let color = match known {
            Some((_, [red, green, blue])) => Rgb {
                red: *red,
                green: *green,
                blue: *blue,
            },
            None => color.parse().map_err(|_| error())?,
        };
        let name = name.strip_prefix('#').unwrap_or(name).to_ascii_lowercase();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(error());
        }
        Ok(Self { name, color })
    }
}

/// The pens of a plotter, in the order in which they draw: 1 to 32.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pens(Vec<Pen>);

impl Pens {
    /// The pens in their order.
    pub fn as_slice(&self) -> &[Pen] {
        &self.0
    }

    /// The index of the pen whose colour looks most like `color`; the first one of equal pens.
    pub(super) fn nearest(&self, color: Rgb) -> usize {
        let wanted = oklab(color);
        let distance = |pen: &Pen| -> f64 {
            let found = oklab(pen.color);
            wanted.iter().zip(found).map(|(a, b)| (a - b).powi(2)).sum()
        };
        let best = (0..self.0.len())
            .min_by(|a, b| distance(&self.0[*a]).total_cmp(&distance(&self.0[*b])));
        best.unwrap_or_default()
    }
}

impl FromStr for Pens {
    type Err = PlotError;

    /// Reads pens that are separated by commas.
    fn from_str(text: &str) -> Result<Self, PlotError> {
        let pens: Vec<Pen> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        if pens.len() > MAX_PENS {
            return Err(PlotError::PenCount(pens.len()));
        }
        Ok(Self(pens))
    }
}

/// A colour in Oklab (Ottosson 2020), in which equal distances look about equally different.
fn oklab(color: Rgb) -> [f64; 3] {
    let [red, green, blue] = color.channels().map(|channel| {
        let channel = f64::from(channel);
        if channel <= 0.04045 {
            channel / 12.92
        } else {
            ((channel + 0.055) / 1.055).powf(2.4)
        }
    });
    let long = (0.412_221_470_8 * red + 0.536_332_536_3 * green + 0.051_445_992_9 * blue).cbrt();
    let medium = (0.211_903_498_2 * red + 0.680_699_545_1 * green + 0.107_396_956_6 * blue).cbrt();
    let short = (0.088_302_461_9 * red + 0.281_718_837_6 * green + 0.629_978_700_5 * blue).cbrt();
    [
        0.210_454_255_3 * long + 0.793_617_785_0 * medium - 0.004_072_046_8 * short,
        1.977_998_495_1 * long - 2.428_592_205_0 * medium + 0.450_593_709_9 * short,
        0.025_904_037_1 * long + 0.782_771_766_2 * medium - 0.808_675_766_0 * short,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pen_is_a_name_a_colour_or_both() {
        let pens: Pens = "black, #C02020,sky=#80c0ff".parse().unwrap();
        let pens = pens.as_slice().iter();
        let shown: Vec<_> = pens
            .map(|pen| format!("{} {}", pen.name, pen.color))
            .collect();
        assert_eq!(shown, ["black #000000", "c02020 #c02020", "sky #80c0ff"]);
        for wrong in ["", "black,", "ink", "a b=#000", "=#000", "x=#00"] {
            assert!(wrong.parse::<Pens>().is_err(), "{wrong}");
        }
        for (name, _) in COLORS {
            assert!(
                PlotError::Pen(String::new()).to_string().contains(name),
                "{name}"
            );
        }
        let many = vec!["black"; MAX_PENS + 1].join(",");
        assert!(matches!(many.parse::<Pens>(), Err(PlotError::PenCount(33))));
    }

    #[test]
    fn a_colour_goes_to_the_pen_that_looks_most_like_it() {
        let pens: Pens = "black,red,blue,yellow".parse().unwrap();
        for (color, expected) in [
            ("#202020", 0),
            ("#c03030", 1),
            ("#3040c0", 2),
            ("#ffe080", 3),
        ] {
            assert_eq!(pens.nearest(color.parse().unwrap()), expected, "{color}");
        }
    }
}
