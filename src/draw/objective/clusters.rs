//! A few colours that stand for many.

/// Red, green and blue, each 0 to 1.
pub(super) type Color = [f32; 3];

/// The square of the distance between two colours.
pub(super) fn square_distance(a: Color, b: Color) -> f64 {
    let differences = [0, 1, 2].map(|channel| f64::from(a[channel]) - f64::from(b[channel]));
    differences.iter().map(|part| part * part).sum()
}

/// The index of the nearest center; of several, the first.
///
/// # Panics
/// If there is no center.
pub(super) fn nearest(centers: &[Color], color: Color) -> usize {
    let distance = |index: &usize| square_distance(centers[*index], color);
    (0..centers.len())
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .expect("there is a center")
}

/// At most `count` of the colours that are far apart: the first one, then always the one that is farthest from those chosen
/// (Gonzalez 1985, "Clustering to minimize the maximum intercluster distance").
pub(super) fn far_apart(colors: &[Color], count: usize) -> Vec<Color> {
    let mut chosen: Vec<Color> = colors.iter().copied().take(1).collect();
    let mut distances = vec![f64::INFINITY; colors.len()];
    while let Some(last) = chosen.last()
        && chosen.len() < count
    {
        let mut farthest = (0, 0.0);
        for (index, (color, distance)) in colors.iter().zip(&mut distances).enumerate() {
            *distance = distance.min(square_distance(*color, *last));
            if *distance > farthest.1 {
                farthest = (index, *distance);
            }
        }
        if farthest.1 == 0.0 {
            break;
        }
        chosen.push(colors[farthest.0]);
    }
    chosen
}

/// Moves every center to the mean of the colours that it is nearest to (one iteration of Lloyd's algorithm). A center without
/// colours stays where it is.
pub(super) fn move_to_means(centers: &mut [Color], colors: &[Color]) {
    let mut sums = vec![([0.0_f64; 3], 0_usize); centers.len()];
    for color in colors {
        let (sum, count) = &mut sums[nearest(centers, *color)];
        *count += 1;
        for (sum, channel) in sum.iter_mut().zip(color) {
            *sum += f64::from(*channel);
        }
    }
    for (center, (sum, count)) in centers.iter_mut().zip(sums) {
        if count > 0 {
            *center = sum.map(|sum| (sum / count as f64) as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_groups_of_colours_are_found() {
        let colors = [
            [0.1, 0.1, 0.1],
            [0.9, 0.8, 0.9],
            [0.2, 0.1, 0.0],
            [0.8, 0.9, 0.9],
        ];
        let mut centers = far_apart(&colors, 2);
        for _ in 0..3 {
            move_to_means(&mut centers, &colors);
        }
        let expected = [[0.15, 0.1, 0.05], [0.85, 0.85, 0.9]];
        for (center, expected) in centers.iter().zip(expected) {
            assert!(square_distance(*center, expected) < 1e-10, "{centers:?}");
        }
    }

    #[test]
    fn equal_colours_have_one_center() {
        assert_eq!(far_apart(&[[0.5; 3]; 4], 3), [[0.5; 3]]);
        assert_eq!(far_apart(&[], 3), Vec::<Color>::new());
    }

    #[test]
    fn a_center_without_colours_stays_where_it_is() {
        let mut centers = [[0.0; 3], [1.0; 3]];
        move_to_means(&mut centers, &[[0.2; 3]]);
        assert_eq!(centers, [[0.2; 3], [1.0; 3]]);
    }
}
