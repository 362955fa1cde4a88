//! Filters that turn a picture into another technique, which its caption then names.

use std::ops::Range;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::pack::Filter;
use clipdraw::scene::Picture;

/// Paper of a blueprint.
const BLUEPRINT: [f32; 3] = [0.1, 0.25, 0.6];

/// The picture after a filter, of the same size.
pub fn apply(filter: Filter, picture: &Picture, random: &mut ChaCha8Rng) -> Picture {
    match filter {
        Filter::Watercolor => watercolor(picture, random),
        Filter::PencilSketch => pencil_sketch(picture, random),
        Filter::OilPainting => smoothest_quarter(picture, 2),
        Filter::PixelArt => pixel_art(picture, random),
        Filter::Neon => neon(picture),
        Filter::Blueprint => blueprint(picture),
        Filter::BlackAndWhite => black_and_white(picture),
    }
}

/// A new picture from a function of the position.
fn each_pixel(picture: &Picture, color: impl Fn(usize, usize) -> [f32; 3]) -> Picture {
    let (width, height) = (picture.width(), picture.height());
    let mut result = picture.clone();
    let values = result.values_mut();
    for y in 0..height {
        for x in 0..width {
            for (channel, value) in color(x, y).into_iter().enumerate() {
                values[channel * width * height + y * width + x] = value.clamp(0.0, 1.0);
            }
        }
    }
    result
}

fn luminance([red, green, blue]: [f32; 3]) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}

/// How far the channel that differs most is from one color to another.
fn change(one: [f32; 3], other: [f32; 3]) -> f32 {
    let gaps = one
        .iter()
        .zip(other)
        .map(|(one, other)| (one - other).abs());
    gaps.fold(0.0, f32::max)
}

/// The rows or columns no further than `reach` from one of them, within a side.
fn around(middle: usize, reach: usize, side: usize) -> Range<usize> {
    middle.saturating_sub(reach)..(middle + reach + 1).min(side)
}

/// The mean over the square of `2 reach + 1` pixels around each pixel.
fn blurred(picture: &Picture, reach: usize) -> Picture {
    each_pixel(picture, |x, y| {
        let (mut sum, mut count) = ([0.0; 3], 0.0);
        for row in around(y, reach, picture.height()) {
            for column in around(x, reach, picture.width()) {
                let color = picture.pixel(column, row);
                sum.iter_mut()
                    .zip(color)
                    .for_each(|(sum, value)| *sum += value);
                count += 1.0;
            }
        }
        sum.map(|value| value / count)
    })
}

/// How quickly the colors change at a pixel, 0 to about 1.
fn edge(picture: &Picture, x: usize, y: usize) -> f32 {
    let (right, below) = (
        (x + 1).min(picture.width() - 1),
        (y + 1).min(picture.height() - 1),
    );
    let (left, above) = (x.saturating_sub(1), y.saturating_sub(1));
    let across = change(picture.pixel(left, y), picture.pixel(right, y));
    let down = change(picture.pixel(x, above), picture.pixel(x, below));
    across.max(down)
}

/// The picture with dark lines where its colors change, as comics and many emoji have them, its colors
/// paler by a random amount.
pub fn outline(picture: &Picture, random: &mut ChaCha8Rng) -> Picture {
    let paleness = random.random_range(0.0..0.5);
    let reach = random.random_range(0..=1);
    let ink = random.random_range(0.0..0.2);
    let (width, height) = (picture.width(), picture.height());
    let edges: Vec<f32> = (0..width * height)
        .map(|index| edge(picture, index % width, index / width))
        .collect();
    each_pixel(picture, |x, y| {
        let greatest = around(y, reach, height)
            .flat_map(|row| &edges[row * width..][around(x, reach, width)])
            .fold(0.0, |greatest: f32, &edge| greatest.max(edge));
        let line = (4.0 * (greatest - 0.1)).clamp(0.0, 1.0);
        picture
            .pixel(x, y)
            .map(|value| (1.0 - line) * (value + paleness * (1.0 - value)) + line * ink)
    })
}

