//! The random crop: torchvision's `RandomResizedCrop.get_params`.

use rand::Rng;

/// The part of the area that a crop keeps (`CLIPDraw`: `scale=(0.7, 0.9)`).
const AREA: [f64; 2] = [0.7, 0.9];

/// The shapes of a crop, width over height, uniform in the logarithm (torchvision's default).
const ASPECT: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];

/// The number of tries: a crop that is wide and large at once does not fit. After the last one the
/// whole square is taken, as in torchvision.
const TRIES: usize = 10;

/// A crop in whole pixels of a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// First column.
    pub left: u32,
    /// First row.
    pub top: u32,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// A random crop of a square of `side` pixels: 0.7 to 0.9 of its area, aspect 3/4 to 4/3, anywhere
/// that it fits. Python rounds halves to even, hence so does this.
pub(super) fn random_window(random: &mut impl Rng, side: u32) -> Window {
    let square = f64::from(side) * f64::from(side);
    for _ in 0..TRIES {
        let area = random.random_range(AREA[0]..AREA[1]) * square;
        let aspect = random.random_range(ASPECT[0].ln()..ASPECT[1].ln()).exp();
        let width = (area * aspect).sqrt().round_ties_even() as u32;
        let height = (area / aspect).sqrt().round_ties_even() as u32;
        if (1..=side).contains(&width) && (1..=side).contains(&height) {
            let top = random.random_range(0..=side - height);
            let left = random.random_range(0..=side - width);
            return Window {
                left,
                top,
                width,
                height,
            };
        }
    }
    Window {
        left: 0,
        top: 0,
        width: side,
        height: side,
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn crops_fit_and_have_the_area_of_torchvisions() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut areas = Vec::new();
        for _ in 0..20_000 {
            let window = random_window(&mut random, 224);
            assert!(window.left + window.width <= 224 && window.top + window.height <= 224);
            areas.push(f64::from(window.width * window.height) / (224.0 * 224.0));
        }
        let mean = areas.iter().sum::<f64>() / areas.len() as f64;
        let large = areas.iter().filter(|area| **area > 0.85).count() as f64 / areas.len() as f64;
        assert!(
            (mean - 0.785).abs() < 0.003,
            "mean area {mean}, torchvision 0.785"
        );
        assert!(
            (large - 0.155).abs() < 0.015,
            "above 0.85: {large}, torchvision 0.155"
        );
    }
}
