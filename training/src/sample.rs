//! The training pictures of the image tower: pictures of packs, alone, in scenes, filtered, crossed
//! out, and warped and cropped like the views of a drawing.

use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use std::collections::HashMap;

use super::backdrop::backdrop;
use super::filter;
use super::pack::{Backdrop, Filter, Pack, SIDE, Style};
use super::sight::{change_places, disturb, ground, see};
use super::sprite::{Placement, lay};
use super::teacher::{Shares, Teacher};
use clipdraw::scene::Picture;

/// Captions that a picture is compared with in each step, in addition to those of its batch.
const BANK: usize = 4096;
/// How often an object is put into a scene, if it can be.
const SCENES: f64 = 0.12;
/// How often two objects are put side by side.
const PAIRS: f64 = 0.03;
/// How often a picture is filtered, if its captions say so.
const FILTERED: f64 = 0.08;
/// How often a caption is one of the keywords.
const KEYWORDS: f64 = 0.12;
/// How often scribbles are painted over a picture.
const CROSSED_OUT: f64 = 0.06;
/// How often the colors of a picture get dark lines around them.
const OUTLINED: f64 = 0.25;
/// How often a picture is given the dull colors, the light and the grain of a photograph.
const PHOTOGRAPHED: f64 = 0.2;
/// How often a picture in true colors is shown in others.
const FALSE_COLORS: f64 = 0.22;
/// How much of its share a picture loses if its colors are completely false.
const COST_OF_FALSE_COLORS: f32 = 0.8;
/// The inverse of how far the values of a picture of pure colors are moved by exchanging its channels.
const FULLY_FALSE: f32 = 2.5;

/// One picture and its captions as numbers of the teacher's.
#[derive(Debug)]
struct GalleryEntry {
    pack: usize,
    index: usize,
    style: Style,
    concept: usize,
    plain: Vec<usize>,
    keywords: Vec<usize>,
    scenes: Vec<(Backdrop, usize)>,
    filtered: Vec<(Filter, usize)>,
}

impl GalleryEntry {
    /// One of the captions of the picture on a plain ground.
    fn caption(&self, random: &mut ChaCha8Rng) -> usize {
        let captions = if !self.keywords.is_empty() && random.random_bool(KEYWORDS) {
            &self.keywords
        } else {
            &self.plain
        };
        *captions.choose(random).expect("there is one")
    }
}

/// All pictures that may be shown.
#[derive(Debug)]
pub struct Gallery {
    packs: Vec<Pack>,
    entries: Vec<GalleryEntry>,
    choice: WeightedIndex<f32>,
    objects: Vec<usize>,
    scribbles: Vec<usize>,
    concepts: Vec<usize>,
}

/// Which batch is wanted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Order {
    /// Seed of the run.
    pub seed: u64,
    /// Step of the run.
    pub step: u64,
    /// Pictures in the batch.
    pub count: usize,
    /// Their side in pixels.
    pub side: usize,
    /// How much the pictures are made harder to recognize, 0 to 1.
    pub effort: f64,
}

/// What one step learns from.
#[derive(Debug)]
pub struct PictureBatch {
    /// `[N, 3, R, R]` values from 0 to 1.
    pub views: Vec<f32>,
    /// What each picture shows.
    pub shares: Vec<Shares>,
    /// Captions to compare them with.
    pub bank: Vec<usize>,
    /// Where the adversary begins, `[N, 3, R, R]` values from -1 to 1.
    pub noise: Vec<f32>,
}

