//! Runs CLIP alone, for `scripts/parity`: answers to one set of pictures, then timed steps on demand.
//!
//! `clip_probe MODEL PRECISION THREADS PICTURES ANSWERS`, where MODEL is a weight file, `embedded` or
//! `random:ViT-B/32`, and the last two are safetensors files. Then each line on standard input is answered
//! by the seconds of one step forward and back.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use clipdraw::clip::{Clip, ClipConfig, LoadOptions, WeightsSource};
use clipdraw::compute::{DeviceChoice, Precision, library};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use tch::{Device, Tensor};

use self::scores::{Scores, score, values};

#[path = "../it/support/scores.rs"]
mod scores;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, precision, threads, pictures, answers] = arguments.as_slice() else {
        bail!("usage: clip_probe MODEL PRECISION THREADS PICTURES ANSWERS");
    };
    let threads: usize = threads.parse()?;
    if threads > 0 {
        library::set_threads(threads);
    }
    let device = DeviceChoice::Auto.resolve()?;
    let clip = load(model, device, precision.parse()?)?;
    let (texts, views) = read(pictures)?;
    let directions = texts
        .iter()
        .map(|text| clip.embed_text(text))
        .collect::<Result<Vec<_>, _>>()?;
    let directions = Tensor::stack(&directions, 0);
    let side = clip.input_size();
    let views = Tensor::from_slice(&views).reshape([-1, 3, side, side]);
    // The sum of the cosines with all texts is the cosine with their sum, times its length.
    let total = directions.sum_dim_intlist(0, false, None);
    let scores = score(&clip, &views, &total, 0)?;
    let image = clip.embed_pictures(&views)?;
    save(answers, &image, &directions, &scores)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", digest(&scores))?;
    for line in std::io::stdin().lock().lines() {
        line?;
        let start = Instant::now();
        score(&clip, &views, &total, 0)?;
        writeln!(out, "{}", start.elapsed().as_secs_f64())?;
    }
    Ok(())
}

fn load(model: &str, device: Device, precision: Precision) -> anyhow::Result<Clip> {
    if let Some(name) = model.strip_prefix("random:") {
        let config = ClipConfig::preset(name).context("no such preset")?;
        let kind = precision.kind(device, config.image.tower_kind());
        return Ok(Clip::random(config, 1, device, kind)?);
    }
    let source = match model {
        "embedded" => WeightsSource::Embedded,
        file => WeightsSource::File(PathBuf::from(file)),
    };
    Ok(Clip::load_with(
        &source,
        device,
        precision,
        &LoadOptions::default(),
    )?)
}

fn read(file: &str) -> anyhow::Result<(Vec<String>, Vec<f32>)> {
    let bytes = std::fs::read(file)?;
    let (_, header) = SafeTensors::read_metadata(&bytes)?;
    let facts = header
        .metadata()
        .as_ref()
        .context("the pictures have no texts")?;
    let texts = serde_json::from_str(facts.get("texts").context("the pictures have no texts")?)?;
    let tensors = SafeTensors::deserialize(&bytes)?;
    let pictures = tensors.tensor("pictures")?;
    let (numbers, _) = pictures.data().as_chunks::<4>();
    Ok((
        texts,
        numbers
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect(),
    ))
}

fn save(file: &str, image: &Tensor, text: &Tensor, scores: &Scores) -> anyhow::Result<()> {
    let answers = [
        ("image", values(image)),
        ("text", values(text)),
        ("gradient", scores.gradient.clone()),
    ];
    let bytes: Vec<(&str, Vec<u8>)> = answers
        .iter()
        .map(|(name, numbers)| {
            (
                *name,
                numbers
                    .iter()
                    .flat_map(|number| number.to_le_bytes())
                    .collect(),
            )
        })
        .collect();
    let views: HashMap<&str, TensorView<'_>> = bytes
        .iter()
        .map(|(name, bytes)| {
            Ok((
                *name,
                TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes)?,
            ))
        })
        .collect::<anyhow::Result<_>>()?;
    Ok(safetensors::serialize_to_file(views, None, file.as_ref())?)
}

fn digest(scores: &Scores) -> String {
    let numbers = scores.cosines.iter().chain(&scores.gradient);
    let bytes: Vec<u8> = numbers.flat_map(|number| number.to_le_bytes()).collect();
    let start = Sha256::digest(bytes)[..8]
        .iter()
        .fold(0_u64, |value, &byte| value << 8 | u64::from(byte));
    format!("{start:016x}")
}
