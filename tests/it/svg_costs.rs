//! SVGs that would keep the parser or the painter busy for minutes are refused, and large ones that would not are read.

use clipdraw::errors::chain;
use clipdraw::import::{decode_picture, read_strokes};

use crate::import::svg;

const SIZE: &str = r#"width="224" height="224""#;
const LONG_STYLES: &str =
    "applying the style sheets of the SVG to its elements would take too long";

fn refused(content: &str) -> String {
    let text = svg(SIZE, content);
    chain(&read_strokes(text.as_bytes()).unwrap_err())
}

/// A curve that takes long to outline, and one that does not where it is.
const FAR: &str = r#"<path d="M0 0C1e9 0 1e9 1e9 5 5" stroke="red" stroke-width="1e4"/>"#;
const NEAR: &str = r#"<path d="M0 0C9 0 9 9 5 5" stroke="red" stroke-width="1e4"/>"#;
const LINE: &str = r#"<path d="M9 9H90" stroke="red"/>"#;

fn curves(count: usize) -> String {
    format!("M0 0{}", "c9 1 0 0 0 0".repeat(count))
}

#[test]
fn strokes_whose_outlines_would_take_minutes_are_refused() {
    let near = NEAR.repeat(500);
    let marker = format!(r#"<marker id="m"><path d="{}"/></marker>"#, curves(700));
    let points = "L9 9".repeat(1500);
    for (content, expected) in [
        (
            FAR.repeat(500),
            "500 curves with coordinates up to 8388608 (at most 400 are allowed)",
        ),
        // Rotated strokes are outlined where they are drawn.
        (
            format!(
                r#"<g transform="scale(1e3)"><g transform="rotate(9) scale(1e4)">{near}</g></g>"#
            ),
            "500 curves with coordinates up to 8388608",
        ),
        (
            format!("<style>path{{transform:scale(1e7) rotate(9)}}</style>{near}"),
            "500 curves with coordinates up to 8388608",
        ),
        (
            format!(
                r#"<svg viewBox="0 0 1e-6 1e-6" width="10"><g transform="rotate(9)">{near}</g></svg>"#
            ),
            "500 curves with coordinates up to 8388608",
        ),
        (
            r#"<circle r="1e8" stroke="red" stroke-width="200"/>"#.repeat(3000),
            "12000 curves",
        ),
        // The parser makes the radii of an arc larger than they are written.
        (
            r#"<path d="M0 0A1e-4 1 0 0 1 9000 0" stroke="red" stroke-width="200"/>"#.repeat(9000),
            "curves with coordinates up to 8388608",
        ),
        (
            format!(r#"{marker}<path d="M0 0{points}" stroke="red" marker-mid="url(#m)"/>"#),
            "curves with coordinates up to",
        ),
    ] {
        let error = refused(&format!("{content}{LINE}"));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn strokes_whose_outlines_take_no_minutes_are_read() {
    // Without a stroke there is no outline.
    let filled = format!(
        r#"<path d="M9 9{}"/>"#,
        "c9 1 0 0 1e-3 1e-3".repeat(150_000)
    );
    let text = svg(SIZE, &filled);
    assert_eq!(decode_picture(text.as_bytes()).unwrap().width, 512);
    let near = NEAR.repeat(2000);
    let (opening, closing) = (
        r#"<g transform="rotate(18)">"#.repeat(20),
        "</g>".repeat(20),
    );
    for few in [
        FAR.repeat(9),
        near.clone(),
        // What is not rotated is outlined only once, before it is magnified.
        format!(r#"<g transform="scale(1e7)">{near}</g>"#),
        opening + &near + &closing,
        format!(r#"<path d="M0 0{}"/>"#, "h1v1".repeat(200_000)),
    ] {
        let text = svg(SIZE, &(few + LINE));
        let error = read_strokes(text.as_bytes()).err();
        let error = error.map(|error| chain(&error)).unwrap_or_default();
        assert!(!error.contains("too long"), "{error}");
    }
}

#[test]
fn what_is_used_many_times_counts_as_often() {
    let used = |path: &str, times: usize| {
        let uses = r##"<use href="#p"/>"##.repeat(times);
        format!(r#"<defs>{path}</defs>{uses}<path d="M9 9H90" stroke="red"/>"#)
    };
    let long = format!(r#"<path id="p" d="M0 0{}"/>"#, "h1v1h-1v-1".repeat(10_000));
    let image = format!(
        r#"<image id="p" width="9" height="9" href="data:image/png;base64,{}"/>"#,
        "A".repeat(100_000)
    );
    // The parser takes the first element with an id for a copy.
    let doubled = format!(r#"{long}<path id="p" d="M0 0H9"/>"#);
    for content in [&long, &image, &doubled] {
        assert_eq!(
            refused(&used(content, 500)),
            "the SVG has more than 33554432 bytes of attributes and texts, counting those that are used several times as often"
        );
        assert!(decode_picture(svg(SIZE, &used(content, 20)).as_bytes()).is_ok());
    }
    let style = format!(
        r#"<g id="p" style="{}"><path d="M0 0h1"/></g>"#,
        "fill:red;".repeat(20_000)
    );
    assert!(refused(&used(&style, 5_000)).starts_with(LONG_STYLES));
}

#[test]
fn long_values_of_properties_are_refused() {
    let spaces = " ".repeat(1 << 20);
    let path = r#"<path d="M9 9H90" stroke="red"/>"#;
    for content in [
        format!(r#"<g fill="{spaces}red">{path}</g>"#),
        format!(
            r#"<g style="font-family:{}">{path}</g>"#,
            "a".repeat(1 << 20)
        ),
        format!(
            "<style>path{{font-family:{}}}</style>{path}",
            "a".repeat(1 << 20)
        ),
    ] {
        assert_eq!(
            refused(&content),
            "the SVG has a property whose value has more than 10000 bytes"
        );
    }
    // Programs keep their own document in attributes, and pictures in styles.
    let own = format!(
        r#"<g content="{}" data-a="{spaces}" style="background:url(data:image/png;base64,{spaces})">{path}</g>"#,
        "a".repeat(1 << 20)
    );
    assert_eq!(
        read_strokes(svg(SIZE, &own).as_bytes())
            .unwrap()
            .strokes
            .len(),
        1
    );
}

#[test]
fn gradients_are_built_once() {
    let stops = r#"<stop offset="1" stop-color="red"/>"#.repeat(50);
    let gradient = format!(r#"<linearGradient id="g">{stops}</linearGradient>"#);
    let circles = r#"<circle cx="50" cy="50" r="9" fill="url(#g)"/>"#.repeat(5_000);
    assert!(decode_picture(svg(SIZE, &(gradient + &circles)).as_bytes()).is_ok());
}

#[test]
fn several_markers_do_not_multiply_each_other() {
    let marker = |id: &str| {
        let arrow = r#"<path d="M 0,0 5,-5 -12.5,0 5,5 0,0 Z M 1,1 2,2 3,3 4,4 5,5 Z"/>"#;
        format!(r#"<marker id="{id}" orient="auto">{arrow}</marker>"#)
    };
    let path = r#"<path style="stroke:red;marker-start:url(#a);marker-mid:url(#b);marker-end:url(#c)" d="M9 9 20 20 30 9 40 20 50 9"/>"#;
    let content = ["a", "b", "c"].map(marker).concat() + path;
    assert!(decode_picture(svg(SIZE, &content).as_bytes()).is_ok());
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
    let text = svg(SIZE, &dashed(100));
    assert_eq!(read_strokes(text.as_bytes()).unwrap().strokes.len(), 2000);
}

#[test]
fn references_in_a_circle_are_refused() {
    let shape = "<path d='M0 0h1v1'/>";
    for content in [
        format!("<clipPath id='a' clip-path='url(#a)'>{shape}</clipPath>"),
        format!("<clipPath id='a'>{}</clipPath>", "<path clip-path='url(#a)' d='M0 0h1v1'/>".repeat(101)),
        ["ab", "bc", "ca"]
            .map(|ids| {
                let (id, other) = ids.split_at(1);
                format!("<pattern id='{id}' width='1' height='1'><path fill='url(#{other})' d='M0 0h1v1'/></pattern>")
            })
            .concat(),
        "<pattern id='a' width='1' height='1'><path fill='url(#b)' d='M0 0h1v1'/></pattern><pattern id='b' width='1' height='1'><path stroke='url(#a)' d='M0 0h1v1'/></pattern>".to_owned(),
        format!("<mask id='a' mask='url(#b)'>{shape}</mask><mask id='b' mask='url(#a)'>{shape}</mask>"),
        "<mask id='a'><path fill='url(#b)' d='M0 0h1v1'/></mask><pattern id='b' width='1' height='1'><path style='mask:url(#a)' d='M0 0h1v1'/></pattern>".to_owned(),
        "<filter id='a'><feImage href='#b'/></filter><g id='b'><path class='c' d='M0 0h1v1'/></g><style>.c{filter:url(#a)}</style>".to_owned(),
        "<g id='a'><use href='#a'/></g>".to_owned(),
        "<linearGradient id='a' href='#b'/><linearGradient id='b' href='#a'/>".to_owned(),
    ] {
        let used = "<path fill='url(#a)' mask='url(#a)' clip-path='url(#a)' filter='url(#a)' d='M0 0h9v9'/>";
        assert_eq!(
            refused(&format!("{content}{used}{LINE}")),
            "the SVG has an element that refers to itself",
            "{content}"
        );
    }
    // These are no references to something that is drawn.
    let links = format!("<g id='a'><a href='#a'>{LINE}</a><animate href='#a'/></g>");
    assert!(decode_picture(svg(SIZE, &links).as_bytes()).is_ok());
    // A style sheet for all shapes also applies to those in a marker and so on.
    for (property, tag) in [
        ("marker-end", "marker"),
        ("mask", "mask"),
        ("fill", "pattern width='1' height='1'"),
        ("stroke", "pattern width='1' height='1'"),
        ("clip-path", "clipPath"),
    ] {
        let name = tag.split(' ').next().unwrap();
        let own = format!("<{tag} id='a'>{shape}</{name}>");
        let style = format!("<style>path{{{property}:url(#a)}}</style>");
        let content = svg(SIZE, &(style + &own + LINE));
        assert!(decode_picture(content.as_bytes()).is_ok(), "{content}");
    }
}

#[test]
fn style_sheets_that_take_long_to_apply_are_refused() {
    let paths = |count: usize| r#"<path class="a b" d="M0 0h1" stroke="red"/>"#.repeat(count);
    let nested = |depth: usize, inner: &str| "<g>".repeat(depth) + inner + &"</g>".repeat(depth);
    let clip_paths = r#"<clipPath><path class="a" d="M0 0h1v1"/></clipPath>"#.repeat(9_000);
    for content in [
        format!(
            "<style>{}</style>{}",
            ".c{fill:red}".repeat(990),
            paths(50_000)
        ),
        format!(
            "<style>path{{{}}}</style>{}",
            "fill:red;".repeat(20_000),
            paths(9_000)
        ),
        format!(
            "<style>q{}{{fill:red}}</style>{}",
            " *".repeat(12),
            nested(60, &paths(10))
        ),
        format!(
            "<style>{}a{{{}}}</style>",
            "a,".repeat(900),
            "fill:red;".repeat(9_000)
        ),
        // For each declaration, the parser counts the characters before.
        format!("<style>a{{{}}}</style>", "fill:red;".repeat(100_000)),
        format!(r#"<g style="{}"/>"#, "fill:red;".repeat(100_000)),
    ] {
        let error = refused(&content);
        assert!(error.starts_with(LONG_STYLES), "{error}");
    }
    // References in a style sheet count for the elements that they apply to.
    let clipped = format!(
        r#"<style>.a{{clip-path:url(#c)}}</style><clipPath id="c">{}</clipPath>{clip_paths}"#,
        paths(30_000).replace(r#" class="a b""#, "")
    );
    assert!(refused(&clipped).starts_with("the SVG has more than 300000 elements"));
    let classes: Vec<_> = (0..2_000)
        .map(|class| format!(".c{class}{{fill:red}}"))
        .collect();
    let usual = format!("<style>{}</style>{}", classes.concat(), paths(1_000));
    let strokes = read_strokes(svg(SIZE, &usual).as_bytes()).unwrap().strokes;
    assert_eq!(strokes.len(), 1000);
    let usual = format!(
        "<style>{}@media print{{{}}}</style>{}",
        ".a .b{fill:red;stroke-width:2}.a>.b{fill:red}svg g .b{fill:red}".repeat(150),
        "path{fill:red}".repeat(400),
        nested(12, &paths(2_000))
    );
    let strokes = read_strokes(svg(SIZE, &usual).as_bytes()).unwrap().strokes;
    assert_eq!(strokes.len(), 2000);
}

#[test]
fn a_picture_that_would_take_minutes_to_paint_is_refused() {
    let gradient =
        r#"<linearGradient id="g"><stop/><stop offset="1" stop-color="red"/></linearGradient>"#;
    for content in [
        r#"<path d="M0 0H224V224H0Z" fill="red" fill-opacity="0.5"/>"#.repeat(9_000),
        gradient.to_owned() + &r#"<circle r="300" fill="url(#g)"/>"#.repeat(9_000),
        r#"<path d="M0 0H200" stroke="red" stroke-dasharray="2e-4 2e-4"/>"#.repeat(100),
        format!(r#"<path d="M0 0{}"/>"#, "L224 200 0 1".repeat(400_000)),
        r#"<path d="M0 0L224 224" stroke="red"/>"#.repeat(90_000),
        format!(r#"<path d="{}"/>"#, curves(400_000)),
    ] {
        let error = decode_picture(svg(SIZE, &content).as_bytes()).unwrap_err();
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
        assert!(decode_picture(svg(SIZE, &content).as_bytes()).is_ok());
    }
}
