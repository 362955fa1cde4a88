//! The optimization: strokes are moved until CLIP reads the prompt in the picture.

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
