//! Animations: SVG, GIF and WebP, on the command line and over HTTP.

use std::io::Cursor;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clipdraw::draw::{Frame, Losses};
use clipdraw::output::{
    AnimationEncoder, AnimationFormat, AnimationOptions, AnimationSize, AnimationStyle, Document,
    OutputFormat, Provenance,
};
use clipdraw::scene::start::random_strokes;
use clipdraw::scene::{Canvas, Strokes};
use image_webp::WebPDecoder;
use serde_json::Map;

use crate::support::command::run;
use crate::support::server::{Choices, TestServer, small};

fn canvas() -> Canvas {
    Canvas {
        width: 101,
        height: 64,
        ..Canvas::default()
    }
}

/// Frames in which some strokes move.
fn frames(count: usize) -> Vec<Frame> {
    let start = random_strokes(&canvas(), 12, 3);
    let moved = |step: usize| {
        let mut strokes: Strokes = start.clone();
        for point in &mut strokes.points[..8] {
            point[0] += step as f32;
        }
        Frame {
            step,
            strokes,
            losses: Losses::default(),
        }
    };
    (0..count).map(moved).collect()
}

fn provenance() -> Provenance {
    Provenance {
        model: "embedded".to_owned(),
        weights_sha256: String::new(),
        tensors: None,
        activation: None,
        device: "cpu".to_owned(),
        precision: "fp32".to_owned(),
        backend: None,
    }
}

/// The animation of some frames, and the PNG of the last one.
fn animated(
    format: AnimationFormat,
    style: AnimationStyle,
    frames: &[Frame],
) -> (Vec<u8>, Vec<u8>) {
    let options = AnimationOptions {
        format,
        style,
        scale: 1.0,
    };
    animated_on(&canvas(), options, frames)
}

/// The same on a canvas.
fn animated_on(canvas: &Canvas, options: AnimationOptions, frames: &[Frame]) -> (Vec<u8>, Vec<u8>) {
    let size = AnimationSize {
        canvas: *canvas,
        strokes: 12,
        frames: frames.len(),
    };
    let mut encoder = AnimationEncoder::new(Cursor::new(Vec::new()), &options, &size).unwrap();
    let (last, earlier) = frames.split_last().unwrap();
    for frame in earlier {
        encoder.add(&frame.strokes).unwrap();
    }
    let document = Document {
        frame: last,
        canvas,
        prompt: "a <fox>",
        inputs: &Map::new(),
        provenance: &provenance(),
        is_clean: false,
    };
    let bytes = encoder.finish(&document).unwrap().into_inner();
    assert!(bytes.len() as u64 <= options.estimate_bytes(&size, 7));
    (bytes, document.encode(OutputFormat::Png, 1.0).unwrap())
}

/// Red, green and blue of a PNG.
fn rgb_of(png: &[u8]) -> Vec<u8> {
    let pixels = tiny_skia::Pixmap::decode_png(png).unwrap();
    let pixels = pixels.pixels().iter();
    pixels
        .flat_map(|pixel| [pixel.red(), pixel.green(), pixel.blue()])
        .collect()
}

/// The number of frames of a WebP, the time of the last one in milliseconds, and its pixels.
fn decoded_webp(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).unwrap();
    assert_eq!(decoder.dimensions(), (101, 64));
    let count = decoder.num_frames();
    let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
    let mut last = 0;
    for _ in 0..count {
        last = decoder.read_frame(&mut pixels).unwrap();
    }
    (count, last, pixels)
}

/// The number of frames of a GIF, the time of the last one in milliseconds, and the pixels of the screen after it.
fn decoded_gif(bytes: &[u8]) -> (u32, u32, Vec<u8>) {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(bytes).unwrap();
    assert_eq!((decoder.width(), decoder.height()), (101, 64));
    let mut screen = vec![0; 101 * 64 * 3];
    let (mut count, mut last) = (0, 0);
    while let Some(frame) = decoder.read_next_frame().unwrap() {
        count += 1;
        last = u32::from(frame.delay) * 10;
        let (left, width) = (usize::from(frame.left), usize::from(frame.width));
        for (row, pixels) in frame.buffer.chunks(width * 4).enumerate() {
            for (column, pixel) in pixels.chunks(4).enumerate() {
                let at = ((row + usize::from(frame.top)) * 101 + left + column) * 3;
                screen[at..at + 3].copy_from_slice(&pixel[..3]);
            }
        }
    }
    (count, last, screen)
}

