//! HPGL, for plotters of Hewlett-Packard and those that understand their language (HP 7475A manual, chapter 3).

use std::fmt::Write as _;

use super::plot_format::Speeds;
use crate::plot::plan::Plot;

/// Plotter units for one millimetre.
const UNITS: f64 = 40.0;

/// The maximum number of points in one command; small plotters have small buffers.
const MAX_POINTS: usize = 32;

/// Writes a plot as HPGL: `SP` selects a pen, `PU` moves with the pen lifted, `PD` with the pen down, 40 units a
/// millimetre, x to the right and y up from the bottom left corner of the page.
pub fn write_hpgl(plot: &Plot, speeds: Speeds) -> String {
    let mut code = String::new();
    write(&mut code, plot, speeds).expect("a String can be written to");
    code
}

fn write(code: &mut String, plot: &Plot, speeds: Speeds) -> std::fmt::Result {
    let position = |[x, y]: [f64; 2]| {
        let [x, y] = [x, plot.page.height - y].map(|number| (number * UNITS).round() as i64);
        format!("{x},{y}")
    };
    // `VS` is in centimetres a second, at least 1, and applies to a lowered pen.
    writeln!(code, "IN;\nPA;")?;
    for layer in &plot.layers {
        writeln!(code, "SP{};", layer.number)?;
        writeln!(code, "VS{:.0};", (speeds.draw / 10.0).max(1.0))?;
        for line in &layer.lines {
            writeln!(code, "PU{};", position(line.start()))?;
            for points in line.0[1..].chunks(MAX_POINTS) {
                let points: Vec<String> = points.iter().copied().map(position).collect();
                writeln!(code, "PD{};", points.join(","))?;
            }
        }
        writeln!(code, "PU;")?;
    }
    writeln!(code, "SP0;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::test_plot::two_pens;

    #[test]
    fn a_millimetre_has_forty_units_and_y_points_up() {
        let speeds = Speeds {
            draw: 20.0,
            travel: 50.0,
        };
        let code = write_hpgl(&two_pens(), speeds).replace('\n', "");
        assert_eq!(
            code,
            "IN;PA;SP1;VS2;PU400,1600;PD800,1600,800,1180;PU;SP3;VS2;PU0,2000;PD40,2000;PU;SP0;"
        );
    }
}
