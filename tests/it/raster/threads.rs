//! The same bytes on any number of threads.

use clipdraw::render::cpu::raster;
use clipdraw::scene::{Picture, Strokes};

use super::scenes;

/// All bits of a picture and of the gradient of some loss.
fn bits(strokes: &Strokes, canvas: &clipdraw::scene::Canvas) -> Vec<u32> {
    let painting = raster::paint(strokes, canvas);
    let mut picture_gradient =
        Picture::filled(canvas.width as usize, canvas.height as usize, [0.0; 3]);
    for (index, value) in picture_gradient.values_mut().iter_mut().enumerate() {
        *value = scenes::spread(index) - 0.4;
    }
    let gradient = painting.gradient(&picture_gradient);
    let gradients = gradient
        .points
        .as_flattened()
        .iter()
        .chain(gradient.colors.as_flattened());
    let numbers = gradients
        .chain(&gradient.half_widths)
        .chain(painting.picture().values());
    numbers.map(|number| number.to_bits()).collect()
}

#[test]
fn pictures_and_gradients_have_the_same_bytes_on_any_number_of_threads() {
    for (seed, widths, stretch) in [(1, [1.0, 1.0], 1.0), (2, [0.5, 20.0], 3.0)] {
        let (strokes, canvas) = scenes::random(seed, widths, stretch);
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| bits(&strokes, &canvas))
        };
        let expected = on(1);
        for threads in [2, 3, 7] {
            assert_eq!(on(threads), expected, "{threads} threads");
        }
    }
}
