//! Benchmarks: `cargo bench`. Compare within one run; machines differ and are noisy.

mod step;
mod views;

fn main() {
    divan::main();
}
