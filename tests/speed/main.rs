//! Benchmarks: `cargo bench`. Compare within one run; machines differ and are noisy.

mod raster;
mod step;
mod views;

fn main() {
    divan::main();
}