/// The picture with the look of a photograph, on the same paper: duller colors, light from one
/// side, and grain, each by a random amount.
pub fn photograph(picture: &Picture, paper: [f32; 3], random: &mut ChaCha8Rng) -> Picture {
    const CELLS: usize = 12;
    let (width, height) = (picture.width(), picture.height());
    let vividness = random.random_range(0.45..1.0);
    let [across, down] = [(); 2].map(|()| random.random_range(-0.4..0.4_f32));
    let unevenness = random.random_range(0.0..0.3_f32);
    let mut uneven =
        |count: usize| -> Vec<f32> { (0..count).map(|_| random.random_range(-1.0..1.0)).collect() };
    let (coarse, fine) = (uneven(CELLS * CELLS), uneven(width * height));
    each_pixel(picture, |x, y| {
        let color = picture.pixel(x, y);
        let there = (5.0 * change(color, paper)).min(1.0);
        let [right, below] = [x as f32 / width as f32, y as f32 / height as f32];
        let patches = between(&coarse, CELLS, [right, below]) + 0.5 * fine[y * width + x];
        let light = 1.0 + across * (right - 0.5) + down * (below - 0.5) + unevenness * patches;
        let grey = luminance(color);
        color.map(|value| {
            let lit = light * (grey + vividness * (value - grey));
            value + there * (lit - value)
        })
    })
}

/// The value between those of a square grid, at a place given in fractions of its sides.
fn between(grid: &[f32], side: usize, place: [f32; 2]) -> f32 {
    let [x, y] = place.map(|part| part * (side - 1) as f32);
    let (left, above) = (x as usize, y as usize);
    let (right, below) = ((left + 1).min(side - 1), (above + 1).min(side - 1));
    let (part, lower) = (x.fract(), y.fract());
    let row = |row: usize| (1.0 - part) * grid[row * side + left] + part * grid[row * side + right];
    (1.0 - lower) * row(above) + lower * row(below)
}

fn watercolor(picture: &Picture, random: &mut ChaCha8Rng) -> Picture {
    let soft = blurred(&smoothest_quarter(picture, 2), 1);
    let paper: Vec<f32> = (0..picture.width() * picture.height())
        .map(|_| random.random_range(-0.05..0.05))
        .collect();
    let paleness = random.random_range(0.55..0.8);
    each_pixel(&soft, |x, y| {
        let darker = 0.25 * edge(&soft, x, y);
        let grain = paper[y * picture.width() + x];
        soft.pixel(x, y)
            .map(|value| 1.0 - paleness * (1.0 - value) - darker + grain)
    })
}

fn pencil_sketch(picture: &Picture, random: &mut ChaCha8Rng) -> Picture {
    let (shade, slope) = (
        random.random_range(0.0..0.3_f32),
        random.random_range(0.4..1.2_f32),
    );
    each_pixel(picture, |x, y| {
        let line = (1.8 * edge(picture, x, y)).min(0.85);
        let hatched = ((x as f32 + slope * y as f32) % 3.0) < 1.2;
        let tone = if hatched {
            shade * (1.0 - luminance(picture.pixel(x, y)))
        } else {
            0.0
        };
        [1.0 - line - tone; 3]
    })
}

/// Kuwahara's filter: the mean of that quarter around a pixel whose brightness varies least.
fn smoothest_quarter(picture: &Picture, reach: isize) -> Picture {
    let (width, height) = (picture.width() as isize, picture.height() as isize);
    each_pixel(picture, |x, y| {
        let mut best = (f32::INFINITY, [0.0; 3]);
        for (right, down) in [(-1, -1), (1, -1), (-1, 1), (1, 1)] {
            let (mut sum, mut bright, mut squares, mut count) = ([0.0; 3], 0.0, 0.0, 0.0);
            for row in 0..=reach {
                for column in 0..=reach {
                    let at_x = (x as isize + right * column).clamp(0, width - 1) as usize;
                    let at_y = (y as isize + down * row).clamp(0, height - 1) as usize;
                    let color = picture.pixel(at_x, at_y);
                    sum.iter_mut()
                        .zip(color)
                        .for_each(|(sum, value)| *sum += value);
                    let light = luminance(color);
                    bright += light;
                    squares += light * light;
                    count += 1.0;
                }
            }
            let variance = squares / count - (bright / count) * (bright / count);
            if variance < best.0 {
                best = (variance, sum.map(|value| value / count));
            }
        }
        best.1
    })
}

