//! Milliseconds a step.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tch::{Device, Tensor};

use super::recorder::{CheckError, Measurement, Recorder};
use super::settings::CheckSettings;
use crate::clip::Clip;
use crate::compute::cuda::CudaDevice;
use crate::draw::{Drawing, step_together};
use crate::render::cpu::CpuRenderer;
use crate::render::{RenderError, Rendered, Renderer, Scene, renderer_for};
use crate::scene::StrokeGradient;

/// How many drawings are moved at once.
const COUNTS: [usize; 3] = [1, 4, 16];

/// Steps that are timed, at most.
const MAX_TIMED: usize = 50;

/// Steps before them, at most: the first ones compile kernels, choose algorithms and allocate memory.
const MAX_WARM_UP: usize = 5;

/// Measures steps with the renderer of the device, with the renderer on the processor, and the stages of a step.
pub(super) fn check(settings: &CheckSettings, recorder: &mut Recorder<'_>) {
    let Some(clip) = recorder.load(settings) else {
        return;
    };
    let on_device = renderer_for(settings.device);
    for (name, renderer) in [
        ("renderer of the device", &*on_device),
        ("renderer on the processor", &CpuRenderer),
    ] {
        for count in COUNTS {
            recorder.check(format!("{name}, {}", drawings(count)), || {
                let step = median(timed_steps(&clip, settings, renderer, count)?);
                Ok(whole(step, count))
            });
        }
    }
    for count in COUNTS {
        recorder.check(format!("stages, {}", drawings(count)), || {
            stages(&clip, settings, count)
        });
    }
}

fn drawings(count: usize) -> String {
    match count {
        1 => "1 drawing".to_owned(),
        count => format!("{count} drawings"),
    }
}

/// `step` is in milliseconds.
fn whole(step: f64, count: usize) -> Measurement {
    let per_second = 1000.0 * count as f64 / step;
    let figure = format!("{step:.2} ms a step, {per_second:.0} steps/s of all drawings");
    Measurement::without_limit(figure)
        .with("drawings", count as f64)
        .with("step_ms", step)
}

/// Moves some drawings together, and returns the milliseconds of each step after the warm-up.
fn timed_steps(
    clip: &Clip,
    settings: &CheckSettings,
    renderer: &dyn Renderer,
    count: usize,
) -> Result<Vec<f64>, CheckError> {
    let (warm_up, timed) = (
        settings.steps.min(MAX_WARM_UP),
        settings.steps.min(MAX_TIMED),
    );
    let start = |index| Drawing::start(clip, settings.spec(warm_up + timed, index));
    let mut drawings = (0..count).map(start).collect::<Result<Vec<_>, _>>()?;
    let mut times = Vec::with_capacity(warm_up + timed);
    for _ in 0..warm_up + timed {
        let mut together: Vec<_> = drawings.iter_mut().collect();
        // The gradients on strokes are on the host at the end of a step, so the device has nothing left to do.
        let began = Instant::now();
        for result in step_together(clip, renderer, &mut together) {
            result?;
        }
        times.push(milliseconds(began.elapsed()));
    }
    times.drain(..warm_up);
    Ok(times)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The upper one of the two in the middle if the number is even; 0 for none.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or_default()
}

/// The medians of each stage, in a run of its own: waiting for the device after each stage makes the steps slower.
fn stages(clip: &Clip, settings: &CheckSettings, count: usize) -> Result<Measurement, CheckError> {
    let renderer = TimedRenderer {
        inner: renderer_for(settings.device),
        clock: StageClock::new(settings.device)?,
    };
    let steps = timed_steps(clip, settings, &renderer, count)?;
    let all = renderer.clock.stages.borrow();
    let timed = &all[all.len() - steps.len()..];
    let stage = |stage: fn(&Stages) -> f64| median(timed.iter().map(stage).collect());
    let (forward, clip, backward) = (
        stage(|stages| stages.forward),
        stage(|stages| stages.clip),
        stage(|stages| stages.backward),
    );
    let others = timed.iter().zip(&steps);
    let rest = median(others.map(|(stages, step)| step - stages.sum()).collect());
    let figure = format!(
        "render forward {forward:.2} ms, CLIP forward and backward {clip:.2} ms, render backward {backward:.2} ms, \
         rest {rest:.2} ms"
    );
    Ok(Measurement::without_limit(figure)
        .with("drawings", count as f64)
        .with("step_ms", median(steps))
        .with("render_forward_ms", forward)
        .with("clip_ms", clip)
        .with("render_backward_ms", backward)
        .with("rest_ms", rest))
}

/// The milliseconds of the stages of a step.
#[derive(Debug, Clone, Copy, Default)]
struct Stages {
    forward: f64,
    /// Everything between the two passes of the renderer.
    clip: f64,
    backward: f64,
}

impl Stages {
    fn sum(&self) -> f64 {
        self.forward + self.clip + self.backward
    }
}

/// Waits for the device, and keeps the times of all steps.
#[derive(Debug, Clone)]
struct StageClock {
    /// `None` for a device whose renderer runs on the processor and waits for the device itself.
    device: Option<CudaDevice>,
    stages: Rc<RefCell<Vec<Stages>>>,
}

impl StageClock {
    fn new(device: Device) -> Result<Self, CheckError> {
        let device = match device {
            Device::Cuda(index) => Some(CudaDevice::open(index)?),
            _ => None,
        };
        Ok(Self {
            device,
            stages: Rc::default(),
        })
    }

    /// The time when the device has done everything.
    fn now(&self) -> Result<Instant, RenderError> {
        if let Some(device) = &self.device {
            device.synchronize()?;
        }
        Ok(Instant::now())
    }
}

/// A renderer that measures the stages of a step.
#[derive(Debug)]
struct TimedRenderer {
    inner: Box<dyn Renderer>,
    clock: StageClock,
}

impl Renderer for TimedRenderer {
    fn forward(
        &self,
        scenes: &[Scene<'_>],
        image_size: usize,
    ) -> Result<Box<dyn Rendered>, RenderError> {
        let began = self.clock.now()?;
        let inner = self.inner.forward(scenes, image_size)?;
        let ended = self.clock.now()?;
        self.clock.stages.borrow_mut().push(Stages {
            forward: milliseconds(ended - began),
            ..Stages::default()
        });
        Ok(Box::new(TimedRendered {
            inner,
            clock: self.clock.clone(),
            ended,
        }))
    }
}

struct TimedRendered {
    inner: Box<dyn Rendered>,
    clock: StageClock,
    /// When the forward pass ended.
    ended: Instant,
}

impl Rendered for TimedRendered {
    fn views(&self) -> &Tensor {
        self.inner.views()
    }

    fn backward(&self, view_gradient: &Tensor) -> Result<Vec<StrokeGradient>, RenderError> {
        let began = self.clock.now()?;
        let gradients = self.inner.backward(view_gradient)?;
        let backward = milliseconds(began.elapsed());
        let mut all = self.clock.stages.borrow_mut();
        if let Some(stages) = all.last_mut() {
            stages.clip = milliseconds(began - self.ended);
            stages.backward = backward;
        }
        Ok(gradients)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_number_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 3.0);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
