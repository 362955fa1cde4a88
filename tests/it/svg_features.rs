//! What of an SVG strokes keep, and what the notes say about the rest.

use clipdraw::import::{ImportedStrokes, decode_picture, read_strokes};
use clipdraw::scene::Rgb;

use crate::import::svg;

const ROUND: &str = r#"fill="none" stroke-linecap="round" stroke-linejoin="round""#;

/// The strokes in a picture of 200 x 100.
fn strokes(content: &str) -> ImportedStrokes {
    read_strokes(svg(r#"width="200" height="100""#, content).as_bytes()).unwrap()
}

fn color(imported: &ImportedStrokes, stroke: usize) -> (String, f32) {
    let [red, green, blue, opacity] = imported.strokes.colors[stroke];
    let color = Rgb::nearest([red, green, blue]).to_string();
    (color, (opacity * 100.0).round() / 100.0)
}

#[test]
fn a_shape_whose_stroke_is_invisible_is_filled() {
    let imported = strokes(
        r#"<path d="M1 1H9V9Z" fill="navy" stroke="red" stroke-opacity="0"/><path d="M1 1H9V9Z" fill="none" stroke="red" stroke-opacity="0"/>"#,
    );
    assert_eq!(color(&imported, 0), ("#000080".to_owned(), 1.0));
    assert_eq!(color(&imported, 1), ("#ff0000".to_owned(), 0.0));
    assert_eq!(imported.notes[0], "1 filled shape became an outline");
}

#[test]
fn a_line_loses_no_fill_and_round_strokes_nothing() {
    let line = r#"<g stroke="red" stroke-linecap="round" stroke-linejoin="round"><path d="M1 2L9 8"/><line x1="1" y1="5" x2="99" y2="5"/><path d="M1 2L9 8L17 14"/></g>"#;
    assert_eq!(strokes(line).notes, Vec::<String>::new());
    let area = strokes(r#"<path d="M1 2L9 8L17 20" stroke="red" stroke-width="0.1"/>"#);
    assert_eq!(area.notes, ["1 shape kept its stroke and lost its fill"]);
}

#[test]
fn ends_and_corners_that_are_not_round_are_said_where_they_show() {
    let note = ["1 stroke got round ends and corners"];
    for (attributes, shows) in [
        (r#"d="M9 9H90" stroke-linecap="butt""#, true),
        (r#"d="M9 9H90" stroke-linecap="square""#, true),
        (r#"d="M9 9H90" stroke-linecap="round""#, false),
        (r#"d="M9 9H90V50" stroke-linecap="round""#, true),
        (r#"d="M9 9H90V50Z" stroke-linejoin="bevel""#, true),
        (r#"d="M9 9H90V50Z" stroke-linejoin="round""#, false),
        (r#"d="M9 9C20 20 30 0 40 9" stroke-linecap="round""#, false),
        (r#"d="M9 9C20 20 30 0 40 9""#, true),
    ] {
        let wide = strokes(&format!(r#"<path fill="none" stroke="red" {attributes}/>"#));
        let thin = strokes(&format!(
            r#"<path fill="none" stroke="red" stroke-width="0.8" {attributes}/>"#
        ));
        let has_note =
            |imported: &ImportedStrokes| imported.notes.starts_with(&note.map(str::to_owned));
        assert_eq!(
            (has_note(&wide), has_note(&thin)),
            (shows, false),
            "{attributes}"
        );
    }
}

#[test]
fn a_stroke_without_a_length_is_a_dot_unless_its_ends_are_flat() {
    for (content, expected) in [
        ("M20 20h0", 1),
        ("M20 20z", 1),
        ("M20 20C20 20 20 20 20 20", 1),
        ("M20 20z M60 60z M90 90h9", 3),
    ] {
        let round = strokes(&format!(r#"<path d="{content}" stroke="red" {ROUND}/>"#));
        assert_eq!(round.strokes.len(), expected, "{content}");
        assert_eq!(round.strokes.points_of(0), [[20.0, 20.0]; 4]);
        let flat = svg(
            r#"width="200" height="100""#,
            &format!(r#"<path d="{content} M90 9h9" stroke="red" fill="none"/>"#),
        );
        let flat = read_strokes(flat.as_bytes()).unwrap().strokes.len();
        assert_eq!(flat, 1 + usize::from(content.ends_with("h9")), "{content}");
    }
}

#[test]
fn gradients_and_patterns_become_their_mean() {
    let imported = strokes(&format!(
        r#"<linearGradient id="a"><stop offset="0" stop-color="red"/><stop offset="0.25" stop-color="blue"/></linearGradient>
        <radialGradient id="b"><stop stop-color="red"/><stop offset="1" stop-opacity="0"/></radialGradient>
        <pattern id="p" width="10" height="10" patternUnits="userSpaceOnUse"><g opacity="0.5"><rect width="5" height="10" fill="lime"/></g></pattern>
        <g {ROUND} stroke-width="4"><path d="M9 9L90 20" stroke="url(#a)"/><path d="M9 9L90 20" stroke="url(#b)"/><path d="M9 9L90 20" stroke="url(#p)"/></g>"#
    ));
    assert_eq!(color(&imported, 0), ("#2000df".to_owned(), 1.0));
    assert_eq!(color(&imported, 1), ("#ff0000".to_owned(), 0.5));
    assert_eq!(color(&imported, 2), ("#00ff00".to_owned(), 0.25));
    assert_eq!(
        imported.notes[0],
        "3 gradients and patterns became their mean colour"
    );
}

#[test]
fn a_clip_path_counts_only_where_it_cuts() {
    let note = "1 clip path, mask, filter or blend mode was ignored";
    let path = format!(r#"<path d="M50 50H190" stroke="red" stroke-width="6" {ROUND}/>"#);
    let other = format!(r#"<path d="M10 90H190" stroke="blue" stroke-width="6" {ROUND}/>"#);
    for (clip, count, notes) in [
        // Around everything in the picture, as Figma writes it; moved with the group; and two within each other.
        (r#"<rect width="200" height="100"/>"#, 2, 0),
        (r#"<path d="M0 0H200V100H0Z"/>"#, 2, 0),
        (
            r#"<rect x="90" y="40" width="200" height="20" transform="translate(-50 0)"/>"#,
            2,
            0,
        ),
        // Not all of it.
        (r#"<rect width="100" height="100"/>"#, 2, 1),
        (r#"<circle cx="100" cy="50" r="500"/>"#, 2, 1),
        (r#"<path d="M0 0H200V100Z"/>"#, 2, 1),
        (
            r#"<rect width="200" height="100" transform="rotate(3)"/>"#,
            2,
            1,
        ),
        // Nothing at all.
        (r#"<rect width="40" height="40"/>"#, 1, 0),
        (r#"<rect x="300" width="40" height="40"/>"#, 1, 0),
    ] {
        let imported = strokes(&format!(
            r#"<clipPath id="c">{clip}</clipPath><g clip-path="url(#c)">{path}</g>{other}"#
        ));
        let found = imported.notes.iter().filter(|line| *line == note).count();
        assert_eq!((imported.strokes.len(), found), (count, notes), "{clip}");
    }
    let nested = strokes(&format!(
        r#"<svg x="20" y="20" width="150" height="60" viewBox="0 0 15 6"><path d="M1 1L9 5" stroke="red" {ROUND}/></svg>
        <g transform="translate(100 0)"><clipPath id="c"><rect width="100" height="60"/></clipPath><g clip-path="url(#c)"><path d="M10 10L90 50" stroke="red" {ROUND}/><path d="M-10 10L-90 50" stroke="red" {ROUND}/></g></g>"#
    ));
    assert_eq!(nested.strokes.len(), 2);
    assert_eq!(nested.notes, [note]);
}

#[test]
fn a_stroke_that_does_not_scale_keeps_its_width() {
    let text = |content: &str| {
        svg(
            r#"width="400" height="200" viewBox="0 0 40 20""#,
            &format!(
                r#"<style>.fixed{{stroke-width:3;vector-effect:non-scaling-stroke;stroke-miterlimit:10}}</style><g {ROUND} stroke="red" transform="scale(2)">{content}</g>"#
            ),
        )
    };
    let line = r#"d="M1 1L9 5""#;
    let content = format!(
        r##"<path {line} stroke-width="3" vector-effect="non-scaling-stroke" stroke-miterlimit="10"/><path {line} style="stroke-width:3px;vector-effect:non-scaling-stroke"/>
        <path {line} class="fixed"/><path {line} stroke-width="3"/><use href="#x"/><defs><line id="x" x2="5" stroke-width="3" vector-effect="non-scaling-stroke"/></defs>"##
    );
    let text = text(&content);
    let imported = read_strokes(text.as_bytes()).unwrap();
    assert_eq!(imported.strokes.half_widths, [1.5, 1.5, 1.5, 30.0, 1.5]);
    assert_eq!(imported.notes, Vec::<String>::new());
    let painted = decode_picture(text.as_bytes()).unwrap();
    assert_eq!(painted.notes, ["4 vector-effects were ignored"]);
}

#[test]
fn a_stroke_that_is_wider_in_one_direction_is_said() {
    let imported = strokes(&format!(
        r#"<g {ROUND} stroke="red"><path d="M2 20V90" stroke-width="2" transform="scale(9 1)"/><path d="M2 20V90" transform="rotate(30) scale(-3 3)"/><path d="M2 20V90" transform="skewX(40)"/></g><foreignObject width="9" height="9"/>"#
    ));
    assert!((imported.strokes.half_widths[0] - 3.0).abs() < 1e-5);
    assert!((imported.strokes.half_widths[1] - 1.5).abs() < 1e-5);
    assert_eq!(
        imported.notes,
        [
            "2 strokes that are wider in one direction than in another got one width",
            "1 foreignObject was left out"
        ]
    );
}

#[test]
fn utf_16_and_encodings_of_one_byte_are_read() {
    let text = format!(
        r#"<?xml version="1.0" encoding="iso-8859-1"?>{}"#,
        svg(
            r#"width="9" height="9""#,
            r#"<title>Füchse</title><path d="M1 1L9 5" stroke="red"/>"#
        )
    );
    let one_byte: Vec<u8> = text.chars().map(|character| character as u8).collect();
    let wide = text.replace("iso-8859-1", "UTF-16");
    let units = std::iter::once(0xfeff).chain(wide.encode_utf16());
    let wide: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    for bytes in [one_byte, wide] {
        assert_eq!(read_strokes(&bytes).unwrap().strokes.len(), 1);
        assert_eq!(decode_picture(&bytes).unwrap().width, 512);
    }
}

const UNREAD: &str = "1 colour was not understood: fills with it are black, strokes are left out; write it as #rrggbb";

#[test]
fn a_reference_to_a_property_of_the_whole_file_or_its_fallback_is_a_colour() {
    let line = |style: &str, stroke: &str| {
        format!(
            r#"<style>{style}</style><g {ROUND} stroke-width="4"><path d="M9 9H90" stroke="{stroke}"/></g>"#
        )
    };
    for (style, stroke, expected) in [
        (":root{--ink:#00f}", "var(--ink)", "#0000ff"),
        (
            "a,:root{--ink : blue !important;}",
            "var( --ink , red)",
            "#0000ff",
        ),
        (
            "svg{--a:var(--b)}*{--b:rgb(0,0,255)}",
            "var(--a)",
            "#0000ff",
        ),
        ("", "var(--ink, #00f)", "#0000ff"),
        ("", "var(--ink, var(--other,rgb(0,0,255)))", "#0000ff"),
        (
            "/*:root{--ink:red}*/ :root{--ink:blue} @media (prefers-color-scheme:dark){:root{--ink:red}}",
            "var(--ink)",
            "#0000ff",
        ),
        ("svg{color:blue}", "currentcolor", "#0000ff"),
        (
            "@import url(a.css);path{stroke:var(--ink,blue)!important}",
            "red",
            "#0000ff",
        ),
        (":root{--part:0,0}", "rgb(var(--part),255)", "#0000ff"),
    ] {
        let imported = strokes(&line(style, stroke));
        assert_eq!(color(&imported, 0).0, expected, "{style} {stroke}");
        assert_eq!(imported.notes, Vec::<String>::new(), "{style} {stroke}");
    }
    let text = svg(
        r#"viewBox="0 0 9 9" style="--ink:blue""#,
        r#"<path d="M0 0H9V9H0Z" fill="var(--ink)"/>"#,
    );
    let painted = decode_picture(text.as_bytes()).unwrap();
    assert_eq!(
        [0, 1, 2].map(|channel| painted.value(channel, 99, 99)),
        [0, 0, 255]
    );
    assert_eq!(painted.notes, Vec::<String>::new());
}

#[test]
fn colours_that_are_not_understood_are_said() {
    let kept = format!(r#"<path d="M9 9H90" stroke="red" {ROUND}/>"#);
    for content in [
        r#"<path d="M9 9H90" stroke="oklch(0.7 0.1 30)"/>"#,
        r#"<g stroke="lab(50% 20 30)"><path d="M9 9H90"/></g>"#,
        r#"<path d="M9 9H90" style="stroke:color-mix(in srgb, red, blue) !important"/>"#,
        r#"<path d="M9 9H90" stroke="var(--ink)"/><path d="M9 9H90" stroke="var(--ink)"/>"#,
        // Which of two values applies is not known, nor one that applies to a part of the file.
        "<style>:root{--ink:red}.a{--ink:blue}path.b{stroke:var(--ink)}</style>",
        r#"<g style="--ink:red"><path d="M9 9H90" stroke="var(--ink, blue)"/></g>"#,
        "<style>:root{--a:var(--b);--b:var(--a)}path.b{stroke:var(--a)}</style>",
        r#"<linearGradient><stop stop-color="oklab(0.5 0 0)"/></linearGradient>"#,
    ] {
        let text = svg(r#"width="200" height="100""#, &format!("{content}{kept}"));
        let imported = read_strokes(text.as_bytes()).unwrap();
        assert_eq!(imported.notes, [UNREAD], "{content}");
        let painted = decode_picture(text.as_bytes()).unwrap();
        assert_eq!(painted.notes, [UNREAD], "{content}");
    }
    for content in [
        r#"<path d="M9 9H90" stroke="currentColor" fill="none"/>"#,
        r#"<g stroke="red"><path d="M9 9H90" stroke="inherit"/></g>"#,
        r#"<marker id="m"><path d="M0 0H1" stroke="context-stroke"/></marker>"#,
        r#"<path d="M9 9H90" fill="initial" stroke=""/>"#,
        r#"<rect width="9" height="9" stroke="none" fill="hsl(30 50% 50%)"><animate fill="freeze"/></rect>"#,
        "<style>@media print{path{stroke:oklch(0.7 0.1 30)}}</style>",
        "<text>var(--ink)</text>",
    ] {
        let imported = strokes(&format!("{content}{kept}"));
        let has_note = imported.notes.iter().any(|note| note.contains("colour"));
        assert!(!has_note, "{content}: {:?}", imported.notes);
    }
}

#[test]
fn references_that_multiply_or_do_not_end_cost_no_time() {
    let doubled: Vec<String> = (1..60)
        .map(|level| format!("--a{level}:var(--a{0}) var(--a{0});", level - 1))
        .collect();
    let doubled = doubled.concat();
    let nested = "var(--a,".repeat(1_000_000);
    let line = format!(r#"<path d="M9 9H90" stroke="red" {ROUND}/>"#);
    for content in [
        format!("<style>:root{{--a0: ;{doubled}}}path.a{{stroke:var(--a59)}}</style>"),
        format!("<style>:root{{--a0:red;{doubled}}}path.a{{stroke:var(--a59)}}</style>"),
        format!(r#"<style>:root{{--b:red}}</style><g id="{nested}"/>"#),
        format!("<title>{nested}</title>"),
        format!(
            "<style>:root{{--a:{}}}</style><title>{}</title>",
            "a".repeat(900),
            "var(--a)".repeat(1_000_000)
        ),
    ] {
        let began = std::time::Instant::now();
        assert_eq!(strokes(&format!("{content}{line}")).strokes.len(), 1);
        assert!(began.elapsed().as_secs() < 5);
    }
}
