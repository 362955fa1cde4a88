//! Ink, colours and paper: what is fixed, where colours end, and what a file leaves out.

use std::collections::BTreeSet;

use clipdraw::clip::{Clip, ClipConfig, WeightsSource};
use clipdraw::draw::objective::PaletteSpec;
use clipdraw::draw::{Frame, Ink, Losses, Spec};
use clipdraw::inputs::Input;
use clipdraw::output::{Document, OutputFormat, Provenance};
use clipdraw::render::cpu::raster::{paint, visible};
use clipdraw::scene::start::random_strokes;
use clipdraw::scene::{Canvas, Rgb, Strokes};
use resvg::tiny_skia::Pixmap;
use serde_json::json;
use tch::{Device, Kind};

use crate::draw::{draw, spec};

fn tiny() -> Clip {
    Clip::random(ClipConfig::tiny_transformer(), 1, Device::Cpu, Kind::Float).unwrap()
}

/// The colours of strokes as a file has them.
fn colors(strokes: &Strokes) -> BTreeSet<String> {
    let colors = strokes.colors.iter();
    let nearest = colors.map(|[red, green, blue, _]| Rgb::nearest([*red, *green, *blue]));
    nearest.map(|color| color.to_string()).collect()
}

/// How far the colours of a frame are from the nearest of `palette`, at most.
fn farthest(frame: &Frame, palette: &[Rgb]) -> f32 {
    let distance = |color: &[f32; 4], near: &Rgb| {
        let near = near.channels();
        (0..3)
            .map(|channel| (color[channel] - near[channel]).abs())
            .fold(0.0, f32::max)
    };
    let of_stroke = frame.strokes.colors.iter().map(|color| {
        palette
            .iter()
            .map(|near| distance(color, near))
            .fold(f32::MAX, f32::min)
    });
    of_stroke.fold(0.0, f32::max)
}

#[test]
fn strokes_end_exactly_on_a_palette_without_a_jump() {
    let palette = ["#e63946", "#f1faee", "#1d3557"].map(|color| color.parse::<Rgb>().unwrap());
    let clip = Clip::load(&WeightsSource::Embedded, Device::Cpu, Kind::Float).unwrap();
    let mut with_palette = spec(&[("a red fox", 1.0)], 40);
    with_palette.steps_per_frame = 1;
    with_palette.objective.palette = Some(PaletteSpec::Given(palette.to_vec()));
    let frames = draw(&clip, with_palette.clone());
    let distances: Vec<f32> = frames
        .iter()
        .map(|frame| farthest(frame, &palette))
        .collect();
    assert!(distances[0] > 0.2, "{distances:?}");
    assert_eq!(distances[40], 0.0, "{distances:?}");
    // The last step is not a jump: the one before it has brought the colours close.
    assert!(distances[39] < 0.01, "{distances:?}");
    let values: Vec<_> = frames
        .iter()
        .map(|frame| frame.losses.value("palette"))
        .collect();
    assert!(
        values[0] > Some(0.01) && values[40] == Some(0.0),
        "{values:?}"
    );
    assert_eq!(draw(&clip, with_palette).pop(), frames.last().cloned());
    // Points do not care.
    let free = draw(&clip, spec(&[("a red fox", 1.0)], 40));
    assert_eq!(free[0].strokes, frames[0].strokes);
    assert_eq!(free[0].losses.value("palette"), None);
}

#[test]
fn a_drawing_finds_as_many_colours_as_it_may_have() {
    let clip = tiny();
    for max in [1, 4] {
        let mut limited = spec(&[("a", 1.0)], 30);
        limited.objective.palette = Some(PaletteSpec::Found(max));
        let frames = draw(&clip, limited.clone());
        assert_eq!(colors(&frames[0].strokes).len(), 24);
        let last = frames.last().unwrap();
        assert_eq!(colors(&last.strokes).len(), max);
        assert_eq!(draw(&clip, limited).last(), Some(last));
    }
}

#[test]
fn fixed_numbers_stay_and_the_rest_moves() {
    let clip = tiny();
    let width = Some(0.5);
    let color = Some(Rgb::BLACK);
    for ink in [
        Ink {
            opacity: Some(1.0),
            ..Ink::default()
        },
        Ink {
            color,
            opacity: Some(1.0),
            width,
        },
    ] {
        let frames = draw(
            &clip,
            Spec {
                ink,
                ..spec(&[("a", 1.0)], 10)
            },
        );
        let free = draw(&clip, spec(&[("a", 1.0)], 10));
        assert_eq!(frames[0].strokes.points, free[0].strokes.points);
        for frame in &frames {
            assert!(frame.strokes.colors.iter().all(|color| color[3] == 1.0));
            if ink.width.is_some() {
                assert!(frame.strokes.half_widths.iter().all(|half| *half == 0.25));
                assert_eq!(colors(&frame.strokes).len(), 1);
            }
        }
        let [first, last] = [0, frames.len() - 1].map(|index| &frames[index].strokes);
        assert_ne!(first.points, last.points);
        assert_eq!(first.colors == last.colors, ink.color.is_some());
    }
}

