//! `clipdraw-train drawings`.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::{Map, Value};
use tch::{Device, Kind};

use super::folder::WorkFolder;
use super::image::TowerName;
use super::say::say;
use crate::drawings::{Classifier, sheet};
use crate::image::averaged;
use crate::pack::{Pack, PackWriter};
use crate::packs::ICONS;
use crate::sample::Gallery;
use crate::self_made::{RECOGNIZED, lesson, things};
use crate::teacher::{Teacher, read_lines};
use crate::tensor_file;
use clipdraw::clip::{Clip, WeightsSource};
use clipdraw::draw::{Preset, Spec};
use clipdraw::inputs::Input;
use clipdraw::output::{Metadata, write_svg};
use clipdraw::render::cpu::raster::paint;
use clipdraw::scene::{Picture, Strokes};

/// Options of the step.
#[derive(Debug, Args)]
pub struct DrawingsArguments {
    #[command(flatten)]
    folder: WorkFolder,
    /// The weights to draw with. Default: the embedded ones.
    #[arg(long)]
    weights: Option<PathBuf>,
    /// A text file of prompts, one per line.
    #[arg(long, required_unless_present = "things")]
    prompts: Option<PathBuf>,
    /// Draw this many things from the pack of icons, instead of prompts.
    #[arg(long, conflicts_with = "prompts")]
    things: Option<usize>,
    /// Seed of the choice of things.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A text file of prompts, one per line, which are excluded from these things.
    #[arg(long, requires = "things")]
    except: Option<PathBuf>,
    /// Save the drawings in a pack of this name for training, labelled by the classifier's ranking.
    #[arg(long, requires = "classifier")]
    pack: Option<String>,
    /// Inputs of a prediction that differ from their defaults, as JSON.
    #[arg(long, default_value = "{}")]
    inputs: String,
    /// A recipe as JSON, instead of the model's.
    #[arg(long)]
    recipe: Option<String>,
    /// The run of the classifier, by its name in the work folder.
    #[arg(long)]
    classifier: Option<String>,
    /// Packs with the captions of the classifier.
    #[arg(long, value_delimiter = ',', default_value = "icons")]
    packs: Vec<String>,
    /// Side of the pictures for the classifier, in pixels.
    #[arg(long, default_value_t = 64)]
    side: usize,
    /// Where the drawings and their sheet go.
    #[arg(long)]
    out: PathBuf,
    /// Drawings in a row of the sheet.
    #[arg(long, default_value_t = 8)]
    columns: usize,
}

impl DrawingsArguments {
    /// Draws, saves, and runs the classifier.
    ///
    /// # Errors
    /// When something is missing or a drawing fails.
    pub fn run(&self) -> anyhow::Result<()> {
        let source = self
            .weights
            .clone()
            .map_or(WeightsSource::Embedded, WeightsSource::File);
        let clip = Clip::load(&source, Device::Cpu, Kind::Float)?;
        let recipe: Option<Preset> = self
            .recipe
            .as_deref()
            .map(serde_json::from_str)
            .transpose()?;
        let prompts = self.prompts()?;
        fs::create_dir_all(&self.out)?;
        let mut finished = Vec::new();
        let mut pictures = Vec::new();
        for (number, prompt) in prompts.iter().enumerate() {
            let mut inputs: Map<String, Value> = serde_json::from_str(&self.inputs)?;
            inputs.insert("prompt".to_owned(), prompt.as_str().into());
            inputs.entry("seed").or_insert_with(|| number.into());
            let mut spec = Input::from_values(&inputs)?.spec().clone();
            if recipe.is_some() {
                spec.preset = recipe;
            }
            let began = Instant::now();
            let strokes = clipdraw::draw(&clip, &spec)?.frame.strokes;
            let seconds = began.elapsed().as_secs_f64();
            let metadata = Metadata {
                title: prompt.to_owned(),
                provenance: Value::Object(inputs).to_string(),
            };
            let svg = write_svg(&strokes, &spec.canvas, &metadata);
            fs::write(self.out.join(format!("{number:02}.svg")), svg)?;
            pictures.push(paint(&strokes, &spec.canvas).into_picture());
            say(&format!("{number:02} {seconds:.1} s {prompt}"));
            finished.push((prompt.as_str(), spec, strokes));
        }
        save(&sheet(&pictures, self.columns), &self.out.join("sheet.png"))?;
        match &self.classifier {
            Some(classifier) => self.classifier(classifier, &finished),
            None => Ok(()),
        }
    }

    fn prompts(&self) -> anyhow::Result<Vec<String>> {
        match (&self.prompts, self.things) {
            (Some(file), _) => read_lines(file),
            (None, count) => {
                let pack =
                    Pack::open(&self.folder.pack(ICONS)).context("opening the pack of icons")?;
                let except = self.except.as_deref().map(read_lines).transpose()?;
                let except = except.unwrap_or_default();
                Ok(things(&pack, count.unwrap_or_default(), self.seed, &except))
            }
        }
    }

    /// Prints the ranking of the drawings by the classifier with this name.
    fn classifier(&self, classifier: &str, finished: &[Finished<'_>]) -> anyhow::Result<()> {
        let teacher = Teacher::open(self.folder.path(), Device::Cpu)?;
        let packs = self
            .packs
            .iter()
            .map(|name| Pack::open(&self.folder.pack(name)));
        let gallery = Gallery::new(packs.collect::<Result<_, _>>()?, &teacher);
        let file = tensor_file::read(&self.folder.file(&format!("{classifier}.safetensors")))?;
        let tower = TowerName::CLASSIFIER.tower();
        let classifier = Classifier {
            tower,
            parameters: &averaged(tower, &file, teacher.width(), Device::Cpu)?,
            teacher: &teacher,
            concepts: gallery.concepts(),
            side: self.side,
        };
        let mut recognized = 0;
        let mut lessons = Vec::new();
        for (prompt, spec, strokes) in finished {
            let caption = teacher.caption(&prompt.to_lowercase());
            let caption = caption.ok_or_else(|| anyhow!("the teacher has not read `{prompt}`"))?;
            let ranking = classifier.rank(strokes, spec, caption)?;
            recognized += usize::from(ranking.rank < RECOGNIZED);
            lessons.extend(lesson(prompt, ranking.rank, strokes, &spec.canvas));
            let read: Vec<_> = ranking
                .first
                .iter()
                .map(|&caption| teacher.text(caption))
                .collect();
            let (rank, read) = (ranking.rank, read.join(", "));
            say(&format!("rank {rank:4} {prompt}: {read}"));
        }
        let all = finished.len();
        say(&format!("{recognized} of {all} among the first five"));
        if let Some(pack) = &self.pack {
            let mut writer = PackWriter::create(&self.folder.pack(pack))?;
            for (picture, record) in &lessons {
                writer.add(picture, record)?;
            }
            writer.finish()?;
        }
        Ok(())
    }
}

/// A prompt, its plan and its drawing.
type Finished<'a> = (&'a str, Spec, Strokes);

/// Writes a picture as a PNG.
fn save(picture: &Picture, path: &PathBuf) -> anyhow::Result<()> {
    let (width, height) = (picture.width(), picture.height());
    let byte = |value: f32| (255.0 * value.clamp(0.0, 1.0)).round() as u8;
    let pixels =
        (0..width * height).flat_map(|index| picture.pixel(index % width, index / width).map(byte));
    let buffer = image::RgbImage::from_raw(width as u32, height as u32, pixels.collect());
    let buffer = buffer.context("a picture of this size")?;
    buffer
        .save(path)
        .with_context(|| format!("writing {}", path.display()))
}
