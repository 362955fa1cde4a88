//! A small plot for tests of the formats.

use super::page::Page;
use super::plan::{Layer, Plot, Report};
use super::polyline::Polyline;

/// Two layers, of the first and the third pen, on a page of 100 x 50 mm.
pub(super) fn two_pens() -> Plot {
    let layer = |number: usize, pen: &str, points: &[[f64; 2]]| Layer {
        number,
        pen: pen.parse().unwrap(),
        lines: vec![Polyline(points.to_vec())],
    };
    Plot {
        page: Page {
            width: 100.0,
            height: 50.0,
            margin: 0.0,
        },
        pen_width: 0.3,
        layers: vec![
            layer(1, "black", &[[10.0, 10.0], [20.0, 10.0], [20.0, 20.5]]),
            layer(3, "red", &[[0.0, 0.0], [1.0, 0.0]]),
        ],
        report: Report::default(),
        notes: Vec::new(),
    }
}
