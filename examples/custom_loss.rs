//! Adds a loss term of its own to a drawing: strokes cost ink, so they stay thin.
//!
//! `cargo run --release --example custom_loss -- "a red fox"`

#![expect(clippy::print_stdout, reason = "an example prints what it finds")]

use std::error::Error;

use clipdraw::clip::{Clip, WeightsSource};
use clipdraw::draw::objective::Term;
use clipdraw::draw::{Drawing, Spec, Step};
use clipdraw::scene::{Canvas, StrokeGradient, Strokes};
use clipdraw::tch::{Device, Kind};

/// `weight` times the sum of all half widths.
#[derive(Debug, Clone)]
struct Ink {
    weight: f32,
}

impl Term for Ink {
    fn name(&self) -> &'static str {
        "ink"
    }

    fn share(&self) -> Box<dyn Term> {
        Box::new(self.clone())
    }

    fn on_strokes(
        &self,
        strokes: &Strokes,
        _canvas: &Canvas,
        gradient: &mut StrokeGradient,
    ) -> f64 {
        for half_width in &mut gradient.half_widths {
            *half_width += self.weight;
        }
        f64::from(self.weight * strokes.half_widths.iter().sum::<f32>())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let prompt = std::env::args().nth(1).unwrap_or("a red fox".to_owned());
    let clip = Clip::load(&WeightsSource::Embedded, Device::Cpu, Kind::Float)?;
    let mut drawing = Drawing::start(&clip, Spec::prompt(prompt))?;
    drawing.add_term(Box::new(Ink { weight: 0.001 }));
    loop {
        if let Step::Finished(frame) = drawing.step(&clip)? {
            println!("ink {:?}", frame.losses.value("ink"));
            return Ok(());
        }
    }
}
