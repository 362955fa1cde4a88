//! An engine that draws without CLIP. Words in the prompt make it wait, fail or panic.
//!
//! | words in the prompt | what happens |
//! |---|---|
//! | `sleep N` | each step takes N milliseconds |
//! | `hold at N` | step N waits until [`Controls::release`] |
//! | `fail at N` | step N is not finite |
//! | `panic at N` | step N panics |
//! | `panic together` | a step shared with other drawings panics |
//! | `exhaust at N` | step N asks libtorch for more memory than any machine has |
//! | `runs of N` | the engine returns after N steps, not after each |
//! | `wait for memory` | there is no memory for it beside another drawing |
//! | `panic at start` | the drawing cannot even be begun |
//! | `break at N` | step N panics, and the engine has to be loaded again |

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use clipdraw::delivery::{Client, ClientConfig, UploadingFileSink};
use clipdraw::draw::{
    Advance, DrawError, Frame, Losses, Progress, PromptLoss, Quantity, Spec, Step, TermLoss,
};
use clipdraw::output::Provenance;
use clipdraw::scene::start::random_strokes;
use clipdraw::service::worker::{self, Load};
use clipdraw::service::{Backends, Engine, EngineError, Limits, Service};
use tch::Tensor;

/// Nothing that a test waits for takes longer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a test can do to engines from outside.
#[derive(Debug, Default)]
pub(crate) struct Controls {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    released: bool,
    holding: usize,
    loads: usize,
    failing_loads: usize,
    broken: bool,
    most_together: usize,
    steps: usize,
}

impl Controls {
    /// Lets every drawing that holds go on, now and later.
    pub(crate) fn release(&self) {
        self.state.lock().unwrap().released = true;
        self.changed.notify_all();
    }

    /// Holds drawings again, after a release and once none of them is under way.
    pub(crate) fn hold_again(&self) {
        self.state.lock().unwrap().released = false;
    }

    /// Waits until a drawing holds.
    pub(crate) fn wait_for_hold(&self) {
        let state = self.state.lock().unwrap();
        let (state, timeout) = self
            .changed
            .wait_timeout_while(state, TIMEOUT, |state| state.holding == 0)
            .unwrap();
        assert!(!timeout.timed_out(), "no drawing holds");
        drop(state);
    }

    /// How often the engine was loaded.
    pub(crate) fn loads(&self) -> usize {
        self.state.lock().unwrap().loads
    }

    /// How many steps were taken, over all drawings.
    pub(crate) fn steps(&self) -> usize {
        self.state.lock().unwrap().steps
    }

    /// The most drawings that shared a step.
    pub(crate) fn most_together(&self) -> usize {
        self.state.lock().unwrap().most_together
    }

    /// Makes so many of the next loads fail.
    pub(crate) fn fail_loads(&self, count: usize) {
        self.state.lock().unwrap().failing_loads = count;
    }

    fn hold(&self) {
        let mut state = self.state.lock().unwrap();
        state.holding += 1;
        self.changed.notify_all();
        let (mut state, timeout) = self
            .changed
            .wait_timeout_while(state, TIMEOUT, |state| !state.released)
            .unwrap();
        state.holding -= 1;
        assert!(!timeout.timed_out(), "nobody released the drawing");
    }
}

/// Draws without CLIP.
#[derive(Debug)]
pub(crate) struct FakeEngine {
    controls: Arc<Controls>,
    provenance: Provenance,
}

/// A drawing that only counts its steps.
#[derive(Debug, Clone)]
pub(crate) struct FakeDrawing {
    spec: Spec,
    step: usize,
}

impl Engine for FakeEngine {
    type Drawing = FakeDrawing;

    fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    fn start(&self, spec: &Spec) -> Result<FakeDrawing, DrawError> {
        let drawing = FakeDrawing {
            spec: spec.clone(),
            step: 0,
        };
        assert!(
            !drawing.prompt().contains("panic at start"),
            "told to panic"
        );
        Ok(drawing)
    }

    fn advance(&self, drawings: &mut [&mut FakeDrawing]) -> Vec<Advance> {
        let together = drawings.len();
        {
            let mut state = self.controls.state.lock().unwrap();
            state.most_together = state.most_together.max(together);
        }
        drawings
            .iter_mut()
            .map(|drawing| {
                assert!(
                    together == 1 || !drawing.prompt().contains("panic together"),
                    "told to panic together"
                );
                self.advance_alone(drawing)
            })
            .collect()
    }

    fn has_memory_for(&self, spec: &Spec, _count: usize) -> bool {
        !spec.prompts[0].text.contains("wait for memory")
    }

    fn check(&self) -> Result<(), EngineError> {
        if self.controls.state.lock().unwrap().broken {
            return Err(EngineError::new("the fake engine is broken"));
        }
        Ok(())
    }
}

