//! The color that a picture has, if there is one that most people would name.

use super::pack::SIDE;

/// Pixels count from this opacity up.
const OPAQUE: u8 = 128;
/// The part of the pixels that a color has to cover.
const MOST: f32 = 0.62;
/// The part of the pixels with a hue that a color has to cover.
const MOST_OF_HUES: f32 = 0.85;
/// Fewer opaque pixels than this show nothing.
const FEWEST: usize = 100;

const NAMES: [&str; 11] = [
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white", "gray",
];
/// Colors from this place on in [`NAMES`] have no hue.
const WITHOUT_HUE: usize = 8;

/// The names of colors, for telling phrases that have one already.
pub fn is_color(word: &str) -> bool {
    NAMES.contains(&word) || ["golden", "silver", "grey", "gold", "dark", "light"].contains(&word)
}

/// The name of the color that clearly dominates a picture of a pack.
pub fn dominant(picture: &[u8]) -> Option<&'static str> {
    let mut counts = [0_usize; NAMES.len()];
    for pixel in picture.as_chunks::<4>().0 {
        if pixel[3] >= OPAQUE {
            counts[nearest(straight(*pixel))] += 1;
        }
    }
    let total: usize = counts.iter().sum();
    let hues: usize = counts[..WITHOUT_HUE].iter().sum();
    let (best, count) = (0..NAMES.len())
        .map(|name| (name, counts[name]))
        .max_by_key(|&(_, count)| count)?;
    let share = |of: usize| count as f32 / of.max(1) as f32;
    let clear = if best < WITHOUT_HUE {
        share(hues) >= MOST_OF_HUES
    } else {
        hues * 10 < total
    };
    (total >= FEWEST.min(SIDE * SIDE) && share(total) >= MOST && clear).then_some(NAMES[best])
}

/// Red, green and blue of 0 to 1, from colors multiplied by the opacity.
fn straight([red, green, blue, opacity]: [u8; 4]) -> [f32; 3] {
    [red, green, blue].map(|channel| (f32::from(channel) / f32::from(opacity)).min(1.0))
}

/// The place in [`NAMES`] of the name for a color.
fn nearest(color: [f32; 3]) -> usize {
    let [red, green, blue] = color;
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let chroma = most - least;
    let name = if chroma < 0.12 || most < 0.2 {
        match most {
            most if most < 0.3 => "black",
            most if most > 0.85 => "white",
            _ => "gray",
        }
    } else {
        let hue = 60.0
            * if most == red {
                ((green - blue) / chroma).rem_euclid(6.0)
            } else if most == green {
                (blue - red) / chroma + 2.0
            } else {
                (red - green) / chroma + 4.0
            };
        name_of_hue(hue, chroma, most)
    };
    NAMES
        .iter()
        .position(|&known| known == name)
        .expect("every name is in the list")
}

fn name_of_hue(hue: f32, chroma: f32, brightness: f32) -> &'static str {
    let pale = brightness > 0.8 && chroma < 0.55;
    match hue {
        hue if !(15.0..345.0).contains(&hue) => {
            if pale {
                "pink"
            } else if brightness < 0.55 && hue < 180.0 {
                "brown"
            } else {
                "red"
            }
        }
        hue if hue < 42.0 => {
            if brightness < 0.78 || chroma < 0.45 {
                "brown"
            } else {
                "orange"
            }
        }
        hue if hue < 66.0 => "yellow",
        hue if hue < 170.0 => "green",
        hue if hue < 255.0 => "blue",
        hue if hue < 295.0 => "purple",
        _ => "pink",
    }
}

#[cfg(test)]
mod tests {
    use super::super::pack::PICTURE_BYTES;
    use super::*;

    fn picture(parts: &[([u8; 4], usize)]) -> Vec<u8> {
        let mut picture: Vec<u8> = parts
            .iter()
            .flat_map(|(pixel, count)| pixel.repeat(*count))
            .collect();
        picture.resize(PICTURE_BYTES, 0);
        picture
    }

    #[test]
    fn a_picture_mostly_of_one_color_has_its_name() {
        let red = ([220, 30, 30, 255], 2000);
        let leaf = ([40, 160, 40, 255], 200);
        assert_eq!(dominant(&picture(&[red, leaf])), Some("red"));
        assert_eq!(
            dominant(&picture(&[([110, 15, 15, 128], 500)])),
            Some("red")
        );
        assert_eq!(
            dominant(&picture(&[([250, 250, 250, 255], 500)])),
            Some("white")
        );
        assert_eq!(
            dominant(&picture(&[([120, 75, 40, 255], 500)])),
            Some("brown")
        );
    }

    #[test]
    fn a_picture_of_several_colors_has_none() {
        let red = ([220, 30, 30, 255], 1000);
        let green = ([40, 160, 40, 255], 900);
        assert_eq!(dominant(&picture(&[red, green])), None);
        assert_eq!(dominant(&picture(&[])), None);
    }
}