impl Gallery {
    /// All pictures of the packs whose captions the teacher knows and whose weight is not zero.
    ///
    /// A thing that many sets draw is shown more often than one that few do, but not in proportion:
    /// its pictures share the square root of their number.
    pub fn new(packs: Vec<Pack>, teacher: &Teacher) -> Self {
        let mut entries = Vec::new();
        let mut weights = Vec::new();
        for (pack, pictures) in packs.iter().enumerate() {
            for (index, record) in pictures.records.iter().enumerate() {
                let known = |captions: &[String]| -> Vec<usize> {
                    captions
                        .iter()
                        .filter_map(|caption| teacher.caption(caption))
                        .collect()
                };
                let plain = known(&record.plain);
                let Some(concept) = teacher.caption(&record.concept) else {
                    continue;
                };
                if record.weight <= 0.0 || plain.is_empty() {
                    continue;
                }
                weights.push(record.weight * emphasis(record.style));
                entries.push(GalleryEntry {
                    pack,
                    index,
                    style: record.style,
                    concept,
                    plain,
                    keywords: known(&record.keywords),
                    scenes: named(&record.scenes, teacher),
                    filtered: named(&record.filtered, teacher),
                });
            }
        }
        let mut counts: HashMap<usize, f32> = HashMap::new();
        for entry in entries
            .iter()
            .filter(|entry| entry.style != Style::Scribble)
        {
            *counts.entry(entry.concept).or_default() += 1.0;
        }
        for (weight, entry) in weights.iter_mut().zip(&entries) {
            *weight /= counts.get(&entry.concept).map_or(1.0, |count| count.sqrt());
        }
        let which = |wanted: &dyn Fn(&GalleryEntry) -> bool| -> Vec<usize> {
            (0..entries.len())
                .filter(|&index| wanted(&entries[index]))
                .collect()
        };
        let mut concepts: Vec<usize> = entries.iter().map(|entry| entry.concept).collect();
        concepts.sort_unstable();
        concepts.dedup();
        Self {
            choice: WeightedIndex::new(&weights).expect("there are pictures"),
            objects: which(&|entry| !entry.scenes.is_empty()),
            scribbles: which(&|entry| entry.style == Style::Scribble),
            concepts,
            packs,
            entries,
        }
    }

    /// How many pictures there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The concepts of all pictures, each once.
    pub fn concepts(&self) -> &[usize] {
        &self.concepts
    }

