//! Draws a prompt and prints every term of the loss as it falls.
//!
//! `cargo run --release --example watch_losses -- "a red fox"`

#![expect(clippy::print_stdout, reason = "an example prints what it finds")]

use std::error::Error;

use clipdraw::clip::{Clip, WeightsSource};
use clipdraw::draw::{Drawing, Spec};
use clipdraw::tch::{Device, Kind};

fn main() -> Result<(), Box<dyn Error>> {
    let prompt = std::env::args().nth(1).unwrap_or("a red fox".to_owned());
    let clip = Clip::load(&WeightsSource::Embedded, Device::Cpu, Kind::Float)?;
    let mut drawing = Drawing::start(&clip, Spec::prompt(prompt))?;
    loop {
        let step = drawing.step(&clip)?;
        if step.frame().is_some() {
            let terms = step.losses().terms().iter();
            let terms: Vec<_> = terms
                .map(|term| format!("{} {:+.4}", term.name, term.value))
                .collect();
            println!("step {:4}  {}", step.updates(), terms.join("  "));
        }
        if step.is_finished() {
            return Ok(());
        }
    }
}
