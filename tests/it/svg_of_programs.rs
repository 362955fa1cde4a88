//! SVGs as drawing programs write them: strokes are where the SVG is painted.

use clipdraw::import::{decode_picture, read_strokes};
use clipdraw::scene::Rgb;

use crate::import::svg;

/// SVGs that consist of strokes, as several programs write them, and how much of the ink may be elsewhere: it is where the ends
/// of lines are not round, where a stroke is wider in one direction than in the other, and where a colour is a mean.
const OF_PROGRAMS: [(&str, &str, f32); 6] = [
    (
        "Inkscape",
        r##"<svg xmlns="http://www.w3.org/2000/svg" xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape" xmlns:sodipodi="http://sodipodi.sourceforge.net/DTD/sodipodi-0.dtd" width="210mm" height="148mm" viewBox="0 0 210 148" inkscape:version="1.3">
        <sodipodi:namedview pagecolor="#ffffff"/><defs id="defs1"/>
        <g inkscape:label="Layer 1" inkscape:groupmode="layer" transform="translate(-12.5,8)"><g transform="matrix(0.8,0.3,-0.3,0.8,50,-6)">
        <path style="fill:none;stroke:#c03020;stroke-width:2.5;stroke-linecap:round;stroke-linejoin:round" d="m 30,20 c 10,40 60,30 80,5 l 12,30 a 20,12 15 1 1 -40,9 z m 5,60 h 40 v 8"/>
        <ellipse style="opacity:0.6;fill:none;stroke:#004080;stroke-width:3" cx="60" cy="60" rx="40" ry="15" transform="rotate(-20)"/></g></g>
        <g inkscape:groupmode="layer" style="display:none"><path d="M0 0L210 148" stroke="#000" stroke-width="20"/></g></svg>"##,
        0.03,
    ),
    (
        "Figma",
        r##"<svg width="96" height="64" viewBox="0 0 96 64" fill="none" xmlns="http://www.w3.org/2000/svg">
        <g clip-path="url(#clip0_1_2)"><path d="M8 8C20 40 60 2 88 30" stroke="url(#paint0_linear_1_2)" stroke-width="4" stroke-linecap="round"/>
        <rect x="10.5" y="30.5" width="31" height="23" rx="7.5" stroke="#1E1E1E" stroke-opacity="0.8"/>
        <path fill-rule="evenodd" d="M70 40L80 58H60L70 40Z" stroke="#0D99FF" stroke-width="2" stroke-linejoin="round"/></g>
        <defs><linearGradient id="paint0_linear_1_2" x1="8" y1="8" x2="88" y2="30" gradientUnits="userSpaceOnUse"><stop stop-color="#F24E1E"/><stop offset="1" stop-color="#FF7262"/></linearGradient>
        <clipPath id="clip0_1_2"><rect width="96" height="64" fill="white"/></clipPath></defs></svg>"##,
        0.1,
    ),
    (
        "Illustrator",
        r##"<?xml version="1.0" encoding="utf-8"?>
        <!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd" [<!ENTITY ns_svg "http://www.w3.org/2000/svg"><!ENTITY ns_xlink "http://www.w3.org/1999/xlink">]>
        <svg version="1.1" id="Layer_1" xmlns="&ns_svg;" xmlns:xlink="&ns_xlink;" x="0px" y="0px" viewBox="0 0 300 200" style="enable-background:new 0 0 300 200;" xml:space="preserve">
        <style type="text/css">.st0{fill:none;stroke:#E30613;stroke-width:6;stroke-linecap:round;stroke-linejoin:round;stroke-miterlimit:10;} #wave, .st1 {fill:none;stroke:#312783;stroke-width:4px;stroke-linecap:round;stroke-linejoin:round}</style>
        <symbol id="leaf" viewBox="-10 -10 40 40"><path class="st1" d="M0,0c10,0,20,5,20,20C5,20,0,10,0,0z"/></symbol>
        <switch><g><polyline class="st0" points="20,180 60.5,40 110,150 150,30"/><line class="st1" x1="170" y1="20" x2="280" y2="60"/>
        <path id="wave" d="M160,120c20-30,40,30,60,0s40,30,60,0"/></g></switch>
        <use xlink:href="#leaf" width="60" height="60" x="200" y="130" style="overflow:visible;"/>
        <use xlink:href="#leaf" width="40" height="40" transform="matrix(1 0 0 -1 100 190)" style="overflow:visible;"/></svg>"##,
        0.03,
    ),
    (
        "pydiffvg",
        r#"<?xml version="1.0" ?><svg height="224.0" version="1.1" width="224.0" xmlns="http://www.w3.org/2000/svg"><defs/><g>
        <path d="M 10.5 20.25 C 60.0 -10.0 120.5 220.0 200.0 90.125 C 210.0 60.0 190.0 20.0 150.0 30.0" fill="none" stroke="rgb(200, 31, 8)" stroke-linecap="round" stroke-linejoin="round" stroke-opacity="0.5625" stroke-width="3.4"/>
        <path d="M 30.0 200.0 Q 100.0 90.0 190.0 210.0" fill="none" stroke="rgb(0, 99, 180)" stroke-linecap="round" stroke-linejoin="round" stroke-opacity="1.0" stroke-width="12.0"/></g></svg>"#,
        0.03,
    ),
    (
        "percentages, and a viewBox that is not as wide as the picture",
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="400" height="160" viewBox="-20 -10 100 100" preserveAspectRatio="xMaxYMid meet" stroke-linecap="round">
        <line x1="10%" y1="20%" x2="60%" y2="50%" stroke="#a0f" stroke-width="4%"/><circle cx="40%" cy="60%" r="15%" fill="none" stroke="teal" stroke-width="2"/>
        <svg x="-20" y="40" width="50" height="40" viewBox="0 0 10 10" preserveAspectRatio="xMinYMin"><path d="M1 1L9 5 2 9" fill="none" stroke="#333" stroke-linejoin="round"/></svg></svg>"##,
        0.03,
    ),
    (
        "skewed and stretched",
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100" viewBox="0 0 100 100" preserveAspectRatio="none">
        <g transform="rotate(10 50 50) skewX(-12)" stroke-linecap="round"><path d="M20 20C50 20 30 80 80 70" fill="none" stroke="#07a" stroke-width="3"/><path d="M10 60H90" stroke="#a50" stroke-width="2" vector-effect="non-scaling-stroke"/></g></svg>"##,
        0.35,
    ),
];

#[test]
fn strokes_of_several_programs_are_where_these_are_painted() {
    for (program, text, limit) in OF_PROGRAMS {
        let imported = read_strokes(text.as_bytes()).unwrap();
        let [width, height] = imported.size;
        let strokes = &imported.strokes;
        let paths: Vec<_> = (0..strokes.len())
            .map(|stroke| {
                let numbers = strokes.points_of(stroke).iter().enumerate();
                let data: Vec<_> = numbers
                    .map(|(index, [x, y])| match index {
                        0 => format!("M{x} {y}"),
                        1 => format!("C{x} {y}"),
                        _ => format!(" {x} {y}"),
                    })
                    .collect();
                let data = data.concat();
                let [red, green, blue, opacity] = strokes.colors[stroke];
                let color = Rgb::nearest([red, green, blue]);
                let width = 2.0 * strokes.half_widths[stroke];
                format!(r#"<path d="{data}" stroke="{color}" stroke-opacity="{opacity}" stroke-width="{width}"/>"#)
            })
            .collect();
        let paths = paths.concat();
        let own = svg(
            &format!(r#"width="{width}" height="{height}""#),
            &format!(
                r#"<g fill="none" stroke-linecap="round" stroke-linejoin="round">{paths}</g>"#
            ),
        );
        let [expected, found] = [text, &own].map(|text| {
            let picture = decode_picture(text.as_bytes()).unwrap();
            picture.on_background(Rgb::WHITE)
        });
        assert_eq!(
            (found.width(), found.height()),
            (expected.width(), expected.height())
        );
        let values = || expected.values().iter().zip(found.values());
        let ink: f32 = values().map(|(expected, _)| 1.0 - expected).sum();
        let elsewhere: f32 = values()
            .map(|(expected, found)| (expected - found).abs())
            .sum();
        let part = elsewhere / ink;
        assert!(ink > 1000.0 && part < limit, "{program}: {part} of {ink}");
    }
}