fn pixel_art(picture: &Picture, random: &mut ChaCha8Rng) -> Picture {
    let square = random.random_range(4..7);
    each_pixel(picture, |x, y| {
        let middle =
            |part: usize, side: usize| ((part / square) * square + square / 2).min(side - 1);
        let color = picture.pixel(middle(x, picture.width()), middle(y, picture.height()));
        color.map(|value| (value * 5.0).round() / 5.0)
    })
}

fn neon(picture: &Picture) -> Picture {
    let glow = each_pixel(picture, |x, y| {
        let line = (2.0 * edge(picture, x, y)).min(1.0);
        let color = picture.pixel(x, y);
        let greatest = color.iter().copied().fold(0.05, f32::max);
        color.map(|value| line * (0.25 + 0.75 * value / greatest))
    });
    let halo = blurred(&glow, 2);
    each_pixel(&glow, |x, y| {
        let (line, halo) = (glow.pixel(x, y), halo.pixel(x, y));
        [0, 1, 2].map(|channel| 0.02 + line[channel] + 0.6 * halo[channel])
    })
}

fn blueprint(picture: &Picture) -> Picture {
    each_pixel(picture, |x, y| {
        let grid = if x % 10 == 0 || y % 10 == 0 {
            0.12
        } else {
            0.0
        };
        let line = (1.8 * edge(picture, x, y)).min(1.0).max(grid);
        BLUEPRINT.map(|value| value + line * (1.0 - value))
    })
}

fn black_and_white(picture: &Picture) -> Picture {
    each_pixel(picture, |x, y| [luminance(picture.pixel(x, y)); 3])
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// A red square on white.
    fn square() -> Picture {
        let white = Picture::filled(40, 40, [1.0; 3]);
        each_pixel(&white, |x, y| {
            if (10..30).contains(&x) && (10..30).contains(&y) {
                [0.9, 0.1, 0.1]
            } else {
                [1.0; 3]
            }
        })
    }

    fn filtered(filter: Filter) -> Picture {
        apply(filter, &square(), &mut ChaCha8Rng::seed_from_u64(1))
    }

    #[test]
    fn a_watercolor_keeps_its_colors_and_a_sketch_does_not() {
        let [red, green, _] = filtered(Filter::Watercolor).pixel(20, 20);
        assert!(red > green + 0.2);
        let [red, green, blue] = filtered(Filter::PencilSketch).pixel(20, 20);
        assert!(red == green && green == blue);
    }

    #[test]
    fn an_outline_is_dark_where_colors_change_and_nowhere_else() {
        let outlined = outline(&square(), &mut ChaCha8Rng::seed_from_u64(1));
        assert!(luminance(outlined.pixel(10, 20)) < 0.25);
        let [red, green, _] = outlined.pixel(20, 20);
        assert!(red > green + 0.3);
        assert_eq!(outlined.pixel(3, 3), [1.0; 3]);
    }

    #[test]
    fn a_photograph_is_duller_and_uneven_and_leaves_the_paper_alone() {
        let photograph = photograph(&square(), [1.0; 3], &mut ChaCha8Rng::seed_from_u64(2));
        let vividness = |[red, green, _]: [f32; 3]| red - green;
        let (there, below) = (photograph.pixel(20, 12), photograph.pixel(20, 27));
        assert!(
            vividness(there) < 0.75 && vividness(there) > 0.1,
            "{there:?}"
        );
        assert_ne!(there, below);
        assert_eq!(photograph.pixel(3, 3), [1.0; 3]);
    }

    #[test]
    fn a_neon_sign_is_bright_at_its_edges_and_dark_elsewhere() {
        let sign = filtered(Filter::Neon);
        assert!(luminance(sign.pixel(5, 5)) < 0.1);
        assert!(luminance(sign.pixel(10, 20)) > 0.3);
    }

    #[test]
    fn pixel_art_has_few_colors_and_a_blueprint_is_blue() {
        let art = filtered(Filter::PixelArt);
        let mut values = art.values().to_vec();
        values.sort_by(f32::total_cmp);
        values.dedup();
        assert!(values.len() <= 6);
        let [red, _, blue] = filtered(Filter::Blueprint).pixel(5, 5);
        assert!(blue > red + 0.3);
    }

    #[test]
    fn an_oil_painting_keeps_sharp_edges() {
        let painting = filtered(Filter::OilPainting);
        let original = square();
        let mut values = painting.values().iter().zip(original.values());
        assert!(values.all(|(after, before)| (after - before).abs() < 1e-6));
    }
}
