//! Milliseconds a step.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tch::{Device, Tensor};

use super::recorder::{CheckError, Measurement, Recorder};
use super::settings::CheckSettings;
use crate::clip::Clip;
use crate::compute::cuda::CudaDevice;
use crate::compute::graph::GraphMode;
use crate::draw::{Drawing, Stepper, step_together};
use crate::plural::counted;
use crate::render::cpu::CpuRenderer;
use crate::render::{RenderError, Rendered, Renderer, Scene, renderer_for};
use crate::scene::StrokeGradient;

/// How many drawings are moved at once.
const COUNTS: [usize; 3] = [1, 4, 16];

/// Steps that are timed, at most.
const MAX_TIMED: usize = 50;

/// Steps before them, at most: the first ones compile kernels, choose algorithms and allocate memory.
const MAX_WARM_UP: usize = 5;

/// The same for runs of ten steps. The first ones are captured when both towers of a model have worked for some steps.
const RUNS_TIMED: usize = 100;
const RUNS_WARM_UP: usize = 40;

/// Measures all ways to do steps, and the stages of a step.
pub(super) fn check(settings: &CheckSettings, recorder: &mut Recorder<'_>) {
    let Some(clip) = recorder.load(settings) else {
        return;
    };
    for way in Way::ALL {
        for count in COUNTS {
            recorder.check(format!("{way}, {}", drawings(count)), || {
                Ok(whole(median(way.times(&clip, settings, count)?), count))
            });
        }
    }
    for count in COUNTS {
        recorder.check(format!("stages, {}", drawings(count)), || {
            stages(&clip, settings, count)
        });
    }
}

/// How steps are done. The names are those of the columns of `scripts/gpu_check/report.py`.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// Each step returns to the host, which renders.
    StepsOnHost,
    /// Each step returns to the host.
    Steps,
    /// Runs of steps, operation by operation.
    Runs,
    /// Runs of steps that are captured.
    Graphs,
}

impl fmt::Display for Way {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::StepsOnHost => "steps with the renderer on the processor",
            Self::Steps => "steps",
            Self::Runs => "runs",
            Self::Graphs => "CUDA graphs",
        })
    }
}

impl Way {
    /// The stream of the thread changes for the last one.
    const ALL: [Self; 4] = [Self::StepsOnHost, Self::Steps, Self::Runs, Self::Graphs];

    /// The milliseconds of each step after the warm-up.
    fn times(
        self,
        clip: &Clip,
        settings: &CheckSettings,
        count: usize,
    ) -> Result<Vec<f64>, CheckError> {
        match self {
            Self::StepsOnHost => timed_steps(clip, settings, &CpuRenderer, count),
            Self::Steps => timed_steps(clip, settings, &*renderer_for(settings.device), count),
            Self::Runs => {
                let renderer = renderer_for(settings.device);
                timed_runs(
                    &Stepper::with_renderer(clip, renderer, GraphMode::Off),
                    settings,
                    count,
                )
            }
            Self::Graphs => timed_runs(&Stepper::new(clip, GraphMode::Auto)?, settings, count),
        }
    }
}

/// Moves some drawings together in runs, and returns the milliseconds a step of each run after the warm-up, which ends
/// after everything has been captured.
fn timed_runs(
    stepper: &Stepper<&Clip>,
    settings: &CheckSettings,
    count: usize,
) -> Result<Vec<f64>, CheckError> {
    let (warm_up, timed) = (
        settings.steps.min(RUNS_WARM_UP),
        settings.steps.min(RUNS_TIMED),
    );
    let start = |index| Drawing::start(stepper.clip(), settings.spec(warm_up + timed, index));
    let mut drawings = (0..count).map(start).collect::<Result<Vec<_>, _>>()?;
    let mut times = Vec::new();
    let mut done = 0;
    while done < warm_up + timed {
        let mut together: Vec<_> = drawings.iter_mut().collect();
        // The strokes are on the host at the end of a run, so the device has nothing left to do.
        let began = Instant::now();
        let mut steps = 0;
        for advance in stepper.advance(&mut together) {
            steps = advance.into_result()?.len();
        }
        if done >= warm_up {
            times.push(milliseconds(began.elapsed()) / steps.max(1) as f64);
        }
        done += steps.max(1);
    }
    Ok(times)
}

fn drawings(count: usize) -> String {
    counted(count, "drawing", "drawings")
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
