//! The optimization: strokes are moved so that the picture matches the prompt according to CLIP.

mod prompt;
mod image_prompt;
mod preset;
mod ink;
mod losses;
pub mod objective;
mod spec;
mod error;
mod drawing;
mod step;
mod planned_run;
mod step_program;
mod stepper;
#[cfg(test)]
mod likeness_tests;

pub use drawing::{Drawing, Frame, Progress, Step};
pub use error::{DrawError, Quantity};
pub use image_prompt::ImagePrompt;
pub use ink::Ink;
pub use losses::{Losses, PromptLoss, TermLoss};
pub use planned_run::Advance;
pub use preset::Preset;
pub use prompt::WeightedPrompt;
pub use spec::Spec;
pub use step::step_together;
pub use stepper::Stepper;
