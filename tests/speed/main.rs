//! Benchmarks: `cargo bench`. Compare within one run; machines differ and are noisy.

mod views;

fn main() {
    divan::main();
}
