//! The optimisation: strokes are moved until CLIP reads the prompt in the picture.

pub mod recipe;
pub mod spec;
pub mod centre;
pub mod optimizer;
pub mod loss;
pub mod contrast;
mod judge;
pub mod drawing;

pub use drawing::{DrawError, Drawing, Frame, Progress, advance};
pub use loss::{Losses, PromptLoss};
pub use recipe::Recipe;
pub use spec::{CentreConstraint, Spec, WeightedPrompt};
