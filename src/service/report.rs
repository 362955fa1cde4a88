//! What the worker says of a prediction, and where its files shall go.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::prediction::Ending;
use crate::delivery::Uploader;
use crate::draw::Frame;
use crate::output::Provenance;

/// Where the files of a prediction go.
#[derive(Debug, Clone)]
pub enum Destination {
    /// Into the response, as data URLs.
    Response,
    /// To a server, one PUT for each file.
    Upload(Arc<Uploader>),
}

/// What the worker says of one prediction.
#[derive(Debug)]
pub(super) enum Report {
    /// It has its slot.
    Started(Arc<Provenance>),
    /// A frame is due.
    Frame {
        frame: Frame,
        /// Steps per second since the start.
        pace: f64,
        /// Its room among the frames on their way, free again when this is dropped.
        room: OwnedSemaphorePermit,
    },
    /// The worker is done with it.
    Ended(Ending),
}
