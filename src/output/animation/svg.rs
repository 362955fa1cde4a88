//! Animated SVG, without a script: the attributes of each stroke change with time (SMIL). Viewers that do not know SMIL
//! show the finished drawing.

use std::io;

use quick_xml::Writer;

use super::options::{FRAME_MILLISECONDS, LAST_MILLISECONDS};
use crate::output::format::{Metadata, PathAttributes, write_with_strokes};
use crate::scene::{Canvas, Strokes};

/// The strokes of one frame as they are written.
pub(super) type FrameAttributes = Vec<PathAttributes>;

/// The attributes of all strokes.
pub(super) fn attributes_of(strokes: &Strokes) -> FrameAttributes {
    (0..strokes.len())
        .map(|stroke| PathAttributes::new(strokes, stroke))
        .collect()
}

/// Writes all frames, of which the last is the finished drawing, as strokes that move.
pub(super) fn write_timelapse(
    frames: &[FrameAttributes],
    canvas: &Canvas,
    metadata: &Metadata,
) -> io::Result<Vec<u8>> {
    let mut document = Vec::new();
    let Some(last) = frames.last() else {
        return Ok(document);
    };
    let timing = Timing::new(frames.len() - 1);
    write_with_strokes(&mut document, canvas, Some(metadata), &mut |xml| {
        for (stroke, finished) in last.iter().enumerate() {
            xml.create_element("path")
                .with_attributes(finished.pairs())
                .write_inner_content(|xml| {
                    for (index, name) in PathAttributes::NAMES.iter().enumerate() {
                        let values = frames.iter().map(|frame| &frame[stroke].values()[index]);
                        write_animation(xml, name, values, &timing)?;
                    }
                    Ok(())
                })?;
        }
        Ok(())
    })?;
    Ok(document)
}

/// The times of the frames of a timelapse.
struct Timing {
    duration: String,
    key_times: String,
}

impl Timing {
    /// Times for `moves` changes from one frame to the next.
    fn new(moves: usize) -> Self {
        let moving = moves as f64 * f64::from(FRAME_MILLISECONDS);
        let total = moving + f64::from(LAST_MILLISECONDS);
        let time = |frame: usize| frame as f64 * f64::from(FRAME_MILLISECONDS) / total;
        let times = (0..=moves).map(|frame| format!("{:.5}", time(frame)));
        let times: Vec<String> = times.chain(["1".to_owned()]).collect();
        Self {
            duration: seconds(total),
            key_times: times.join(";"),
        }
    }
}

fn seconds(milliseconds: f64) -> String {
    format!("{}s", milliseconds / 1000.0)
}

fn write_animation<'a>(
    xml: &mut Writer<&mut Vec<u8>>,
    name: &str,
    values: impl Iterator<Item = &'a String>,
    timing: &Timing,
) -> io::Result<()> {
    let mut values: Vec<&str> = values.map(String::as_str).collect();
    if values.iter().all(|value| *value == values[0]) {
        return Ok(());
    }
    // The finished drawing stays for a while.
    values.push(values[values.len() - 1]);
    xml.create_element("animate")
        .with_attribute(("attributeName", name))
        .with_attribute(("values", values.join(";").as_str()))
        .with_attribute(("keyTimes", timing.key_times.as_str()))
        .with_attribute(("dur", timing.duration.as_str()))
        .with_attribute(("repeatCount", "indefinite"))
        .write_empty()?;
    Ok(())
}

/// Writes a drawing whose strokes appear one after the other.
pub(super) fn write_strokes(
    strokes: &Strokes,
    canvas: &Canvas,
    metadata: &Metadata,
) -> io::Result<Vec<u8>> {
    let mut document = Vec::new();
    let appearing = strokes.len() as f64 * f64::from(FRAME_MILLISECONDS);
    let total = appearing + f64::from(LAST_MILLISECONDS);
    write_with_strokes(&mut document, canvas, Some(metadata), &mut |xml| {
        for stroke in 0..strokes.len() {
            let appears = (stroke + 1) as f64 * f64::from(FRAME_MILLISECONDS) / total;
            xml.create_element("path")
                .with_attributes(PathAttributes::new(strokes, stroke).pairs())
                .write_inner_content(|xml| {
                    xml.create_element("animate")
                        .with_attribute(("attributeName", "visibility"))
                        .with_attribute(("values", "hidden;visible"))
                        .with_attribute(("keyTimes", format!("0;{appears:.5}").as_str()))
                        .with_attribute(("calcMode", "discrete"))
                        .with_attribute(("dur", seconds(total).as_str()))
                        .with_attribute(("repeatCount", "indefinite"))
                        .write_empty()?;
                    Ok(())
                })?;
        }
        Ok(())
    })?;
    Ok(document)
}
