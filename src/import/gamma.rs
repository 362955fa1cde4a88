//! The gamma of PNG files. The decoder passes it over.

use image::RgbaImage;

/// The gamma of pictures that state none.
const USUAL: f64 = 0.454_55;

/// How far a gamma may be from the usual one, as a part of it, without a change: it is rounded in many ways.
const ROUNDING: f64 = 0.05;

/// The length of the signature at the start of a file.
const SIGNATURE: usize = 8;

/// Changes the colors of a picture from a PNG with another gamma to those that a browser shows.
pub(super) fn apply(file: &[u8], pixels: &mut RgbaImage) {
    let Some(gamma) = stated(file) else {
        return;
    };
    if gamma <= 0.0 || (gamma / USUAL - 1.0).abs() < ROUNDING {
        return;
    }
    let usual = |value: u8| (f64::from(value) / 255.0).powf(USUAL / gamma);
    let table: Vec<u8> = (0..=u8::MAX)
        .map(|value| (255.0 * usual(value)).round() as u8)
        .collect();
    for pixel in pixels.pixels_mut() {
        for value in &mut pixel.0[..3] {
            *value = table[usize::from(*value)];
        }
    }
}

/// The gamma in the chunk gAMA of a PNG (Portable Network Graphics, third edition, 11.3.2.2). Chunks that describe the colors
/// in another way go before it.
fn stated(file: &[u8]) -> Option<f64> {
    let mut rest = file.get(SIGNATURE..)?;
    let mut gamma = None;
    loop {
        let (length, after) = rest.split_first_chunk()?;
        let (kind, data) = after.split_first_chunk::<4>()?;
        match kind {
            b"gAMA" => gamma = data.first_chunk().map(|scaled| u32::from_be_bytes(*scaled)),
            b"sRGB" | b"iCCP" | b"cICP" => return None,
            b"IDAT" => return gamma.map(|scaled| f64::from(scaled) / 100_000.0),
            _ => {}
        }
        // The data are followed by a checksum of four bytes.
        let next = usize::try_from(u32::from_be_bytes(*length))
            .ok()?
            .checked_add(4)?;
        rest = data.get(next..)?;
    }
}
