//! `clipdraw check`: whether a device draws what the processor draws, and how fast it is.
//!
//! The checks come in groups: the renderer, CLIP, whole drawings, speed. A check that fails, returns an error or panics
//! is a line in the [`Report`], and the next one runs. After some errors of CUDA, every later call in the
//! same process fails, so a group can also be run alone.

mod settings;
mod report;
mod recorder;
mod scenes;
mod comparison;
mod renderer;
mod clip;
mod runs;
mod drawing;
mod speed;
mod run;

pub(crate) use comparison::cosine;
pub use report::{Finding, Machine, Outcome, Report};
pub use run::run;
pub use settings::{CheckSettings, Group};