    /// What one step learns from. The same order gives the same batch, whatever came before.
    pub fn batch(&self, order: Order) -> PictureBatch {
        let Order {
            seed,
            step,
            count,
            side,
            effort,
        } = order;
        let stream = |number: u64| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(step * (count as u64 + 1) + number);
            random
        };
        let samples: Vec<_> = (0..count)
            .into_par_iter()
            .map(|index| {
                let mut random = stream(index as u64);
                let (canvas, shares) = self.compose(&mut random, effort);
                let mut view = see(&canvas, side, &mut random, effort);
                let values: Vec<f32> = (0..view.len())
                    .map(|_| random.random_range(-1.0..1.0))
                    .collect();
                disturb(&mut view, side, &mut random, effort);
                (view, values, shares)
            })
            .collect();
        let mut random = stream(count as u64);
        let bank = self
            .concepts
            .choose_multiple(&mut random, BANK)
            .copied()
            .collect();
        let mut batch = PictureBatch {
            views: Vec::new(),
            shares: Vec::new(),
            bank,
            noise: Vec::new(),
        };
        for (view, noise, shares) in samples {
            batch.views.extend(view);
            batch.noise.extend(noise);
            batch.shares.push(shares);
        }
        batch
    }

    fn picture(&self, entry: &GalleryEntry) -> &[u8] {
        self.packs[entry.pack].picture(entry.index)
    }

    /// A canvas and what it shows.
    fn compose(&self, random: &mut ChaCha8Rng, effort: f64) -> (Picture, Shares) {
        let entry = &self.entries[self.choice.sample(random)];
        let chance = random.random::<f64>() / effort.max(1e-6);
        let (mut canvas, mut shares) = if !entry.scenes.is_empty() && chance < SCENES {
            self.scene(entry, random)
        } else if !entry.scenes.is_empty() && chance < SCENES + PAIRS {
            self.pair(entry, random)
        } else if !entry.filtered.is_empty() && chance < SCENES + PAIRS + FILTERED {
            let (canvas, _) = self.alone(entry, random);
            let &(filter, caption) = entry.filtered.choose(random).expect("there is one");
            (filter::apply(filter, &canvas, random), vec![(caption, 1.0)])
        } else {
            let (mut canvas, paper) = self.alone(entry, random);
            if is_smooth(entry.style) && random.random_bool(PHOTOGRAPHED * effort) {
                canvas = filter::photograph(&canvas, paper, random);
            }
            (canvas, vec![(entry.caption(random), 1.0)])
        };
        let smooth = is_smooth(entry.style);
        if smooth && random.random_bool(OUTLINED * effort) {
            canvas = filter::outline(&canvas, random);
        }
        let colored = smooth || entry.style == Style::Painting;
        if colored && random.random_bool(FALSE_COLORS * effort) {
            self.change_colors(&mut canvas, &mut shares, random);
        }
        let crossed_out =
            entry.style != Style::Scribble && random.random_bool(CROSSED_OUT * effort);
        if crossed_out && !self.scribbles.is_empty() {
            self.cross_out(&mut canvas, &mut shares, random);
        }
        (canvas, shares)
    }

    /// A picture on paper, and the color of the paper.
    fn alone(&self, entry: &GalleryEntry, random: &mut ChaCha8Rng) -> (Picture, [f32; 3]) {
        let mut canvas = ground(entry.style, random);
        let paper = canvas.pixel(0, 0);
        lay(&mut canvas, self.picture(entry), &Placement::alone(random));
        (canvas, paper)
    }

    fn scene(&self, entry: &GalleryEntry, random: &mut ChaCha8Rng) -> (Picture, Shares) {
        let &(kind, caption) = entry.scenes.choose(random).expect("there is one");
        let mut canvas = backdrop(kind, SIDE, random);
        lay(
            &mut canvas,
            self.picture(entry),
            &Placement::in_scene(random),
        );
        (canvas, vec![(caption, 1.0)])
    }

    fn pair(&self, entry: &GalleryEntry, random: &mut ChaCha8Rng) -> (Picture, Shares) {
        let other = &self.entries[*self.objects.choose(random).expect("there is one")];
        let mut canvas = ground(entry.style, random);
        lay(
            &mut canvas,
            self.picture(entry),
            &Placement::beside(random, false),
        );
        lay(
            &mut canvas,
            self.picture(other),
            &Placement::beside(random, true),
        );
        let [first, second] = [entry, other].map(|entry| entry.caption(random));
        (canvas, vec![(first, 0.5), (second, 0.5)])
    }

    /// Red, green and blue change places: a blue cat is less of a cat, and the more there is to see of its
    /// colors, the less. Without this a drawing may have any colors at all.
    fn change_colors(&self, canvas: &mut Picture, shares: &mut Shares, random: &mut ChaCha8Rng) {
        let Some(&scribble) = self.scribbles.choose(random) else {
            return;
        };
        let turned = random.random();
        let falseness = change_places(canvas, turned);
        let lost = COST_OF_FALSE_COLORS * (FULLY_FALSE * falseness).min(1.0);
        lose(shares, lost, self.entries[scribble].caption(random));
    }

    /// Paints scribbles over everything: the more they hide, the less there is to recognize.
    fn cross_out(&self, canvas: &mut Picture, shares: &mut Shares, random: &mut ChaCha8Rng) {
        let scribble = &self.entries[*self.scribbles.choose(random).expect("there is one")];
        let placement = Placement {
            size: random.random_range(0.5..1.4),
            ..Placement::alone(random)
        };
        let covered = (1.5 * lay(canvas, self.picture(scribble), &placement)).min(1.0);
        lose(shares, covered, scribble.caption(random));
    }
}

/// Whether pictures of a style have areas of color, and the colors of what they show.
fn is_smooth(style: Style) -> bool {
    matches!(style, Style::Emoji | Style::ClipArt | Style::Render)
}

