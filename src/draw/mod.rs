//! The optimization: strokes are moved so that the picture matches the prompt according to CLIP.

mod prompt;
mod preset;
mod losses;
pub mod objective;
mod spec;
mod optimizer;
mod error;
mod drawing;
mod step;

pub use drawing::{Drawing, Frame, Progress, Step};
pub use error::{DrawError, Quantity};
pub use losses::{Losses, PromptLoss, TermLoss};
pub use preset::Preset;
pub use prompt::WeightedPrompt;
pub use spec::Spec;
pub use step::step_together;