#[test]
fn a_webp_has_every_frame_and_ends_with_the_exact_drawing() {
    for (style, expected) in [
        (AnimationStyle::Timelapse, 5),
        (AnimationStyle::Strokes, 13),
    ] {
        let (bytes, png) = animated(AnimationFormat::Webp, style, &frames(5));
        let (count, last, pixels) = decoded_webp(&bytes);
        assert_eq!((count, last), (expected, 2000), "{style:?}");
        assert!(pixels == rgb_of(&png), "{style:?}");
    }
}

#[test]
fn a_gif_has_every_frame_and_ends_with_almost_the_drawing() {
    for (style, expected) in [
        (AnimationStyle::Timelapse, 5),
        (AnimationStyle::Strokes, 13),
    ] {
        let (bytes, png) = animated(AnimationFormat::Gif, style, &frames(5));
        let (count, last, pixels) = decoded_gif(&bytes);
        assert_eq!((count, last), (expected, 2000), "{style:?}");
        let differences = pixels
            .iter()
            .zip(rgb_of(&png))
            .map(|(a, b)| u32::from(a.abs_diff(b)));
        let mean = f64::from(differences.sum::<u32>()) / pixels.len() as f64;
        assert!(mean < 2.0, "{style:?}: {mean}");
    }
}

#[test]
fn without_a_background_the_pixels_without_strokes_are_transparent() {
    let canvas = Canvas {
        is_transparent: true,
        ..canvas()
    };
    let frames = frames(4);
    for style in [AnimationStyle::Timelapse, AnimationStyle::Strokes] {
        for format in [AnimationFormat::Webp, AnimationFormat::Gif] {
            let options = AnimationOptions {
                format,
                style,
                scale: 1.0,
            };
            let (bytes, png) = animated_on(&canvas, options, &frames);
            let png = tiny_skia::Pixmap::decode_png(&png).unwrap();
            let expected: Vec<[u8; 4]> = png
                .pixels()
                .iter()
                .map(tiny_skia::PremultipliedColorU8::demultiply)
                .map(|color| [color.red(), color.green(), color.blue(), color.alpha()])
                .collect();
            let found = last_rgba(format, &bytes);
            let clear = expected.iter().filter(|pixel| pixel[3] == 0).count();
            assert!(clear > 500 && clear < expected.len() - 100, "{clear}");
            for (found, expected) in found.iter().zip(&expected) {
                if format == AnimationFormat::Webp {
                    assert!(found == expected || (found[3] == 0 && expected[3] == 0));
                    continue;
                }
                // On white, and of a few colours.
                assert_eq!(found[3], if expected[3] == 0 { 0 } else { 255 });
                for channel in (0..3).filter(|_| expected[3] > 0) {
                    let opacity = f64::from(expected[3]) / 255.0;
                    let on_white = f64::from(expected[channel]) * opacity + 255.0 * (1.0 - opacity);
                    assert!((f64::from(found[channel]) - on_white).abs() < 48.0);
                }
            }
        }
    }
}

/// The pixels of the last frame, where every frame of a GIF is a whole picture.
fn last_rgba(format: AnimationFormat, bytes: &[u8]) -> Vec<[u8; 4]> {
    if format == AnimationFormat::Gif {
        let mut options = gif::DecodeOptions::new();
        options.set_color_output(gif::ColorOutput::RGBA);
        let mut decoder = options.read_info(bytes).unwrap();
        let mut last = Vec::new();
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            assert_eq!((frame.width, frame.height), (101, 64));
            assert_eq!(frame.dispose, gif::DisposalMethod::Background);
            last = frame.buffer.to_vec();
        }
        return last.as_chunks::<4>().0.to_vec();
    }
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).unwrap();
    assert!(decoder.has_alpha());
    let mut pixels = vec![0; decoder.output_buffer_size().unwrap()];
    for _ in 0..decoder.num_frames() {
        decoder.read_frame(&mut pixels).unwrap();
    }
    pixels.as_chunks::<4>().0.to_vec()
}

#[test]
fn an_animated_svg_has_no_script_and_shows_the_drawing_where_smil_is_unknown() {
    for style in [AnimationStyle::Timelapse, AnimationStyle::Strokes] {
        let (bytes, png) = animated(AnimationFormat::Svg, style, &frames(5));
        let svg = String::from_utf8(bytes).unwrap();
        let document = roxmltree::Document::parse(&svg).unwrap();
        let count = |name: &str| {
            let mut nodes = document.descendants();
            nodes
                .by_ref()
                .filter(|node| node.has_tag_name(name))
                .count()
        };
        assert_eq!((count("script"), count("path")), (0, 12));
        let moves = document
            .descendants()
            .filter(|node| node.has_tag_name("animate"));
        let attributes = ["values", "keyTimes"];
        for animate in moves {
            let [values, times] =
                attributes.map(|name| animate.attribute(name).unwrap().split(';').count());
            assert_eq!(values, times);
        }
        // Only strokes that move are animated in a timelapse.
        assert!(
            count("animate")
                >= if style == AnimationStyle::Strokes {
                    12
                } else {
                    1
                }
        );
        let shown = clipdraw::output::svg_to_png(&svg, 1.0).unwrap();
        assert!(shown == png, "{style:?}");
    }
}