impl FakeEngine {
    /// As many steps as the prompt says after "runs of ", but none after a step that comes before a frame.
    fn advance_alone(&self, drawing: &mut FakeDrawing) -> Advance {
        let mut steps = Vec::new();
        let count = drawing.argument("runs of ").unwrap_or(1);
        while steps.len() < count {
            self.controls.state.lock().unwrap().steps += 1;
            match self.step_alone(drawing) {
                Ok(step) => steps.push(step),
                Err(error) => {
                    let error = Some(error);
                    return Advance { steps, error };
                }
            }
            let done = drawing.step;
            if done.is_multiple_of(drawing.spec.steps_per_frame) || done >= drawing.spec.steps {
                break;
            }
        }
        Advance { steps, error: None }
    }

    fn step_alone(&self, drawing: &mut FakeDrawing) -> Result<Step, DrawError> {
        if let Some(milliseconds) = drawing.argument("sleep ") {
            std::thread::sleep(Duration::from_millis(milliseconds as u64));
        }
        if drawing.argument("hold at ") == Some(drawing.step) {
            self.controls.hold();
        }
        if drawing.argument("break at ") == Some(drawing.step) {
            self.controls.state.lock().unwrap().broken = true;
            panic!("told to break");
        }
        if drawing.argument("exhaust at ") == Some(drawing.step) {
            drop(Tensor::zeros(
                [1 << 50],
                (tch::Kind::Float, tch::Device::Cpu),
            ));
        }
        assert!(
            drawing.argument("panic at ") != Some(drawing.step),
            "told to panic"
        );
        if drawing.argument("fail at ") == Some(drawing.step) {
            return Err(DrawError::NotFinite {
                quantity: Quantity::Loss,
                term: "centre term".to_owned(),
                step: drawing.step,
                in_fp16: false,
            });
        }
        Ok(drawing.step())
    }
}

impl FakeDrawing {
    fn prompt(&self) -> &str {
        &self.spec.prompts[0].text
    }

    /// The number after some words of the prompt.
    fn argument(&self, words: &str) -> Option<usize> {
        let (_, rest) = self.prompt().split_once(words)?;
        rest.split_whitespace().next()?.parse().ok()
    }

    fn step(&mut self) -> Step {
        let step = self.step;
        let part = PromptLoss {
            prompt: self.spec.prompts[0].clone(),
            similarity: 0.25,
            loss: -0.25,
            has_ended: false,
        };
        let losses = Losses::new(vec![
            term("clip", -0.25, vec![part]),
            term("contrast", 0.0, Vec::new()),
            term("centre", 0.5, Vec::new()),
        ]);
        let frame = Frame {
            step,
            strokes: random_strokes(&self.spec.canvas, self.spec.strokes, self.spec.seed),
            losses: losses.clone(),
        };
        self.step += 1;
        if step == self.spec.steps {
            return Step::Finished(frame);
        }
        let is_due = step.is_multiple_of(self.spec.steps_per_frame);
        Step::Running(Progress {
            step,
            losses,
            frame: is_due.then_some(frame),
        })
    }
}

/// A term of the loss; that without a value is turned off.
fn term(name: &'static str, value: f64, prompts: Vec<PromptLoss>) -> TermLoss {
    TermLoss {
        name,
        value,
        is_active: value != 0.0,
        prompts,
    }
}

/// Loads fake engines that `controls` governs.
pub(crate) fn loader(controls: &Arc<Controls>) -> Load<FakeEngine> {
    let controls = Arc::clone(controls);
    Box::new(move || {
        let mut state = controls.state.lock().unwrap();
        state.loads += 1;
        if state.failing_loads > 0 {
            state.failing_loads -= 1;
            return Err(EngineError::new("told to fail"));
        }
        state.broken = false;
        drop(state);
        Ok(FakeEngine {
            controls: Arc::clone(&controls),
            provenance: Provenance {
                model: "fake".to_owned(),
                weights_sha256: "0".repeat(64),
                tensors: None,
                activation: None,
                device: "cpu".to_owned(),
                precision: "fp32".to_owned(),
                backend: None,
            },
        })
    })
}

/// Limits with `slots` and `queue`, generous otherwise.
pub(crate) fn limits(slots: usize, queue: usize) -> Limits {
    Limits {
        slots,
        queue,
        long_queue: queue,
        replay: 1024,
        remember: 64,
        remember_for: Duration::from_mins(10),
        remember_bytes: 1 << 28,
    }
}

/// A service without uploads whose predictions end within this process.
pub(crate) fn service(limits: Limits) -> Arc<Service> {
    let client = Arc::new(Client::new(ClientConfig::default()).unwrap());
    let files = Arc::new(UploadingFileSink::new(client));
    Service::new(limits, Backends::in_memory(limits, files))
}

/// A service with a worker on a fake engine, ready for work.
pub(crate) async fn ready_service(limits: Limits) -> (Arc<Service>, Arc<Controls>) {
    let controls = Arc::new(Controls::default());
    let service = service(limits);
    worker::start(Arc::clone(&service), loader(&controls)).unwrap();
    while service.health().await.setup.completed_at.is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (service, controls)
}