/// How often pictures of a style are shown, beside those of others: renderings are the nearest to
/// photographs and few, paintings are made from pictures that are shown as they are, too.
fn emphasis(style: Style) -> f32 {
    match style {
        Style::Render => 2.0,
        Style::Painting => 0.6,
        _ => 1.0,
    }
}

/// Gives a part of what a picture shows to another caption.
fn lose(shares: &mut Shares, part: f32, caption: usize) {
    for share in shares.iter_mut() {
        share.1 *= 1.0 - part;
    }
    shares.push((caption, part));
}

fn named<T: Copy>(captions: &[(T, String)], teacher: &Teacher) -> Vec<(T, usize)> {
    let known = captions
        .iter()
        .filter_map(|(kind, text)| Some((*kind, teacher.caption(text)?)));
    known.collect()
}

#[cfg(test)]
mod tests {
    use tch::Tensor;

    use super::*;
    use crate::pack::{PICTURE_BYTES, PackWriter, Record};

    fn record(name: &str, style: Style, weight: f32) -> Record {
        let scenes = if style == Style::Emoji {
            vec![(Backdrop::Sea, format!("a {name} on the sea"))]
        } else {
            Vec::new()
        };
        Record {
            set: "own".to_owned(),
            name: name.to_owned(),
            style,
            weight,
            concept: format!("a {name}"),
            plain: vec![format!("a {name}")],
            keywords: Vec::new(),
            scenes,
            filtered: vec![(Filter::Neon, format!("a neon sign of a {name}"))],
        }
    }

    fn gallery() -> Gallery {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = PackWriter::create(folder.path()).unwrap();
        let records = [
            record("boat", Style::Emoji, 1.0),
            record("boat", Style::ClipArt, 1.0),
            record("scribble", Style::Scribble, 0.2),
            record("held out", Style::Emoji, 0.0),
            record("stranger", Style::Emoji, 1.0),
        ];
        for record in &records {
            writer.add(&vec![200; PICTURE_BYTES], record).unwrap();
        }
        writer.finish().unwrap();
        let pack = Pack::open(folder.path()).unwrap();
        let mut captions = HashMap::new();
        for record in &records[..4] {
            for caption in [&record.plain[0], &record.filtered[0].1] {
                let next = captions.len();
                captions.entry(caption.clone()).or_insert(next);
            }
        }
        captions.insert("a boat on the sea".to_owned(), captions.len());
        let rows = Tensor::eye(captions.len() as i64, (tch::Kind::Float, tch::Device::Cpu));
        Gallery::new(vec![pack], &Teacher::new(captions, &rows))
    }

    fn order(seed: u64, step: u64, count: usize) -> Order {
        Order {
            seed,
            step,
            count,
            side: 32,
            effort: 1.0,
        }
    }

    #[test]
    fn pictures_without_weight_or_known_captions_are_not_shown() {
        let gallery = gallery();
        assert_eq!(gallery.len(), 3);
        assert_eq!(gallery.concepts().len(), 2);
    }

    #[test]
    fn a_batch_depends_on_its_seed_and_step_alone() {
        let gallery = gallery();
        let batch = gallery.batch(order(1, 5, 8));
        gallery.batch(order(1, 6, 8));
        let again = gallery.batch(order(1, 5, 8));
        assert_eq!(batch.views, again.views);
        assert_eq!(batch.shares, again.shares);
        assert_eq!(batch.noise, again.noise);
        assert_ne!(batch.views, gallery.batch(order(1, 6, 8)).views);
        assert_ne!(batch.views, gallery.batch(order(2, 5, 8)).views);
    }

    #[test]
    fn shares_sum_to_one_and_values_are_colors() {
        let batch = gallery().batch(order(3, 0, 64));
        for shares in &batch.shares {
            assert!((shares.iter().map(|share| share.1).sum::<f32>() - 1.0).abs() < 1e-5);
        }
        assert!(batch.views.iter().all(|value| (0.0..=1.0).contains(value)));
        assert_eq!(batch.views.len(), 64 * 3 * 32 * 32);
        assert!(batch.shares.iter().any(|shares| shares.len() > 1));
    }
}
