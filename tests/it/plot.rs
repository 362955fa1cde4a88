//! `clipdraw plot`, from a drawing to the files of plotters. vpype reads the SVG and finds what was reported.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use clipdraw::plot::{Opacity, Page, PaperSize, Plot, PlotOptions, write_plot_svg};
use serde_json::Value;

use crate::support::skip::pass_over;

/// What the script ends with where vpype cannot be had.
const PASSED_OVER: i32 = 77;

fn plot(arguments: &[&str], folder: &Path) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_clipdraw"))
        .arg("plot")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr.clone()).unwrap();
    (output, errors)
}

/// A drawing as clipdraw writes it: 256 strokes, some of which leave the canvas.
fn drawing() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/drawing.svg");
    std::fs::read_to_string(path).unwrap()
}

fn options(opacity: Opacity) -> PlotOptions {
    PlotOptions {
        page: Page::new(PaperSize([210.0, 297.0]), false, 20.0).unwrap(),
        pens: "black,red,sky=#80c0ff,#40a040".parse().unwrap(),
        pen_width: 0.4,
        opacity,
        keep_order: false,
    }
}

#[test]
fn vpype_finds_the_same_layers_paths_and_bounds() {
    let folder = tempfile::tempdir().unwrap();
    for opacity in [Opacity::Drop, Opacity::Hatch] {
        let plot = Plot::new(&drawing(), &options(opacity)).unwrap();
        let file = folder.path().join("plot.svg");
        std::fs::write(&file, write_plot_svg(&plot)).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/vpype");
        let output = Command::new(script).arg(&file).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(PASSED_OVER) {
            pass_over(&errors);
            return;
        }
        assert!(output.status.success(), "{errors}");
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_close(&found["page"], &[210.0, 297.0]);
        let layers = found["layers"].as_array().unwrap();
        assert_eq!(layers.len(), plot.layers.len());
        assert!(layers.len() > 2, "{found}");
        for (found, layer) in layers.iter().zip(&plot.layers) {
            assert_eq!(found["id"], layer.number);
            assert_eq!(
                found["name"],
                format!("{}-{}", layer.number, layer.pen.name)
            );
            assert_eq!(found["color"], layer.pen.color.to_string());
            assert_eq!(found["paths"], layer.lines.len());
            let points = || layer.lines.iter().flat_map(|line| &line.0);
            let side = |axis: usize, start: f64, pick: fn(f64, f64) -> f64| {
                points().map(|point| point[axis]).fold(start, pick)
            };
            let bounds = [
                side(0, f64::INFINITY, f64::min),
                side(1, f64::INFINITY, f64::min),
                side(0, f64::NEG_INFINITY, f64::max),
                side(1, f64::NEG_INFINITY, f64::max),
            ];
            assert_close(&found["bounds"], &bounds);
        }
    }
}

fn assert_close(found: &Value, expected: &[f64]) {
    let found: Vec<f64> = serde_json::from_value(found.clone()).unwrap();
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    assert_eq!(found.len(), expected.len());
    assert!(
        differences.fold(0.0, f64::max) < 0.01,
        "{found:?} {expected:?}"
    );
}

#[test]
fn a_drawing_stays_between_the_margins_and_is_travelled_less() {
    let plot = Plot::new(&drawing(), &options(Opacity::Drop)).unwrap();
    for line in plot.layers.iter().flat_map(|layer| &layer.lines) {
        for [x, y] in &line.0 {
            assert!(
                (20.0..=190.0).contains(x) && (63.5..=233.5).contains(y),
                "{x} {y}"
            );
        }
    }
    let report = plot.report;
    assert!(
        report.travel_after < 0.5 * report.travel_before,
        "{report:?}"
    );
    let again = Plot::new(&drawing(), &options(Opacity::Drop)).unwrap();
    assert!(plot == again, "the same drawing gives the same plot");
}

#[test]
fn the_extension_selects_the_format_and_travel_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.svg"), drawing()).unwrap();
    for (name, begins) in [
        ("b.svg", "<svg "),
        ("b.gcode", "; page 297 x 210 mm\nG21\nG90\nM5\n"),
        ("b.hpgl", "IN;\nPA;\nSP1;\nVS4;\nPU"),
    ] {
        let arguments = ["a.svg", "-o", name, "--landscape", "--pens", "black,red"];
        let more = [
            "--pen-up",
            "M5",
            "--pen-down",
            "M3 S90",
            "--draw-speed",
            "40",
        ];
        let (output, errors) = plot(&[&arguments[..], &more].concat(), folder.path());
        assert!(output.status.success(), "{errors}");
        for expected in [
            "note: the opacity of ",
            "layer 1-black: ",
            " m of travel in the order of the strokes, ",
        ] {
            assert!(errors.contains(expected), "{errors}");
        }
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(text.starts_with(begins), "{}", &text[..100]);
    }
    let (output, errors) = plot(&["a.svg", "-o", "-", "-q"], folder.path());
    assert!(
        output.stdout.starts_with(b"<svg ") && errors.is_empty(),
        "{errors}"
    );
}

#[test]
fn the_error_says_what_is_wrong_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let hostile = format!(
        r#"<!DOCTYPE svg [<!ENTITY a "{}">]><svg xmlns="http://www.w3.org/2000/svg" width="1" height="1"><title>&a;</title></svg>"#,
        "b".repeat(100_000)
    );
    std::fs::write(folder.path().join("hostile.svg"), hostile).unwrap();
    std::fs::write(folder.path().join("a.svg"), drawing()).unwrap();
    for (arguments, expected) in [
        (vec!["hostile.svg", "-o", "b.svg"], "entities"),
        (vec!["none.svg", "-o", "b.svg"], "none.svg cannot be read"),
        (
            vec!["a.svg", "-o", "b.pdf"],
            "`pdf` is not a format for plotters",
        ),
        (
            vec!["a.svg", "-o", "./a.svg"],
            "is the drawing itself; give the plot another name",
        ),
        (
            vec!["a.svg", "-o", "b.svg", "--paper", "b9"],
            "`b9` is not a paper size",
        ),
        (
            vec!["a.svg", "-o", "b.svg", "--margin", "200"],
            "a margin of 200 mm is not possible",
        ),
        (
            vec!["a.svg", "-o", "b.svg", "--pens", "ink"],
            "`ink` is not a pen",
        ),
        (
            vec!["a.svg", "-o", "b.svg", "--pen-width", "0"],
            "--pen-width 0 is not possible",
        ),
        (
            vec!["a.svg", "-o", "b.svg", "--draw-speed", "NaN"],
            "--draw-speed NaN is not possible",
        ),
    ] {
        let (output, errors) = plot(&arguments, folder.path());
        assert!(!output.status.success(), "{arguments:?}");
        assert!(errors.contains(expected), "{arguments:?}: {errors}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
        let kept = std::fs::read_to_string(folder.path().join("a.svg"));
        assert_eq!(kept.unwrap(), drawing());
    }
}
