//! Any text and any strokes as an SVG document: it is well-formed, a renderer reads it, and both copies of the
//! prompt are read back as they were, except for characters that XML forbids.

use clipdraw::draw::{Frame, Losses};
use clipdraw::inputs::Input;
use clipdraw::output::{Document, Provenance, svg_to_png};
use clipdraw::scene::{Canvas, Rgb, Strokes};
use serde_json::{Map, Value, json};

/// The side of the largest canvas, in pixels, and the number of strokes that a drawing has at most: a renderer
/// has to paint them.
const LARGEST_SIDE: u8 = 32;
const MOST_STROKES: u8 = 4;

/// The largest coordinate and half width, in pixels. No drawing reaches it, and resvg takes minutes for strokes that
/// are much larger.
const LARGEST_COORDINATE: f32 = 1.0e4;

/// How far a coordinate may be from the one that was written, relative to its size: half of the last place
/// that is written, and the precision of 32-bit floats.
const ERROR: f32 = 0.005_1;
const RELATIVE_ERROR: f32 = 1.0e-6;

/// Checks the property for one input: numbers of strokes and of the canvas, then the prompt.
pub(crate) fn check(bytes: &[u8]) {
    let mut numbers = Numbers(bytes);
    let canvas = Canvas {
        width: u32::from(1 + numbers.byte() % LARGEST_SIDE),
        height: u32::from(1 + numbers.byte() % LARGEST_SIDE),
        background: Rgb {
            red: numbers.byte(),
            green: numbers.byte(),
            blue: numbers.byte(),
        },
        is_transparent: false,
    };
    let strokes = numbers.strokes();
    let prompt = String::from_utf8_lossy(numbers.0);
    check_document(&prompt, &canvas, strokes);
    check_estimate(&prompt);
}

fn check_document(prompt: &str, canvas: &Canvas, strokes: Strokes) {
    let frame = frame(strokes);
    let inputs = Map::from_iter([("prompt".to_owned(), json!(prompt))]);
    let document = Document {
        frame: &frame,
        canvas,
        prompt,
        inputs: &inputs,
        provenance: &provenance(),
        is_clean: false,
    };
    let svg = document.to_svg();
    let parsed = roxmltree::Document::parse(&svg).expect("the document is well-formed");
    let allowed = allowed_in_xml(prompt);
    assert_eq!(text_of(&parsed, "title"), allowed);
    let metadata: Value = serde_json::from_str(text_of(&parsed, "metadata")).expect("JSON");
    // JSON escapes every forbidden character but these two.
    let escaped = prompt.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}");
    assert_eq!(metadata["input"]["prompt"], json!(escaped));
    assert_eq!(metadata["model"], json!(provenance().model));
    let paths = parsed
        .descendants()
        .filter(|node| node.has_tag_name("path"));
    let paths: Vec<_> = paths.collect();
    assert_eq!(paths.len(), frame.strokes.len());
    for (stroke, path) in paths.iter().enumerate() {
        let data = path.attribute("d").expect("a path has data");
        check_path(data, frame.strokes.points_of(stroke).as_flattened());
        let number = |name: &str| -> f32 {
            let text = path.attribute(name).expect("a path has this attribute");
            text.parse().expect("it is a number")
        };
        let width = 2.0 * frame.strokes.half_widths[stroke];
        assert!(is_near(number("stroke-width"), width));
        assert!((0.0..=1.0).contains(&number("stroke-opacity")));
    }
    let png = svg_to_png(&svg, 1.0).expect("a renderer reads it");
    assert!(png.starts_with(b"\x89PNG"));
}

/// The estimated size of a file is an upper bound.
fn check_estimate(prompt: &str) {
    let raw = Map::from_iter([
        ("prompt".to_owned(), json!(prompt)),
        ("num_paths".to_owned(), json!(1)),
    ]);
    let Ok(input) = Input::from_values(&raw) else {
        return;
    };
    let mut strokes = Strokes::new();
    strokes.push(&[[-100.0; 2]; 10], 50.0, [0.5; 4]);
    let frame = frame(strokes);
    let provenance = provenance();
    let svg = input.document(&frame, &provenance).to_svg();
    assert!(
        svg.len() as u64 <= input.estimated_file_bytes(),
        "{} bytes, and {} were estimated",
        svg.len(),
        input.estimated_file_bytes()
    );
}

fn frame(strokes: Strokes) -> Frame {
    Frame {
        step: 7,
        strokes,
        losses: Losses::default(),
    }
}

fn provenance() -> Provenance {
    Provenance {
        model: "ViT-B/32".to_owned(),
        weights_sha256: "0".repeat(64),
        tensors: None,
        activation: None,
        device: "cpu".to_owned(),
        precision: "fp32".to_owned(),
        backend: None,
    }
}

fn text_of<'a>(document: &'a roxmltree::Document<'_>, name: &str) -> &'a str {
    let mut elements = document.descendants();
    let element = elements.find(|node| node.has_tag_name(name));
    element.expect("there is one").text().unwrap_or_default()
}

fn check_path(data: &str, expected: &[f32]) {
    let separators = |character: char| matches!(character, 'M' | 'C' | ' ');
    let numbers = data.split(separators).filter(|number| !number.is_empty());
    let numbers: Vec<f32> = numbers
        .map(|number| number.parse().expect("a number"))
        .collect();
    assert_eq!(numbers.len(), expected.len());
    // The last point of a stroke without a length is moved by the smallest step.
    let (last, others) = numbers.split_at(numbers.len() - 2);
    let (expected_last, expected_others) = expected.split_at(expected.len() - 2);
    assert!(
        last.iter().zip(expected_last).all(|(&a, &b)| is_near(a, b)),
        "{data}"
    );
    let near = |(&a, &b): (&f32, &f32)| is_near(a, b) || is_near(a, b + 0.01);
    assert!(others.iter().zip(expected_others).all(near), "{data}");
}

fn is_near(read: f32, written: f32) -> bool {
    (read - written).abs() <= ERROR + RELATIVE_ERROR * written.abs()
}

/// The text with U+FFFD for each character that XML 1.0 forbids (section 2.2).
fn allowed_in_xml(text: &str) -> String {
    let allowed = |character: char| matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    let shown = |character| {
        if allowed(character) {
            character
        } else {
            '\u{fffd}'
        }
    };
    text.chars().map(shown).collect()
}

/// Reads numbers from bytes; after their end all of them are zero.
struct Numbers<'bytes>(&'bytes [u8]);

impl Numbers<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        first
    }

    /// A finite number within the limits.
    fn float(&mut self, limits: [f32; 2]) -> f32 {
        let number = f32::from_le_bytes(std::array::from_fn(|_| self.byte()));
        if number.is_finite() {
            number.clamp(limits[0], limits[1])
        } else {
            limits[0]
        }
    }

    fn strokes(&mut self) -> Strokes {
        let mut strokes = Strokes::new();
        for _ in 0..self.byte() % (MOST_STROKES + 1) {
            let points = 1 + 3 * (1 + usize::from(self.byte() % 3));
            let limits = [-LARGEST_COORDINATE, LARGEST_COORDINATE];
            let mut point = |_| [self.float(limits), self.float(limits)];
            let points: Vec<_> = (0..points).map(&mut point).collect();
            let half_width = self.float([0.0, LARGEST_COORDINATE]);
            let color = std::array::from_fn(|_| self.float([0.0, 1.0]));
            strokes.push(&points, half_width, color);
        }
        strokes
    }
}
