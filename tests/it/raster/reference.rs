//! A slow reference rasterizer with another method: many rows of samples in each pixel, with the exact intervals
//! that every stroke covers.

use clipdraw::scene::{Canvas, Picture, Point, Strokes};
use rayon::prelude::*;

/// Straight pieces of every segment.
const PIECES: u32 = 48;

type Interval = [f64; 2];

/// The picture of strokes that are unions of discs along their curves, with `rows` rows of samples
/// to a pixel: `[3, H, W]` in row-major order.
pub(crate) fn values(strokes: &Strokes, canvas: &Canvas, rows: u32) -> Vec<f64> {
    let (width, height) = (canvas.width as usize, canvas.height as usize);
    let lines: Vec<Vec<[f64; 2]>> = (0..strokes.len())
        .map(|stroke| center_line(strokes.points_of(stroke)))
        .collect();
    let bands: Vec<Vec<[f64; 3]>> = (0..height)
        .into_par_iter()
        .map(|y| {
            let mut pixels = vec![[0.0; 3]; width];
            for row in 0..rows {
                let level = y as f64 + (f64::from(row) + 0.5) / f64::from(rows);
                add_row(
                    &mut pixels,
                    &row_intervals(strokes, &lines, level),
                    strokes,
                    canvas,
                );
            }
            let share = 1.0 / f64::from(rows);
            pixels
                .iter()
                .map(|pixel| pixel.map(|value| value * share))
                .collect()
        })
        .collect();
    (0..3)
        .flat_map(|channel| bands.iter().flatten().map(move |pixel| pixel[channel]))
        .collect()
}

/// The same as a picture.
pub(crate) fn picture(strokes: &Strokes, canvas: &Canvas, rows: u32) -> Picture {
    let values = values(strokes, canvas, rows)
        .iter()
        .map(|value| *value as f32)
        .collect();
    Picture::new(canvas.width as usize, canvas.height as usize, values)
}

fn center_line(points: &[Point]) -> Vec<[f64; 2]> {
    let mut line = vec![points[0].map(f64::from)];
    for segment in points.windows(4).step_by(3) {
        for piece in 1..=PIECES {
            let t = f64::from(piece) / f64::from(PIECES);
            let s = 1.0 - t;
            let weights = [s * s * s, 3.0 * s * s * t, 3.0 * s * t * t, t * t * t];
            line.push([0, 1].map(|axis| {
                (0..4)
                    .map(|index| weights[index] * f64::from(segment[index][axis]))
                    .sum()
            }));
        }
    }
    line
}

/// Every stroke that crosses the row, with the parts of the row that it covers.
fn row_intervals(
    strokes: &Strokes,
    lines: &[Vec<[f64; 2]>],
    level: f64,
) -> Vec<(usize, Vec<Interval>)> {
    let mut all = Vec::new();
    for (stroke, line) in lines.iter().enumerate() {
        let half_width = f64::from(strokes.half_widths[stroke]);
        let mut intervals: Vec<Interval> = line
            .windows(2)
            .filter(|ends| {
                let (top, bottom) = (ends[0][1].min(ends[1][1]), ends[0][1].max(ends[1][1]));
                top - half_width < level && level < bottom + half_width
            })
            .filter_map(|ends| capsule_interval(ends[0], ends[1], half_width, level))
            .collect();
        intervals.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let mut merged: Vec<Interval> = Vec::new();
        for interval in intervals {
            match merged.last_mut() {
                Some(last) if interval[0] <= last[1] => last[1] = last[1].max(interval[1]),
                _ => merged.push(interval),
            }
        }
        if !merged.is_empty() {
            all.push((stroke, merged));
        }
    }
    all
}

/// Where a row crosses all discs along a straight piece.
fn capsule_interval(
    start: [f64; 2],
    end: [f64; 2],
    half_width: f64,
    level: f64,
) -> Option<Interval> {
    let mut interval = [f64::INFINITY, f64::NEG_INFINITY];
    let mut add = |x: f64| interval = [interval[0].min(x), interval[1].max(x)];
    for center in [start, end] {
        let rise = level - center[1];
        if rise.abs() < half_width {
            let half = (half_width * half_width - rise * rise).sqrt();
            add(center[0] - half);
            add(center[0] + half);
        }
    }
    let (right, down) = (end[0] - start[0], end[1] - start[1]);
    let length = right.hypot(down).max(f64::MIN_POSITIVE);
    let across = [-down / length * half_width, right / length * half_width];
    let corner = |from: [f64; 2], side: f64| [0, 1].map(|axis| from[axis] + side * across[axis]);
    for [from, to] in [
        [corner(start, 1.0), corner(end, 1.0)],
        [corner(start, -1.0), corner(end, -1.0)],
    ] {
        let part = (level - from[1]) / (to[1] - from[1]);
        if (0.0..=1.0).contains(&part) {
            add(from[0] + part * (to[0] - from[0]));
        }
    }
    (interval[0] < interval[1]).then_some(interval)
}

/// Adds one row of samples, cut where a stroke starts or ends and blended between the cuts.
fn add_row(
    pixels: &mut [[f64; 3]],
    covers: &[(usize, Vec<Interval>)],
    strokes: &Strokes,
    canvas: &Canvas,
) {
    let width = pixels.len() as f64;
    let mut cuts = vec![0.0, width];
    let sides = covers
        .iter()
        .flat_map(|(_, intervals)| intervals.iter().flatten());
    cuts.extend(sides.copied().filter(|x| (0.0..width).contains(x)));
    cuts.sort_by(f64::total_cmp);
    for span in cuts.windows(2).filter(|span| span[0] < span[1]) {
        let middle = 0.5 * (span[0] + span[1]);
        let mut color = canvas.background.channels().map(f64::from);
        for (stroke, intervals) in covers {
            if intervals
                .iter()
                .any(|interval| interval[0] <= middle && middle <= interval[1])
            {
                let [red, green, blue, opacity] = strokes.colors[*stroke].map(f64::from);
                for (value, channel) in color.iter_mut().zip([red, green, blue]) {
                    *value = *value * (1.0 - opacity) + opacity * channel;
                }
            }
        }
        let last = (span[1].ceil() as usize).min(pixels.len());
        let first = span[0] as usize;
        for (x, pixel) in pixels[..last].iter_mut().enumerate().skip(first) {
            let part = span[1].min(x as f64 + 1.0) - span[0].max(x as f64);
            for (sum, channel) in pixel.iter_mut().zip(color) {
                *sum += part * channel;
            }
        }
    }
}
