//! Views against libtorch's, and their gradient against what it has to be.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::sampling::{BEFORE, BilinearTap, Sampling};
use super::view_batch::{ViewBatch, pooled_view_gradient, view_gradient};
use crate::render::cpu::raster::paint;
use crate::render::view::{Homography, Pooling, ViewTransform, random_views};
use crate::scene::start::random_strokes;
use crate::scene::{Canvas, Picture};

fn noise(width: usize, height: usize, seed: u64) -> Picture {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..3 * width * height).map(|_| random.random()).collect();
    Picture::new(width, height, values)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum()
}

#[test]
fn a_white_picture_stays_white_to_the_edge_in_every_view() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for (width, height) in [(224, 224), (100, 64), (301, 93)] {
        let views = random_views(&mut random, 8, width, height);
        let picture = Picture::filled(width, height, [1.0; 3]);
        for side in [16, 64, 224] {
            let seen = ViewBatch::new(&picture, &views, side);
            assert!(seen.values.iter().all(|value| (value - 1.0).abs() < 1e-5));
        }
    }
}

#[test]
fn the_gradient_is_the_transpose_of_the_resampling() {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    for (width, height, side) in [(70, 70, 32), (40, 90, 64), (64, 64, 8), (331, 205, 16)] {
        let views = random_views(&mut random, 3, width, height);
        let (picture, other) = (noise(width, height, 1), noise(width, height, 2));
        let gradient = ViewBatch {
            side,
            values: noise(side, 3 * side, 3).values().to_vec(),
        };
        let [seen, seen_other] = [&picture, &other].map(|p| ViewBatch::new(p, &views, side));
        let back = view_gradient(&gradient, &views, width, height);
        let change =
            dot(&gradient.values, &seen.values) - dot(&gradient.values, &seen_other.values);
        let predicted = dot(back.values(), picture.values()) - dot(back.values(), other.values());
        assert!(
            (change - predicted).abs() < 1e-3 * change.abs().max(1.0),
            "{change} {predicted}"
        );
    }
}

/// What [`view_gradient`] computes, with one band of all rows.
fn scattered(
    gradient: &ViewBatch,
    views: &[ViewTransform],
    [width, height]: [usize; 2],
) -> Vec<f32> {
    let side = gradient.side;
    let pooling = Pooling::new(side, width, height);
    let size = [pooling.width(), pooling.height()];
    let mut sum = vec![0.0; 3 * size[0] * size[1]];
    for (view, planes) in views.iter().zip(gradient.values.chunks(3 * side * side)) {
        let mut own = vec![0.0; sum.len()];
        let sampling = Sampling::new(view, side, width, height);
        for row in 0..side {
            sampling.for_each_sample_of_row(row, |column, tap| {
                let pixel = row * side + column;
                let gradient = [0, 1, 2].map(|channel| planes[channel * side * side + pixel]);
                scatter(&mut own, tap, gradient, size);
            });
        }
        for (sum, own) in sum.iter_mut().zip(own) {
            *sum += own;
        }
    }
    let place = |index: usize| {
        let (row, column) = (index / width, index % width);
        let (channel, row) = (row / height, row % height);
        (channel * size[1] + row / pooling.factor()) * size[0] + column / pooling.factor()
    };
    let values = (0..3 * width * height).map(|index| sum[place(index)] * pooling.weight());
    values.collect()
}

/// Adds a gradient to planes `[3, H, W]`.
fn scatter(planes: &mut [f32], tap: BilinearTap, gradient: [f32; 3], [width, height]: [usize; 2]) {
    for (corner, weight) in tap.weights.into_iter().enumerate() {
        let x = (tap.column + corner % 2).wrapping_sub(BEFORE);
        let y = (tap.row + corner / 2).wrapping_sub(BEFORE);
        if x >= width || y >= height {
            continue;
        }
        for (channel, gradient) in gradient.into_iter().enumerate() {
            planes[(channel * height + y) * width + x] += weight * gradient;
        }
    }
}

