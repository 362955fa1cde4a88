//! Turns a prompt into a vector drawing: strokes on a canvas are optimized by gradient descent, so
//! that the picture matches the prompt according to a CLIP model (CLIPDraw, Frans et al. 2021).
//!
//! ```
//! use clipdraw::clip::{Clip, WeightsSource};
//! use clipdraw::draw::Spec;
//! use clipdraw::tch::{Device, Kind};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clip = Clip::load(&WeightsSource::Embedded, Device::Cpu, Kind::Float)?;
//! let spec = Spec { steps: 2, strokes: 16, ..Spec::prompt("a red fox") };
//! let drawing = clipdraw::draw(&clip, &spec)?;
//! assert!(drawing.to_svg().starts_with("<svg"));
//! # Ok(())
//! # }
//! ```
//!
//! The defaults of [`draw::Spec`] are those of the command: 256 strokes and 600 steps, which take
//! about 15 seconds on two cores with the embedded model. `examples/` shows how to watch the losses
//! and the frames.
//!
//! # Modules
//!
//! - [`clip`]: a CLIP model from a weight file, or the small one that is part of the program.
//! - [`mod@draw`]: the plan of a drawing, its objective, and the step that moves several drawings at once.
//! - [`render`]: strokes to views and back to a gradient; [`render::cpu::raster`] is the rasterizer.
//! - [`scene`] and [`output`]: strokes as plain data, and the files that they are written to.
//! - [`import`]: pictures and strokes in files that callers give.
//! - [`mod@plot`]: an SVG as polylines for a pen plotter.
//! - [`optimizer`]: Adam for the numbers of strokes.
//! - [`inputs`], [`service`], [`http`], [`delivery`], [`cog`], [`replicate`], [`secret`], [`command`]: the server and
//!   the command.
//! - [`broker`]: many machines on one queue in Redis or Valkey.
//! - [`check`]: whether a device draws what the processor draws, and how fast.
//!
//! A module uses only the modules listed above it. `docs/architecture.md` explains the design, follows
//! one request and one step, and lists the files to change for an extension.
//!
//! # Limits
//!
//! - A [`clip::Clip`] can move to another thread but not be shared between threads.
//! - The same seed gives the same bytes on the same kind of processor, with the same precision and
//!   model.
//! - libtorch 2.11 is needed at build time and at run time; [`tch`] is re-exported in the matching version.
//!
//! # Features
//!
//! - `otel`: exports traces to an OpenTelemetry collector.

pub mod errors;
mod hex;
mod plural;
pub mod backoff;
pub mod tls;
pub mod secret;
pub mod environment;
pub mod suggest;
pub mod telemetry;
pub mod scene;
pub mod import;
pub mod optimizer;
pub mod compute;
pub mod render;
pub mod clip;
pub mod draw;
pub mod output;
pub mod plot;
pub mod inputs;
pub mod cog;
pub mod model_store;
pub mod service;
pub mod replicate;
pub mod check;
pub mod delivery;
pub mod broker;
pub mod http;
pub mod command;

pub use output::finished::{FinishedDrawing, draw};
pub use tch;
