//! G-code. The crate svg2gcode reads an SVG itself; it would undo the order and the layers of a plot, so the few lines
//! are written here.

use std::fmt::Write as _;

use super::plot_format::Speeds;
use crate::plot::plan::Plot;

/// What G-code needs to know of a machine.
#[derive(Debug, Clone, PartialEq)]
pub struct GcodeOptions {
    /// The speeds.
    pub speeds: Speeds,
    /// The lines that lift the pen.
    pub pen_up: String,
    /// The lines that put the pen down.
    pub pen_down: String,
}

/// Writes a plot as G-code in millimetres (`G21`) with absolute positions (`G90`), x to the right and y up from the
/// bottom left corner of the page. Before each further pen, the machine stops (`M0`) so that a person can change it.
pub fn write_gcode(plot: &Plot, options: &GcodeOptions) -> String {
    let mut code = String::new();
    write(&mut code, plot, options).expect("a String can be written to");
    code
}

fn write(code: &mut String, plot: &Plot, options: &GcodeOptions) -> std::fmt::Result {
    let [draw, travel] = [options.speeds.draw, options.speeds.travel].map(|speed| speed * 60.0);
    let position = |[x, y]: [f64; 2]| format!("X{x:.3} Y{:.3}", plot.page.height - y);
    writeln!(code, "; page {} x {} mm", plot.page.width, plot.page.height)?;
    writeln!(code, "G21\nG90\n{}", options.pen_up)?;
    for (index, layer) in plot.layers.iter().enumerate() {
        writeln!(code, "; pen {}-{}", layer.number, layer.pen.name)?;
        if index > 0 {
            writeln!(code, "M0")?;
        }
        for line in &layer.lines {
            writeln!(code, "G0 {} F{travel:.0}", position(line.start()))?;
            writeln!(code, "{}", options.pen_down)?;
            for (index, point) in line.0.iter().enumerate().skip(1) {
                write!(code, "G1 {}", position(*point))?;
                // The speed is that of the machine until it is said again. Lowering the pen may have changed it.
                if index == 1 {
                    write!(code, " F{draw:.0}")?;
                }
                writeln!(code)?;
            }
            writeln!(code, "{}", options.pen_up)?;
        }
    }
    writeln!(code, "G0 X0 Y0 F{travel:.0}\nM2")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::test_plot::two_pens;

    #[test]
    fn the_pen_is_down_only_while_it_draws_and_y_points_up() {
        let options = GcodeOptions {
            speeds: Speeds {
                draw: 20.0,
                travel: 50.0,
            },
            pen_up: "M5".to_owned(),
            pen_down: "M3 S100\nG4 P0.1".to_owned(),
        };
        let expected = [
            "; page 100 x 50 mm",
            "G21",
            "G90",
            "M5",
            "; pen 1-black",
            "G0 X10.000 Y40.000 F3000",
            "M3 S100",
            "G4 P0.1",
            "G1 X20.000 Y40.000 F1200",
            "G1 X20.000 Y29.500",
            "M5",
            "; pen 3-red",
            "M0",
            "G0 X0.000 Y50.000 F3000",
            "M3 S100",
            "G4 P0.1",
            "G1 X1.000 Y50.000 F1200",
            "M5",
            "G0 X0 Y0 F3000",
            "M2",
        ];
        let code = write_gcode(&two_pens(), &options);
        assert_eq!(code.lines().collect::<Vec<_>>(), expected);
    }
}
