//! SVGs that would keep the parser or the painter busy for minutes are refused, and large ones that would not are read.

use clipdraw::errors::chain;
use clipdraw::import::{decode_picture, read_strokes};

use crate::import::svg;

fn refused(content: &str) -> String {
    let text = svg("width=\"224\" height=\"224\"", content);
    chain(&read_strokes(text.as_bytes()).unwrap_err())
}

#[test]
fn strokes_whose_outlines_would_take_minutes_are_refused() {
    let far = r#"<path d="M0 0C1e9 0 1e9 1e9 5 5" stroke="red" stroke-width="1e4"/>"#;
    let near = r#"<path d="M0 0C9 0 9 9 5 5" stroke="red" stroke-width="1e4"/>"#;
    let line = r#"<path d="M9 9H90" stroke="red"/>"#;
    let curves = |count: usize| format!("M0 0{}", "c9 1 0 0 0 0".repeat(count));
    let marker = format!(r#"<marker id="m"><path d="{}"/></marker>"#, curves(100));
    let marked = format!(
        r#"{marker}<path d="M0 0{}" stroke="red" marker-mid="url(#m)"/>"#,
        "L9 9".repeat(1500)
    );
    for (content, expected) in [
        (
            far.repeat(100),
            "100 curves with coordinates up to 8388608 (at most 20 are allowed)",
        ),
        (
            format!(
                r#"<g transform="scale(1e3)"><g transform="matrix(1e4 0 0 1e4 0 0)">{}</g></g>"#,
                near.repeat(100)
            ),
            "100 curves with coordinates up to 8388608",
        ),
        (
            format!(
                r"<style>path{{transform:scale(1e7)}}</style>{}",
                near.repeat(100)
            ),
            "100 curves with coordinates up to 8388608",
        ),
        (
            format!(
                r#"<svg viewBox="0 0 1e-6 1e-6" width="10">{}</svg>"#,
                near.repeat(100)
            ),
            "100 curves with coordinates up to 8388608",
        ),
        (r#"<circle r="1e8" stroke="red"/>"#.repeat(9), "36 curves"),
        // The parser makes the radii of an arc larger than they are written.
        (
            r#"<path d="M0 0A1e-4 1 0 0 1 9000 0" stroke="red"/>"#.repeat(900),
            "curves with coordinates up to 8388608",
        ),
        (
            format!(r#"<path d="{}" stroke="red"/>"#, curves(500_000)),
            "500000 curves",
        ),
        (
            format!(
                r#"<path d="M0 0{}" stroke="red"/>"#,
                "h1v1".repeat(1_000_000)
            ),
            "2000001 lines",
        ),
        (marked, "curves"),
    ] {
        let error = refused(&format!("{content}{line}"));
        assert!(
            error.contains(expected) && error.contains("too long"),
            "{error}"
        );
    }
}

#[test]
fn strokes_whose_outlines_take_no_minutes_are_read() {
    let far = r#"<path d="M0 0C1e9 0 1e9 1e9 5 5" stroke="red" stroke-width="1e4"/>"#;
    let near = r#"<path d="M0 0C9 0 9 9 5 5" stroke="red" stroke-width="1e4"/>"#;
    let line = r#"<path d="M9 9H90" stroke="red"/>"#;
    let curves = "c9 1 0 0 0 0".repeat(200_000);
    // Without a stroke there is no outline.
    let filled = format!(r#"<path d="M0 0{curves}"/>"#);
    let text = svg("width=\"224\" height=\"224\"", &filled);
    assert_eq!(decode_picture(text.as_bytes()).unwrap().width, 512);
    for few in [
        far.repeat(9) + line,
        near.repeat(2000),
        format!(r#"<path d="M0 0{}"/>{line}"#, "h1v1".repeat(200_000)),
    ] {
        let text = svg("width=\"224\" height=\"224\"", &few);
        assert!(
            !matches!(read_strokes(text.as_bytes()), Err(error) if chain(&error).contains("too long"))
        );
    }
}

#[test]
fn what_is_used_many_times_counts_as_often() {
    let used = |path: &str, times: usize| {
        let uses = r##"<use href="#p"/>"##.repeat(times);
        format!(r#"<defs>{path}</defs>{uses}<path d="M9 9H90" stroke="red"/>"#)
    };
    let long = format!(r#"<path id="p" d="M0 0{}"/>"#, "h1v1h-1v-1".repeat(5_000));
    assert_eq!(
        refused(&used(&long, 500)),
        "the SVG has more than 3000000 lines and curves, counting those that are used several times as often"
    );
    let style = format!(
        r#"<g id="p" style="{}"><path d="M0 0h1"/></g>"#,
        "fill:red;".repeat(5_000)
    );
    let inherited = format!(
        r#"<g fill="{}red">{}</g>"#,
        " ".repeat(1 << 20),
        r#"<path d="M0 0h1"/>"#.repeat(500)
    );
    for content in [used(&style, 5_000), used(&inherited, 1)] {
        assert_eq!(
            refused(&content),
            "the SVG has more than 67108864 bytes of attributes, counting those that are used several times as often"
        );
    }
    // The parser makes thousands of curves of such an arc.
    let arcs = r#"<path d="M0 0A1e-9 1e9 0 0 1 9000 0"/>"#.repeat(9_000);
    assert!(refused(&arcs).contains("a number above 1e9"));
    let text = svg("width=\"9\" height=\"9\"", &used(&long, 5));
    assert_eq!(decode_picture(text.as_bytes()).unwrap().width, 512);
}

#[test]
fn long_arrays_of_dashes_are_refused() {
    let dashed = |count: usize| {
        let path = r#"<path d="M0 0H9"/>"#.repeat(2000);
        let dashes = "1 2,".repeat(count / 2);
        format!(r#"<g stroke="red" stroke-dasharray="{dashes}">{path}</g>"#)
    };
    assert_eq!(
        refused(&dashed(10_000)),
        "the SVG has a stroke-dasharray with 10000 numbers; at most 100 are allowed"
    );
    let text = svg("width=\"9\" height=\"9\"", &dashed(100));
    assert_eq!(read_strokes(text.as_bytes()).unwrap().strokes.len(), 2000);
}

#[test]
fn elements_that_refer_to_themselves_are_refused_if_they_are_many() {
    let paths = |count: usize| -> String {
        let clip = |id: usize| {
            format!(
                r#"<clipPath id="c{id}"><path clip-path="url(#c{id})" d="M0 0h1v1"/></clipPath>"#
            )
        };
        (0..count).map(clip).collect()
    };
    let line = r#"<path d="M9 9H90" stroke="red"/>"#;
    assert_eq!(
        refused(&(paths(20_000) + line)),
        "the SVG has more than 100 elements that refer to themselves"
    );
    let text = svg("width=\"9\" height=\"9\"", &(paths(50) + line));
    assert_eq!(read_strokes(text.as_bytes()).unwrap().strokes.len(), 1);
}

#[test]
fn style_sheets_that_are_too_large_for_the_elements_are_refused() {
    let paths = |count: usize| r#"<path class="a b" d="M0 0h1" stroke="red"/>"#.repeat(count);
    let nested = |depth: usize, inner: &str| "<g>".repeat(depth) + inner + &"</g>".repeat(depth);
    let expected = "the style sheets of the SVG are too large for its";
    for content in [
        format!(
            "<style>{}</style>{}",
            ".c{fill:red}".repeat(990),
            paths(50_000)
        ),
        format!(
            "<style>path{{{}}}</style>{}",
            "fill:red;".repeat(10_000),
            paths(9_000)
        ),
        format!(
            "<style>path{{font-family:{}}}</style>{}",
            "a".repeat(1 << 20),
            paths(9_000)
        ),
        format!(
            "<style>q * * * * * * path{{fill:red}}</style>{}",
            nested(60, &paths(1_000))
        ),
    ] {
        let error = refused(&content);
        assert!(error.starts_with(expected), "{error}");
    }
    let usual = format!(
        "<style>{}@media print{{{}}}</style>{}",
        ".a .b{fill:red;stroke-width:2}.a>.b{fill:red}".repeat(200),
        "path{fill:red}".repeat(400),
        paths(2_000)
    );
    let text = svg("width=\"9\" height=\"9\"", &usual);
    assert_eq!(read_strokes(text.as_bytes()).unwrap().strokes.len(), 2000);
}

#[test]
fn a_picture_that_would_take_minutes_to_paint_is_refused() {
    let size = "width=\"224\" height=\"224\"";
    let gradient =
        r#"<linearGradient id="g"><stop/><stop offset="1" stop-color="red"/></linearGradient>"#;
    for content in [
        r#"<path d="M0 0H224V224H0Z" fill="red" fill-opacity="0.5"/>"#.repeat(9_000),
        gradient.to_owned() + &r#"<circle r="300" fill="url(#g)"/>"#.repeat(9_000),
        r#"<path d="M0 0H200" stroke="red" stroke-dasharray="2e-4 2e-4"/>"#.repeat(100),
        format!(r#"<path d="M0 0{}"/>"#, "L224 200 0 1".repeat(400_000)),
    ] {
        let error = decode_picture(svg(size, &content).as_bytes()).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("painting the SVG would take too long"),
            "{error}"
        );
    }
    let usual = r#"<path d="M9 9C20 30 40 10 60 60" stroke="red" stroke-width="3" stroke-dasharray="1 2"/>"#;
    for content in [
        usual.repeat(5_000),
        gradient.to_owned() + &r#"<circle cx="50" cy="50" r="10" fill="url(#g)"/>"#.repeat(9_000),
        r#"<path d="M0 0L224 224" stroke="red"/>"#.repeat(5_000),
        format!(r#"<path d="M0 0{}"/>"#, "l2 2 -2 -2".repeat(50_000)),
    ] {
        assert!(decode_picture(svg(size, &content).as_bytes()).is_ok());
    }
}
