//! Draws a prompt with the embedded model and writes `drawing.svg`.
//!
//! `cargo run --release --example draw -- "a red fox"`

use std::error::Error;

use clipdraw::clip::{Clip, WeightsSource};
use clipdraw::draw::Spec;
use clipdraw::tch::{Device, Kind};

fn main() -> Result<(), Box<dyn Error>> {
    let prompt = std::env::args().nth(1).unwrap_or("a red fox".to_owned());
    let clip = Clip::load(&WeightsSource::Embedded, Device::Cpu, Kind::Float)?;
    let drawing = clipdraw::draw(&clip, &Spec::prompt(prompt))?;
    std::fs::write("drawing.svg", drawing.to_svg())?;
    Ok(())
}