#[test]
fn bands_give_the_bytes_of_a_sum_over_all_samples() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let turned = |angle: f64| {
        let (sin, cos) = angle.sin_cos();
        Homography([cos, -sin, 40.0, sin, cos, -20.0, 0.0, 0.0])
    };
    for (width, height, side) in [(70, 70, 32), (40, 90, 64), (300, 131, 16), (5, 3, 9)] {
        let mut views = random_views(&mut random, 6, width, height);
        // Level rows, rows along the columns, falling rows, and a horizon within the view.
        let horizon = Homography([1.0, 0.1, 0.0, 0.2, 1.0, 0.0, -0.03, 0.01]);
        let perspectives = [Homography::IDENTITY, turned(1.57), turned(3.1), horizon];
        for (view, perspective) in views.iter_mut().zip(perspectives) {
            view.perspective = perspective;
        }
        let gradient = ViewBatch {
            side,
            values: noise(side, 6 * side, 3).values().to_vec(),
        };
        let found = view_gradient(&gradient, &views, width, height);
        let expected = scattered(&gradient, &views, [width, height]);
        let unequal = found
            .values()
            .iter()
            .zip(&expected)
            .filter(|(a, b)| a != b)
            .count();
        assert_eq!(
            (unequal, found.values().len()),
            (0, expected.len()),
            "{width}x{height}"
        );
    }
}

/// The same view by libtorch: its `grid_sample` fills with zeros, so the negative is sampled.
fn by_grid_sample(picture: &Picture, view: &ViewTransform, side: usize) -> Vec<f32> {
    let (width, height) = (picture.width(), picture.height());
    let square = width.max(height);
    let window = &view.window;
    let place = |index: usize, length: u32| (index as f64 + 0.5) * f64::from(length) / side as f64;
    let grid = (0..side * side).flat_map(|pixel| {
        let x = f64::from(window.left) + place(pixel % side, window.width);
        let y = f64::from(window.top) + place(pixel / side, window.height);
        let [u, v] = view.perspective.map([x, y]);
        let normal = |place: f64, length: usize| {
            let on_canvas = place - (square - length) as f64 / 2.0;
            (2.0 * on_canvas / length as f64 - 1.0) as f32
        };
        [normal(u, width), normal(v, height)]
    });
    let grid: Vec<f32> = grid.collect();
    let grid = tch::Tensor::from_slice(&grid).view([1, side as i64, side as i64, 2]);
    let negative: tch::Tensor = 1.0 - tch::Tensor::from_slice(picture.values());
    let negative = negative.view([1, 3, height as i64, width as i64]);
    let seen: tch::Tensor = 1.0 - negative.grid_sampler(&grid, 0, 0, false);
    Vec::try_from(&seen.view(-1)).unwrap()
}

#[test]
fn views_that_do_not_shrink_equal_libtorchs_grid_sample() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for (width, height) in [(64, 64), (48, 80)] {
        let picture = noise(width, height, 8);
        let view = ViewTransform::random(&mut random, width, height);
        let seen = ViewBatch::new(&picture, &[view], 96).values;
        let expected = by_grid_sample(&picture, &view, 96);
        let worst = seen
            .iter()
            .zip(&expected)
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, f32::max);
        assert!(worst < 2e-4, "{worst}");
    }
}

#[test]
fn shrinking_views_average_instead_of_skipping_pixels() {
    let (width, height) = (224, 224);
    let mut picture = Picture::filled(width, height, [0.0; 3]);
    for (index, value) in picture.values_mut().iter_mut().enumerate() {
        *value = ((index % width + index / width) % 2) as f32;
    }
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let view = ViewTransform::random(&mut random, width, height);
    let seen = ViewBatch::new(&picture, &[view], 32);
    let middle = seen.values[16 * 32 + 16];
    assert!(
        (middle - 0.5).abs() < 0.1,
        "a checkerboard seen from afar is gray, not {middle}"
    );
}

#[test]
fn a_canvas_of_any_size_has_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    for (width, height, side) in [(1024, 1024, 64), (517, 403, 32), (97, 301, 16)] {
        let views = random_views(&mut random, 2, width, height);
        let gradient = ViewBatch {
            side,
            values: noise(side, 2 * side, 4).values().to_vec(),
        };
        let back = view_gradient(&gradient, &views, width, height);
        let mut picture = noise(width, height, 5);
        // The last column and row, which lie in squares that reach beyond an odd canvas, and others.
        let pixels = (0..24).map(|index| match index % 4 {
            0 => [width - 1, random.random_range(0..height)],
            1 => [random.random_range(0..width), height - 1],
            _ => [
                random.random_range(0..width),
                random.random_range(0..height),
            ],
        });
        for (index, [x, y]) in pixels.enumerate() {
            let place = (index % 3 * height + y) * width + x;
            // The map is linear, so a large difference is as exact as a small one.
            let [below, above] = [-50.0, 100.0].map(|difference| {
                picture.values_mut()[place] += difference;
                dot(
                    &gradient.values,
                    &ViewBatch::new(&picture, &views, side).values,
                )
            });
            picture.values_mut()[place] -= 50.0;
            let (found, expected) = (f64::from(back.values()[place]), (above - below) / 100.0);
            assert!(
                (found - expected).abs() < 1e-6 + 1e-3 * expected.abs(),
                "{width}x{height}, pixel {x}, {y}: {found}, expected {expected}"
            );
        }
    }
}