#[test]
fn the_same_frames_give_the_same_bytes_and_many_frames_a_bounded_number() {
    for format in AnimationFormat::ALL {
        let style = AnimationStyle::Timelapse;
        let bytes = animated(format, style, &frames(5)).0;
        assert!(bytes == animated(format, style, &frames(5)).0, "{format:?}");
    }
    let (bytes, _) = animated(
        AnimationFormat::Webp,
        AnimationStyle::Timelapse,
        &frames(1500),
    );
    assert_eq!(
        decoded_webp(&bytes).0,
        501,
        "every third of 1499 frames, and the last one"
    );
}

const SMALL: [&str; 7] = [
    "predict",
    "-i",
    "num_iterations=4",
    "-i",
    "num_paths=8",
    "-i",
    "seed=3",
];

fn predict(arguments: &[&str], folder: &Path) -> (bool, String) {
    let (output, errors) = run(&[&SMALL, arguments].concat(), folder);
    (output.status.success(), errors)
}

#[test]
fn the_command_writes_animations_by_extension_option_and_input() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    for arguments in [
        vec!["-o", "a.gif"],
        vec!["-o", "a.webp", "-i", "animation_style=strokes"],
        vec!["-o", "b.svg", "--animation", "b-move.svg"],
        vec!["-o", "c.svg", "-i", "animation=gif"],
    ] {
        let (success, errors) = predict(&arguments, folder.path());
        assert!(success, "{errors}");
        assert!(!errors.contains("(unfinished)"), "{errors}");
    }
    assert!(read("a.gif").starts_with(b"GIF89a"));
    assert!(read("a.webp").starts_with(b"RIFF"));
    assert!(
        read("b.svg").starts_with(b"<svg")
            && !read("b.svg").windows(8).any(|part| part == b"<animate")
    );
    assert!(
        read("b-move.svg")
            .windows(8)
            .any(|part| part == b"<animate")
    );
    assert!(
        read("c-animation.gif") == read("a.gif"),
        "the same seed gives the same bytes"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 6);
}

#[test]
fn frames_are_numbered_and_those_of_another_drawing_stay_without_permission() {
    let folder = tempfile::tempdir().unwrap();
    let names = || {
        let entries = std::fs::read_dir(folder.path().join("all")).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let draw = |frequency: &'static str, more: &[&'static str]| {
        let arguments = ["-o", "a.png", "--frames", "all", "-i", frequency];
        predict(&[&arguments[..], more].concat(), folder.path())
    };
    let (success, errors) = draw("display_frequency=2", &[]);
    assert!(success, "{errors}");
    let three = ["frame-00000.png", "frame-00001.png", "frame-00002.png"];
    assert_eq!(names(), three);
    let (success, errors) = draw("display_frequency=4", &[]);
    assert!(!success, "{errors}");
    assert!(errors.contains("--overwrite deletes them"), "{errors}");
    assert_eq!(names(), three);
    let (success, errors) = draw("display_frequency=4", &["--overwrite"]);
    assert!(success, "{errors}");
    assert_eq!(names(), three[..2]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_the_animation_comes_before_the_finished_drawing() {
    let server = TestServer::start(Choices::default()).await;
    for (name, media_type) in [
        ("svg", "image/svg+xml"),
        ("gif", "image/gif"),
        ("webp", "image/webp"),
    ] {
        let mut without = small("a cat");
        without["input"]["seed"] = 3.into();
        let mut with = without.clone();
        with["input"]["animation"] = name.into();
        let plain = server.post(&without).await.json();
        let animated = server.post(&with).await.json();
        let count = plain["output"].as_array().unwrap().len();
        let files = animated["output"].as_array().unwrap();
        assert_eq!(files.len(), count + 1);
        let animation = files[count - 1].as_str().unwrap();
        let start = format!("data:{media_type};base64,");
        let base64 = animation.strip_prefix(&start).unwrap();
        assert!(STANDARD.decode(base64).unwrap().len() > 100);
        let last = files[count].as_str().unwrap();
        assert!(last.starts_with("data:image/svg+xml;base64,"), "{name}");
    }
}
