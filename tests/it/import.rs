//! Files that callers give: what is read from them, and what is refused.

use std::fs;

use clipdraw::errors::chain;
use clipdraw::import::{ImportedStrokes, decode_picture, read_strokes};
use clipdraw::scene::{Canvas, Rgb};

use crate::file_inputs::png;

pub(crate) fn svg(attributes: &str, content: &str) -> String {
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {attributes}>{content}</svg>"#
    )
}

/// The strokes in a picture of 100 x 50.
fn strokes(content: &str) -> ImportedStrokes {
    read_strokes(svg("width=\"100\" height=\"50\"", content).as_bytes()).unwrap()
}

fn refused(text: &str) -> String {
    chain(&read_strokes(text.as_bytes()).unwrap_err())
}

/// Where a stroke of one cubic segment is at a parameter from 0 to 1.
fn at(points: &[[f32; 2]], t: f32) -> [f32; 2] {
    let s = 1.0 - t;
    let weights = [s * s * s, 3.0 * s * s * t, 3.0 * s * t * t, t * t * t];
    [0, 1].map(|axis| {
        let parts = points.iter().zip(weights);
        parts.map(|(point, weight)| weight * point[axis]).sum()
    })
}

fn assert_near(found: [f32; 2], expected: [f32; 2]) {
    let distance = (found[0] - expected[0]).hypot(found[1] - expected[1]);
    assert!(distance < 0.02, "{found:?}, expected {expected:?}");
}

#[test]
fn lines_and_curves_become_cubic_segments_at_the_same_place() {
    let imported = strokes(
        r#"<g stroke="black" fill="none"><path d="M0 0L10 20"/><path d="M0 0Q10 20 20 0"/><path d="M10 0A10 10 0 0 1 20 10"/></g>"#,
    );
    let strokes = &imported.strokes;
    assert_eq!(strokes.len(), 3);
    assert_near(at(strokes.points_of(0), 0.5), [5.0, 10.0]);
    assert_near(at(strokes.points_of(1), 0.5), [10.0, 10.0]);
    let arc = strokes.points_of(2);
    assert_near(arc[0], [10.0, 0.0]);
    assert_near(arc[arc.len() - 1], [20.0, 10.0]);
    for [x, y] in [at(&arc[..4], 0.0), at(&arc[..4], 0.5), at(&arc[..4], 1.0)] {
        let radius = (x - 10.0).hypot(y - 10.0);
        assert!((radius - 10.0).abs() < 0.05, "{radius}");
    }
}