/// A view as the mean of `count` by `count` samples in each of its pixels, of the picture that is not pooled.
fn finely_sampled(picture: &Picture, view: &ViewTransform, side: usize, count: usize) -> Vec<f32> {
    let fine = by_grid_sample(picture, view, side * count);
    let mut means = vec![0.0; 3 * side * side];
    for (index, value) in fine.iter().enumerate() {
        let (row, column) = (index / (side * count), index % (side * count));
        let (channel, row) = (row / (side * count), row % (side * count));
        means[(channel * side + row / count) * side + column / count] += value;
    }
    means
        .iter()
        .map(|sum| sum / (count * count) as f32)
        .collect()
}

#[test]
fn a_view_of_a_large_canvas_is_the_finely_sampled_one() {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    // The last two are not pooled, and differ as much.
    for (width, height, side) in [
        (1024, 1024, 64),
        (1023, 681, 64),
        (300, 300, 64),
        (224, 224, 64),
        (256, 256, 64),
    ] {
        let canvas = Canvas {
            width: width as u32,
            height: height as u32,
            ..Canvas::default()
        };
        let mut strokes = random_strokes(&canvas, 64, 3);
        for half_width in &mut strokes.half_widths {
            *half_width *= width as f32 / 224.0;
        }
        let picture = paint(&strokes, &canvas).into_picture();
        let views = random_views(&mut random, 4, width, height);
        let seen = ViewBatch::new(&picture, &views, side);
        let expected: Vec<f32> = views
            .iter()
            .flat_map(|view| finely_sampled(&picture, view, side, 24))
            .collect();
        let differences = seen.values.iter().zip(&expected).map(|(a, b)| a - b);
        let (mut worst, mut squares, mut sum) = (0.0_f32, 0.0_f64, 0.0_f64);
        for difference in differences {
            worst = worst.max(difference.abs());
            squares += f64::from(difference).powi(2);
            sum += f64::from(difference);
        }
        let count = expected.len() as f64;
        let (deviation, bias) = ((squares / count).sqrt(), sum / count);
        assert!(
            worst < 0.08 && deviation < 0.004 && bias.abs() < 1e-4,
            "{width}x{height}: {worst} {deviation} {bias}"
        );
    }
}

#[test]
fn strokes_have_the_same_gradient_through_the_pooled_picture() {
    for (width, height, side) in [(517, 403, 32), (97, 301, 2), (64, 64, 32)] {
        let canvas = Canvas {
            width,
            height,
            ..Canvas::default()
        };
        let [width, height] = [width, height].map(|length| length as usize);
        let painting = paint(&random_strokes(&canvas, 64, 3), &canvas);
        let views = random_views(&mut ChaCha8Rng::seed_from_u64(2), 3, width, height);
        let gradient = ViewBatch {
            side,
            values: noise(side, 3 * side, 3).values().to_vec(),
        };
        let pooled = pooled_view_gradient(&gradient, &views, width, height);
        let found = painting.gradient_through(&pooled, Pooling::new(side, width, height));
        let expected = painting.gradient(&view_gradient(&gradient, &views, width, height));
        assert!(found == expected, "{width}x{height}");
    }
}

#[test]
fn the_number_of_threads_changes_no_byte() {
    let mut random = ChaCha8Rng::seed_from_u64(12);
    for (width, height, side) in [(1024, 1024, 64), (517, 403, 32), (224, 224, 64)] {
        let views = random_views(&mut random, 4, width, height);
        let picture = noise(width, height, 7);
        let both = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| {
                let seen = ViewBatch::new(&picture, &views, side);
                let back = view_gradient(&seen, &views, width, height);
                (seen, back)
            })
        };
        let expected = both(1);
        for threads in [2, 3, 8] {
            assert!(
                both(threads) == expected,
                "{width}x{height}, {threads} threads"
            );
        }
    }
}
