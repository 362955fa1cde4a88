//! Trains the embedded model: collects pictures and captions from openly licensed packages, distills a
//! text tower from a teacher, trains image towers adversarially to find the caption of a picture, and
//! measures the result.
//!
//! `scripts/train` runs the steps one by one, using the program `clipdraw-train`. Neither is needed to
//! draw: the feature `training` builds them.

pub mod pack;
pub mod sources;
pub mod colors;
pub mod captions;
pub mod render;
pub mod packs;
pub mod strokes_picture;
pub mod painting;
pub mod scribble;
pub mod icon_packs;
pub mod subject_pack;
pub mod painted_packs;
pub mod caption_list;
pub mod contact_sheet;
pub mod notice;
pub mod tensor_file;
pub mod teacher;
pub mod parameters;
pub mod tower;
pub mod backdrop;
pub mod filter;
pub mod sprite;
mod sight;
pub mod sample;
pub mod adversary;
pub mod evaluation;
mod lesson;
pub mod plan;
pub mod image;
pub mod wordnet_texts;
pub mod corpus;
pub mod text_batches;
pub mod text_tower;
pub mod row_optimizer;
pub mod text_training;
pub mod text_report;
pub mod export;
pub mod drawings;
pub mod self_made;
pub mod command;