#[test]
fn a_closed_path_returns_to_its_start_and_long_paths_are_divided() {
    let imported = strokes(r#"<path d="M1 1H9V9H1Z" stroke="black" fill="none"/>"#);
    let strokes = &imported.strokes;
    assert_eq!(strokes.len(), 2);
    assert_eq!(strokes.points_of(0).len(), 10);
    let last = strokes.points_of(1);
    for (found, expected) in last.iter().zip([9.0, 6.333, 3.667, 1.0]) {
        assert_near(*found, [1.0, expected]);
    }
    assert_eq!(last.len(), 4);
    assert_eq!(
        imported.notes,
        [
            "1 stroke got round ends and corners",
            "1 path was divided into strokes of at most three segments"
        ]
    );
}

#[test]
fn colors_widths_opacities_and_transforms_are_kept() {
    let imported = strokes(
        r#"<g transform="translate(10 5) scale(2)" opacity="0.5"><path d="M0 0L10 0" style="stroke:#ff8000;stroke-opacity:0.5;stroke-width:3"/></g>"#,
    );
    let strokes = &imported.strokes;
    assert_near(strokes.points_of(0)[3], [30.0, 5.0]);
    assert_eq!(strokes.half_widths, [3.0]);
    let [red, green, blue, opacity] = strokes.colors[0];
    assert_eq!(Rgb::nearest([red, green, blue]).to_string(), "#ff8000");
    assert!((opacity - 0.25).abs() < 1e-3, "{opacity}");
}

#[test]
fn what_strokes_cannot_show_is_changed_or_left_out_with_a_note() {
    let imported = strokes(
        r##"<linearGradient id="g"><stop stop-color="#f00"/><stop offset="1" stop-color="#00f"/></linearGradient>
        <rect width="100" height="50" fill="#eee"/>
        <rect x="1" y="1" width="8" height="8" fill="url(#g)"/>
        <path d="M0 0L9 9" stroke="red" stroke-dasharray="1 1" fill="blue"/>
        <path d="M0 0L9e6 9" stroke="red"/>
        <text>a fox</text><image width="9" height="9" href="fox.png"/>"##,
    );
    assert_eq!(
        imported.notes,
        [
            "1 rectangle behind everything was taken for the paper",
            "1 filled shape became an outline",
            "1 gradient or pattern became its mean colour",
            "1 dashed stroke became solid",
            "2 strokes got round ends and corners",
            "1 stroke far outside of the picture was left out",
            "1 text was left out; convert it to paths",
            "1 image was left out",
            "1 path was divided into strokes of at most three segments",
        ]
    );
    assert_eq!(imported.strokes.colors[0], [0.5, 0.0, 0.5, 1.0]);
}

#[test]
fn a_file_fits_on_the_canvas_in_its_middle() {
    let imported = strokes(r#"<path d="M0 0L100 50" stroke="black" stroke-width="2"/>"#);
    let strokes = imported.on_canvas(&Canvas::default());
    assert_near(strokes.points_of(0)[0], [0.0, 56.0]);
    assert_near(strokes.points_of(0)[3], [224.0, 168.0]);
    assert!((strokes.half_widths[0] - 2.24).abs() < 1e-5);
}

#[test]
fn the_paths_of_clipdraw_interactive_are_read() {
    let json = r#"[{"points":[[1,2],[3,4],[5,6],[7,8],[9,8],[9,7],[9,6]],"num_control_points":[2.0,2.0],"stroke_width":1.5,"stroke_color":[0.1,0.2,0.3,1.00001]}]"#;
    let imported = read_strokes(json.as_bytes()).unwrap();
    let strokes = imported.on_canvas(&Canvas::default());
    assert_eq!(strokes.points_of(0).len(), 7);
    assert_eq!(strokes.points_of(0)[6], [9.0, 6.0]);
    assert_eq!(strokes.half_widths, [1.5]);
    assert_eq!(strokes.colors, [[0.1, 0.2, 0.3, 1.0]]);
    for (json, expected) in [
        ("[{}]", "missing field"),
        ("[]", "it has no strokes"),
        (
            r#"[{"points":[[1,2]],"num_control_points":[2.0],"stroke_width":1,"stroke_color":[0,0,0,0]}]"#,
            "path 0 has 1 point and 1 segment;",
        ),
    ] {
        let error = refused(json);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn too_many_strokes_are_an_error_that_says_how_many() {
    let content: Vec<String> = (0..3000)
        .map(|x| format!(r#"<path d="M{x} 0v9" stroke="red"/>"#))
        .collect();
    let content = content.concat();
    let error = refused(&svg("width=\"3000\" height=\"9\"", &content));
    assert_eq!(error, "it has 3000 strokes; at most 2048 are allowed");
}

#[test]
fn a_hostile_svg_is_refused_before_it_costs_much() {
    let doubled: Vec<String> = (1..40)
        .map(|level| {
            let below = level - 1;
            format!(r##"<g id="u{level}"><use xlink:href="#u{below}"/><use xlink:href="#u{below}"/></g>"##)
        })
        .collect();
    let doubled = doubled.concat();
    let uses = format!(r#"<defs><g id="u0"><path d="M0 0h9" stroke="red"/></g>{doubled}</defs>"#);
    let long_path = format!(
        r#"<path d="M0 0{}" stroke="red" marker-mid="url(#m)"/>"#,
        "L1 1".repeat(100_000)
    );
    let inherited = format!(
        r#"<style>g{{marker-mid:url(#m)}}</style><g><path d="M0 0{}"/></g>"#,
        "L1 1".repeat(100_000)
    );
    let marker = r#"<marker id="m"><path d="M0 0h1"/><path d="M0 0h1"/></marker>"#;
    let chain: Vec<String> = (1..1000)
        .map(|level| format!(r##"<g id="c{level}"><use href="#c{}"/></g>"##, level - 1))
        .collect();
    let chain = chain.concat();
    let rules = "a,".repeat(20_000);
    let size = "width=\"9\" height=\"9\"";
    let entities = format!(
        "<!DOCTYPE svg [<!ENTITY a \"{}\">]>{}",
        "a".repeat(100_000),
        svg(size, &format!("<title>{}</title>", "&a;".repeat(1000)))
    );
    for (text, expected) in [
        (
            svg(size, &format!(r##"{uses}<use xlink:href="#u39"/>"##)),
            "elements",
        ),
        (svg(size, &format!("{marker}{long_path}")), "elements"),
        (svg(size, &format!("{marker}{inherited}")), "elements"),
        (svg(size, &chain), "within each other"),
        (
            svg(size, &("<g>".repeat(5000) + &"</g>".repeat(5000))),
            "within each other",
        ),
        (svg(size, &"<g/>".repeat(210_000)), "it is not an SVG"),
        (
            svg(size, &format!("<style>{rules}b{{fill:red}}</style>")),
            "style rules",
        ),
        (entities, "entities"),
        ("<svg".repeat(9), "it is not an SVG"),
        (" ".repeat(11 << 20), "more than 10485760 bytes"),
    ] {
        let began = std::time::Instant::now();
        let error = refused(&text);
        assert!(error.contains(expected), "{error}");
        assert!(began.elapsed().as_secs() < 5, "{error}");
    }
}

#[test]
fn an_svg_whose_numbers_would_take_for_ever_is_refused() {
    let wide = r#"<path d="M0 0C1e9 0 1e9 1e9 5 5" stroke="red" stroke-width="1e9"/>"#;
    for (content, expected) in [
        (
            r#"<path d="M0 0A5 1e38 0 0 1 0 10Z" stroke="red"/>"#.to_owned(),
            "a number above 1e9",
        ),
        (wide.repeat(9000), "wider than 1e4"),
    ] {
        let error = refused(&svg("width=\"9\" height=\"9\"", &content));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn no_file_is_opened_for_an_svg() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fox.png");
    fs::write(&path, png()).unwrap();
    let content = format!(
        r#"<image width="9" height="9" xlink:href="{}"/><path d="M0 0h9" stroke="red"/>"#,
        path.display()
    );
    let picture = decode_picture(svg("width=\"9\" height=\"9\"", &content).as_bytes()).unwrap();
    // Only the line is there.
    let opaque = (0..512).filter(|y| picture.value(3, 256, *y) > 0).count();
    assert!((1..60).contains(&opaque), "{opaque}");
}

#[test]
fn pictures_are_decoded_with_their_opacity() {
    let picture = decode_picture(&png()).unwrap();
    assert_eq!((picture.width, picture.height, picture.channels), (2, 1, 4));
    assert_eq!(picture.values, [255, 0, 0, 0, 0, 255, 255, 128]);
    let on_white = picture.on_background(Rgb::WHITE);
    assert_eq!(on_white.pixel(0, 0), [1.0, 0.0, 0.0]);
    let [red, green, blue] = on_white.pixel(1, 0);
    assert!((red - 0.498).abs() < 1e-3 && red == green && blue == 1.0);
    let square = svg(
        "viewBox=\"0 0 2 1\"",
        r##"<rect width="2" height="1" fill="#f00"/>"##,
    );
    let picture = decode_picture(square.as_bytes()).unwrap();
    assert_eq!(
        (picture.width, picture.height, picture.channels),
        (1024, 512, 3)
    );
    assert_eq!(picture.value(0, 511, 255), 255);
}

#[test]
fn a_large_picture_is_reduced_by_the_mean_of_its_pixels() {
    let square = svg(
        "viewBox=\"0 0 2 1\"",
        r##"<rect width="1" height="1" fill="#f00"/><rect width="2" height="1" fill="#00f" fill-opacity="0"/>"##,
    );
    let picture = decode_picture(square.as_bytes()).unwrap().reduced(128);
    assert_eq!((picture.width, picture.height), (256, 128));
    assert_eq!(
        [0, 3].map(|channel| picture.value(channel, 127, 5)),
        [255, 255]
    );
    assert_eq!(picture.value(3, 128, 5), 0);
}

#[test]
fn a_hostile_picture_is_refused() {
    let size = "width=\"9\" height=\"9\"";
    let layers = r#"<g opacity="0.5"><path d="M0 0h9v9"/><path d="M0 1h9" stroke="red"/></g>"#;
    let filter = r#"<filter id="f"><feTurbulence numOctaves="900000000"/></filter><rect width="9" height="9" filter="url(#f)"/>"#;
    for (text, expected) in [
        (svg(size, filter), "filters"),
        (
            svg(size, &layers.repeat(9000)),
            "too many large shapes, layers",
        ),
        (
            svg(size, r#"<path d="M0 0L1e9 1e9" stroke="red"/>"#),
            "much larger than the picture",
        ),
        ("a fox".to_owned(), "it is not a PNG, JPEG, WebP or SVG"),
    ] {
        let error = decode_picture(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let bomb = fs::read("fuzz/corpus/import/png_of_claimed_size").unwrap();
    let error = decode_picture(&bomb).unwrap_err().to_string();
    assert!(
        error.contains("pixels") || error.contains("decoded"),
        "{error}"
    );
}

#[test]
fn a_picture_whose_end_is_missing_is_refused() {
    let pixels = image::RgbImage::from_fn(64, 48, |x, y| {
        let mix = (x * 7 + y * 13) % 251;
        image::Rgb([x as u8 * 3, y as u8 * 5, mix as u8])
    });
    for format in [
        image::ImageFormat::Jpeg,
        image::ImageFormat::Png,
        image::ImageFormat::WebP,
    ] {
        let mut bytes = Vec::new();
        pixels
            .write_to(&mut std::io::Cursor::new(&mut bytes), format)
            .unwrap();
        let whole = decode_picture(&bytes).unwrap();
        assert_eq!((whole.width, whole.height), (64, 48));
        // The last bytes of a PNG say only that it ends.
        let end = if format == image::ImageFormat::Png {
            12
        } else {
            0
        };
        for part in [0.3, 0.5, 0.7, 0.9, 0.99] {
            let length = ((bytes.len() - end) as f64 * part) as usize;
            let error = decode_picture(&bytes[..length]);
            assert!(error.is_err(), "{format:?}: {length} of {}", bytes.len());
        }
    }
}

#[test]
fn starting_paths_far_away_are_refused_with_their_number() {
    let path = |number: &str, width: &str| {
        format!(
            r#"[{{"points": [[0, 0], [1, 1], [2, {number}], [3, 0]], "num_control_points": [2], "stroke_width": {width}, "stroke_color": [0, 0, 0, 1]}}]"#
        )
    };
    assert_eq!(
        read_strokes(path("-10000", "2").as_bytes())
            .unwrap()
            .strokes
            .len(),
        1
    );
    for (number, width, named) in [
        ("-10001", "2", "-10001"),
        ("1e30", "2", "1000000"),
        ("1", "2e4", "20000"),
    ] {
        let error = refused(&path(number, width));
        assert!(
            error.starts_with("path 0 has the coordinate or width ")
                && error.contains(named)
                && error.ends_with("at most 10000 are allowed"),
            "{error}"
        );
    }
}

#[test]
fn a_file_without_strokes_says_what_is_there_instead() {
    let paper = svg(
        "width=\"100\" height=\"50\"",
        r#"<rect width="100" height="50" fill="navy"/>"#,
    );
    assert_eq!(
        refused(&paper),
        "it has no strokes; 1 rectangle behind everything was taken for the paper"
    );
    let text = svg("width=\"100\" height=\"50\"", "<text y=\"20\">hello</text>");
    assert_eq!(
        refused(&text),
        "it has no strokes; 1 text was left out; convert it to paths"
    );
}
