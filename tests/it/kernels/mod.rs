//! The CUDA renderer without a GPU: its kernels, compiled as C++, against the renderer on the processor, and what it
//! says on a machine without CUDA.

mod processor;
mod scenes;
mod comparison;
mod pictures;
mod batches;
mod runs;
mod compiler;
mod cache;
mod machine;
