//! The model's own drawings, as training pictures. A drawing that a classifier recognizes shows its prompt; one
//! that it does not recognize at all is a scribble.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::pack::{Pack, Record, SIDE, Style};
use super::painted_packs::is_worth_painting;
use super::scribble;
use super::strokes_picture::transparent;
use clipdraw::scene::{Canvas, Strokes};

/// The set of all pictures that the model drew itself.
const SET: &str = "self-made";
/// How often a drawing that was recognized is shown, beside other pictures.
const RECOGNIZED_WEIGHT: f32 = 0.5;
/// How often a drawing that was not recognized is shown. There are few of them, and they are hard.
const FOOLED_WEIGHT: f32 = 0.5;
/// A prompt with fewer captions before it is recognized.
pub const RECOGNIZED: usize = 5;
/// A prompt with more captions before it is not there at all.
const FOOLED: usize = 50;

/// `count` things that the pack has a drawing of, each once and none of those in `except`, the same for the
/// same seed.
pub fn things(pack: &Pack, count: usize, seed: u64, except: &[String]) -> Vec<String> {
    let mut things: Vec<String> = pack
        .records
        .iter()
        .filter(|record| is_worth_painting(record))
        .map(|record| record.concept.clone())
        .collect();
    things.sort_unstable();
    things.dedup();
    things.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    things.retain(|thing| !except.contains(thing));
    things.truncate(count);
    things
}

/// The drawing of `prompt` as a picture of a pack, if there is something to learn from it: `rank` is the number
/// of other things that the classifier ranks higher.
pub fn lesson(
    prompt: &str,
    rank: usize,
    strokes: &Strokes,
    canvas: &Canvas,
) -> Option<(Vec<u8>, Record)> {
    let (style, weight, concept, plain) = if rank < RECOGNIZED {
        let plain = ["{}", "a drawing of {}", "a painting of {}"]
            .map(|caption| caption.replace("{}", prompt));
        (Style::Painting, RECOGNIZED_WEIGHT, prompt, plain.to_vec())
    } else if rank > FOOLED {
        let plain = scribble::PLAIN.map(str::to_owned).to_vec();
        (Style::Scribble, FOOLED_WEIGHT, scribble::CONCEPT, plain)
    } else {
        return None;
    };
    let record = Record {
        set: SET.to_owned(),
        name: prompt.to_owned(),
        style,
        weight,
        concept: concept.to_owned(),
        plain,
        keywords: Vec::new(),
        scenes: Vec::new(),
        filtered: Vec::new(),
    };
    Some((transparent(&on_small_canvas(strokes, canvas)), record))
}

/// The strokes on a canvas of [`SIDE`] pixels.
fn on_small_canvas(strokes: &Strokes, canvas: &Canvas) -> Strokes {
    let [across, down] = [canvas.width, canvas.height].map(|side| SIDE as f32 / side as f32);
    let mut small = strokes.clone();
    for point in &mut small.points {
        *point = [across * point[0], down * point[1]];
    }
    for half_width in &mut small.half_widths {
        *half_width *= (across * down).sqrt();
    }
    small
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::{PICTURE_BYTES, PackWriter};

    fn strokes() -> Strokes {
        let mut strokes = Strokes::new();
        let line = [20.0, 60.0, 100.0, 140.0].map(|x| [x, 80.0]);
        strokes.push(&line, 10.0, [1.0, 0.0, 0.0, 1.0]);
        strokes
    }

    #[test]
    fn the_classifier_says_what_a_drawing_shows() {
        let canvas = Canvas {
            width: 160,
            height: 160,
            ..Canvas::default()
        };
        let lesson = |rank| lesson("a cat", rank, &strokes(), &canvas);
        let (picture, recognized) = lesson(4).unwrap();
        assert_eq!(recognized.plain[1], "a drawing of a cat");
        assert_eq!(lesson(51).unwrap().1.style, Style::Scribble);
        assert_eq!(lesson(20), None);
        let pixel = |x: usize, y: usize| &picture[(y * SIDE + x) * 4..][..4];
        assert_eq!(pixel(40, 40), [255, 0, 0, 255]);
        assert_eq!(pixel(40, 30), [0; 4]);
    }

    #[test]
    fn things_are_taken_once_each_in_the_order_of_the_seed() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = PackWriter::create(folder.path()).unwrap();
        for (thing, weight) in [
            ("a cat", 1.0),
            ("a dog", 1.0),
            ("a cat", 0.5),
            ("a man", 0.2),
        ] {
            let (_, record) = lesson(thing, 0, &strokes(), &Canvas::default()).unwrap();
            let record = Record { weight, ..record };
            writer.add(&vec![0; PICTURE_BYTES], &record).unwrap();
        }
        writer.finish().unwrap();
        let pack = Pack::open(folder.path()).unwrap();
        let mut found = things(&pack, 9, 3, &[]);
        assert_eq!(found, things(&pack, 9, 3, &[]));
        found.sort_unstable();
        assert_eq!(found, ["a cat", "a dog"]);
        assert_eq!(things(&pack, 1, 3, &[]).len(), 1);
        assert_eq!(things(&pack, 1, 3, &["a cat".to_owned()]), ["a dog"]);
        assert_eq!(things(&pack, 1, 3, &["a dog".to_owned()]), ["a cat"]);
    }
}
