//! From packages to a catalogue: which pictures of which package are used for training, what they
//! show, and how often they are shown.

pub mod error;
pub mod words;
pub mod wordnet;
pub mod names;
pub mod sets;
pub mod emoji;
pub mod entry;
pub mod iconify;
pub mod clip_art;
pub mod catalogue;

pub use entry::{Artwork, CatalogueEntry, PictureSource, Uses};
pub use error::SourceError;
pub use wordnet::WordNet;