/// Strokes of which many are covered or hardly opaque.
fn layered(canvas: &Canvas, seed: u64) -> Strokes {
    let mut strokes = random_strokes(canvas, 300, seed);
    for stroke in 0..strokes.len() {
        strokes.half_widths[stroke] = 1.0 + (stroke * 7 % 23) as f32;
        let opacity = &mut strokes.colors[stroke][3];
        *opacity = match stroke % 5 {
            0 | 1 => 1.0,
            2 => 0.01 * *opacity,
            _ => *opacity,
        };
    }
    strokes
}

fn select(strokes: &Strokes, is_visible: &[bool]) -> Strokes {
    let kept = (0..strokes.len()).filter(|stroke| is_visible[*stroke]);
    strokes.select(&kept.collect::<Vec<_>>())
}

#[test]
fn without_strokes_that_do_not_show_the_picture_is_the_same_within_a_255th() {
    let canvas = Canvas {
        width: 150,
        height: 101,
        ..Canvas::default()
    };
    for seed in 0..6 {
        let all = layered(&canvas, seed);
        let kept = select(&all, &visible(&all, &canvas, 1.0 / 255.0));
        assert!(kept.len() < 250 && kept.len() > 50, "{}", kept.len());
        let [before, after] = [&all, &kept].map(|strokes| paint(strokes, &canvas).into_picture());
        let pairs = before.values().iter().zip(after.values());
        let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(largest <= 1.001 / 255.0, "{seed}: {largest}");
        // What is left shows.
        assert_eq!(
            visible(&kept, &canvas, 0.0)
                .iter()
                .filter(|shows| !**shows)
                .count(),
            0
        );
    }
}

#[test]
fn covered_faint_and_distant_strokes_do_not_show() {
    let line = |y: f32| [[10.0, y], [20.0, y], [30.0, y], [40.0, y]];
    let mut strokes = Strokes::new();
    strokes.push(&line(20.0), 2.0, [1.0, 0.0, 0.0, 1.0]);
    strokes.push(&line(22.0), 12.0, [0.0, 0.0, 1.0, 1.0]);
    strokes.push(&line(-50.0), 12.0, [0.0, 0.0, 1.0, 1.0]);
    strokes.push(&line(60.0), 3.0, [0.0, 0.0, 0.0, 0.003]);
    strokes.push(&line(60.0), 3.0, [0.0, 0.0, 0.0, 0.003]);
    strokes.push(&line(70.0), 3.0, [0.0, 0.0, 0.0, 0.0]);
    let found = visible(&strokes, &Canvas::default(), 1.0 / 255.0);
    // Of two faint strokes at one place only one is left out, because both together would show.
    assert_eq!(found, [false, true, false, true, false, false]);
}

fn document<'a>(input: &'a Input, frame: &'a Frame, provenance: &'a Provenance) -> Document<'a> {
    input.document(frame, provenance)
}

fn provenance() -> Provenance {
    Provenance {
        model: "tiny".to_owned(),
        weights_sha256: String::new(),
        tensors: None,
        activation: None,
        device: "cpu".to_owned(),
        precision: "fp32".to_owned(),
        backend: None,
    }
}

fn frame(strokes: Strokes, step: usize) -> Frame {
    Frame {
        step,
        strokes,
        losses: Losses::default(),
    }
}

fn input(values: serde_json::Value) -> Input {
    let serde_json::Value::Object(values) = values else {
        panic!("inputs are an object");
    };
    Input::from_values(&values).unwrap()
}

#[test]
fn only_the_finished_drawing_is_cleaned_and_its_png_is_the_same_within_one_step() {
    let strokes = layered(&Canvas::default(), 9);
    let [clean, plain] =
        [true, false].map(|clean| input(json!({"clean": clean, "num_iterations": 7, "seed": 1})));
    let provenance = provenance();
    let paths = |input: &Input, step| {
        let svg = document(input, &frame(strokes.clone(), step), &provenance).to_svg();
        svg.matches("<path ").count()
    };
    assert_eq!(paths(&plain, 7), 300);
    assert_eq!(paths(&clean, 6), 300);
    assert!(paths(&clean, 7) < 250);
    let last = frame(strokes.clone(), 7);
    let [before, after] = [&plain, &clean].map(|input| {
        let png = document(input, &last, &provenance).encode(OutputFormat::Png, 1.0);
        Pixmap::decode_png(&png.unwrap()).unwrap()
    });
    let pairs = before.data().iter().zip(after.data());
    let largest = pairs.map(|(a, b)| a.abs_diff(*b)).max();
    assert!(largest <= Some(1), "{largest:?}");
}

#[test]
fn without_a_background_the_svg_has_no_rectangle_and_the_png_is_transparent() {
    let mut strokes = Strokes::new();
    strokes.push(
        &[[50.0, 50.0], [60.0, 50.0], [70.0, 50.0], [80.0, 50.0]],
        8.0,
        [1.0, 0.0, 0.0, 1.0],
    );
    let last = frame(strokes, 7);
    let provenance = provenance();
    for (background, alpha) in [("none", 0), ("#ffffff", 255)] {
        let input = input(json!({"background": background, "seed": 1}));
        let document = document(&input, &last, &provenance);
        assert_eq!(document.to_svg().contains("<rect"), alpha > 0);
        let png = document.encode(OutputFormat::Png, 1.0).unwrap();
        let pixels = Pixmap::decode_png(&png).unwrap();
        assert_eq!(pixels.pixel(5, 5).unwrap().alpha(), alpha);
        assert_eq!(pixels.pixel(65, 50).unwrap().alpha(), 255);
    }
}
