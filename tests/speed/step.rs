//! A whole step beside what CLIP alone costs: the same forward and input-backward pass without
//! strokes, views, losses and optimiser. The quotient of the two medians is the price of the loop.
//!
//! ViT-B/32 has random weights, which cost what trained ones cost.

use clipdraw::clip::{Arithmetic, Clip, ClipConfig, LoadOptions, TowerBackend, WeightsSource};
use clipdraw::compute::Precision;
use clipdraw::compute::processor::has_bf16;
use clipdraw::draw::{Drawing, Spec, step_together};
use clipdraw::render::renderer_for;
use clipdraw::scene::Canvas;
use divan::Bencher;
use tch::{Device, Kind, Tensor};

use self::scores::score;

#[path = "../it/support/scores.rs"]
mod scores;

const VIEWS: usize = 4;

/// A model by its name, with ` bf16` behind it for that precision.
fn model(name: &str) -> Clip {
    model_on(name, TowerBackend::Native)
}

/// The same with image towers that are computed in this way.
fn model_on(name: &str, backend: TowerBackend) -> Clip {
    let (name, precision) = match name.strip_suffix(" bf16") {
        Some(name) => (name, Precision::Bf16),
        None => (name, Precision::Fp32),
    };
    let arithmetic = Arithmetic { precision, backend };
    let loaded = if let Some(config) = ClipConfig::preset(name) {
        let kind = precision.kind(Device::Cpu, config.image.tower_kind());
        Clip::random_on(config, 1, Device::Cpu, kind, backend)
    } else {
        let options = LoadOptions::default();
        Clip::load_with(&WeightsSource::Embedded, Device::Cpu, arithmetic, &options)
    };
    loaded.expect("a model")
}

fn spec(strokes: usize) -> Spec {
    Spec {
        strokes,
        steps: usize::MAX,
        steps_per_frame: usize::MAX,
        views: VIEWS,
        seed: 1,
        ..Spec::prompt("a bonfire")
    }
}

#[divan::bench(args = ["embedded", "ViT-B/32"], sample_count = 30, sample_size = 1)]
fn whole_step(bencher: Bencher<'_, '_>, name: &str) {
    let clip = model(name);
    let mut drawing = Drawing::start(&clip, spec(256)).expect("a drawing");
    bencher.bench_local(|| drawing.step(&clip));
}

/// A step of the embedded model by the number of views.
#[divan::bench(args = [1, 2, 3, 4, 8], sample_count = 30, sample_size = 1)]
fn step_by_views(bencher: Bencher<'_, '_>, views: usize) {
    let clip = model("embedded");
    let spec = Spec { views, ..spec(256) };
    let mut drawing = Drawing::start(&clip, spec).expect("a drawing");
    bencher.bench_local(|| drawing.step(&clip));
}

/// A step of the embedded model by the side of a square canvas in pixels.
#[divan::bench(args = [224, 512, 1024], sample_count = 30, sample_size = 1)]
fn step_by_canvas(bencher: Bencher<'_, '_>, side: u32) {
    let clip = model("embedded");
    let spec = Spec {
        canvas: Canvas {
            width: side,
            height: side,
            ..Canvas::default()
        },
        ..spec(256)
    };
    let mut drawing = Drawing::start(&clip, spec).expect("a drawing");
    bencher.bench_local(|| drawing.step(&clip));
}

/// A step of the embedded model by the number of threads of the pool. The bytes are the same for all of them.
#[divan::bench(args = [1, 2, 4, 8], sample_count = 30, sample_size = 1)]
fn step_by_threads(bencher: Bencher<'_, '_>, threads: usize) {
    let clip = model("embedded");
    let drawing = Drawing::start(&clip, spec(256)).expect("a drawing");
    // Both may move to a thread of the pool, but not be shared with it.
    let mut both = (clip, drawing);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.expect("the threads can be started");
    bencher.bench_local(|| {
        pool.install(|| {
            let (clip, drawing) = &mut both;
            drawing.step(clip)
        })
    });
}

/// A step of several drawings together with the embedded model.
#[divan::bench(args = [1, 2, 4, 8], sample_count = 30, sample_size = 1)]
fn step_of_several_drawings(bencher: Bencher<'_, '_>, count: usize) {
    let clip = model("embedded");
    let drawings = (0..count as u64).map(|seed| {
        let spec = Spec { seed, ..spec(256) };
        Drawing::start(&clip, spec).expect("a drawing")
    });
    let mut drawings: Vec<Drawing> = drawings.collect();
    let renderer = renderer_for(clip.device());
    bencher.bench_local(|| {
        let mut together: Vec<&mut Drawing> = drawings.iter_mut().collect();
        step_together(&clip, &*renderer, &mut together)
    });
}

/// The models in the precisions that this processor has. Without its instructions, bf16 takes many times as long.
fn models() -> impl Iterator<Item = &'static str> {
    let all = ["embedded", "ViT-B/32", "embedded bf16", "ViT-B/32 bf16"];
    let count = if has_bf16() { 4 } else { 2 };
    all.into_iter().take(count)
}

#[divan::bench(args = models(), sample_count = 30, sample_size = 1)]
fn clip_alone(bencher: Bencher<'_, '_>, name: &str) {
    time_clip(bencher, &model(name), VIEWS);
}

/// The same with one view.
#[divan::bench(args = models(), sample_count = 30, sample_size = 1)]
fn clip_alone_one_view(bencher: Bencher<'_, '_>, name: &str) {
    time_clip(bencher, &model(name), 1);
}

/// The same batches as libtorch computes them, each on one thread: pairs of views, or single ones.
#[divan::bench(args = ["embedded", "ViT-B/32"], sample_count = 30, sample_size = 1)]
fn clip_alone_by_libtorch(bencher: Bencher<'_, '_>, name: &str) {
    time_clip(bencher, &model_on(name, TowerBackend::Libtorch), VIEWS);
}

/// The same with one view.
#[divan::bench(args = ["embedded", "ViT-B/32"], sample_count = 30, sample_size = 1)]
fn clip_alone_one_view_by_libtorch(bencher: Bencher<'_, '_>, name: &str) {
    time_clip(bencher, &model_on(name, TowerBackend::Libtorch), 1);
}

/// Times both passes of CLIP with so many views.
fn time_clip(bencher: Bencher<'_, '_>, clip: &Clip, views: usize) {
    let side = clip.input_size();
    let views = Tensor::full(
        [views as i64, 3, side, side],
        0.5,
        (Kind::Float, Device::Cpu),
    );
    let direction = clip.embed_text("a bonfire").expect("a short prompt");
    bencher.bench_local(|| score(clip, &views, &direction, 0));
}

/// The same pass as libtorch does it when it is asked for one batch on all its threads, without the
/// division into pairs of views that makes the bytes equal at any number of threads.
#[divan::bench(args = ["embedded", "ViT-B/32"], sample_count = 30, sample_size = 1)]
fn clip_alone_on_libtorchs_threads(bencher: Bencher<'_, '_>, name: &str) {
    let clip = model_on(name, TowerBackend::Libtorch);
    let side = clip.input_size();
    let text = clip.embed_text("a bonfire").expect("a short prompt");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tch::set_num_threads(cores as i32);
    bencher.bench_local(|| {
        let views = Tensor::full(
            [VIEWS as i64, 3, side, side],
            0.5,
            (Kind::Float, Device::Cpu),
        )
        .set_requires_grad(true);
        let cosines = clip.embed_pictures(&views).expect("pictures").matmul(&text);
        cosines.sum(Kind::Float).backward();
        views.grad()
    });
    tch::set_num_threads(1);
}
