//! How the embedded model is made: pictures and captions from openly licensed packages, a text tower
//! that learns a teacher's sense of words, an image tower that learns to find the caption of a picture
//! even when an adversary has a hand in it, and the figures that say how well it does.
//!
//! `scripts/train` runs the steps one by one; `clipdraw-train` is the program behind it. Neither is part of
//! what is installed to draw: the feature `training` builds them.

pub mod pack;
pub mod tensor_file;
pub mod teacher;
pub mod parameters;
pub mod tower;
pub mod backdrop;
pub mod filter;
pub mod sprite;
pub mod sample;
pub mod adversary;
pub mod evaluation;
pub mod image;
pub mod drawings;
pub mod command;
