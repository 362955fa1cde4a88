//! The optimization: strokes are moved until CLIP reads the prompt in the picture.

pub mod prompt;
pub mod preset;
pub mod losses;
pub mod objective;
pub mod spec;
pub mod optimizer;
pub mod error;
pub mod drawing;
pub mod step;

pub use drawing::{Drawing, Frame, Progress, Step};
pub use error::{DrawError, Quantity};
pub use losses::{Losses, PromptLoss, TermLoss};
pub use objective::{CenterConstraint, ObjectiveSpec};
pub use preset::Preset;
pub use prompt::WeightedPrompt;
pub use spec::Spec;
pub use step::step_together;
