//! Carries what the worker reports to those who watch: frames become files, files become URLs.
//!
//! One task for each prediction. It alone speaks the final word, so there is exactly one.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;
use tracing::{Instrument, error, info, info_span};

use super::prediction::{Ending, Prediction};
use super::registry::Registry;
use super::report::{Destination, Report};
use crate::draw::Frame;
use crate::inputs::Input;
use crate::output::{Provenance, opening_line, step_line};

/// Pixels of a PNG for one of the canvas.
const PNG_SCALE: f32 = 1.0;

/// Everything that a courier needs.
pub(super) struct Courier {
    pub(super) registry: Arc<Registry>,
    pub(super) prediction: Arc<Prediction>,
    pub(super) input: Input,
    pub(super) destination: Destination,
}

/// Follows a prediction to its end.
pub(super) async fn run(courier: Courier, inbox: UnboundedReceiver<Report>) {
    let span = info_span!("prediction", prediction_id = courier.prediction.id());
    async {
        let registry = Arc::clone(&courier.registry);
        let prediction = Arc::clone(&courier.prediction);
        // A task of its own, so that even a panic on the way ends in a final word.
        let carried = tokio::spawn(courier.carry(inbox).in_current_span()).await;
        let ending = carried.unwrap_or_else(|panic| {
            error!(%panic, "the files of a prediction could not be made");
            Ending::Failed("Prediction failed: its files could not be made".to_owned())
        });
        match &ending {
            Ending::Failed(message) => error!(message, "prediction failed"),
            ending => info!(status = ending.status().as_str(), "prediction ended"),
        }
        registry.finish(&prediction, &ending);
    }
    .instrument(span)
    .await;
}

impl Courier {
    async fn carry(self, mut inbox: UnboundedReceiver<Report>) -> Ending {
        let mut provenance = None;
        loop {
            let report = tokio::select! {
                biased;
                () = self.registry.abandonment() => return Ending::Canceled,
                () = self.prediction.cancel_requested() => return self.stopped(inbox).await,
                report = inbox.recv() => report,
            };
            match report {
                Some(Report::Started(by)) => {
                    self.begin(&by);
                    provenance = Some(by);
                }
                Some(Report::Frame { frame, pace, room }) => {
                    let Some(by) = &provenance else { continue };
                    let delivered = tokio::select! {
                        () = self.registry.abandonment() => return Ending::Canceled,
                        () = self.prediction.cancel_requested() => return self.stopped(inbox).await,
                        delivered = self.deliver(frame, pace, by) => delivered,
                    };
                    drop(room);
                    if let Err(message) = delivered {
                        // The worker need not go on; it sees the request at its next step.
                        self.prediction.cancel();
                        self.stopped(inbox).await;
                        return Ending::Failed(message);
                    }
                }
                Some(Report::Ended(ending)) => return ending,
                None => return Ending::Failed("Worker crashed".to_owned()),
            }
        }
    }

    /// Waits until the worker has let go of a prediction that was asked to stop.
    async fn stopped(&self, mut inbox: UnboundedReceiver<Report>) -> Ending {
        if self.registry.withdraw(&self.prediction) {
            return Ending::Canceled;
        }
        loop {
            let report = tokio::select! {
                biased;
                () = self.registry.abandonment() => return Ending::Canceled,
                report = inbox.recv() => report,
            };
            match report {
                Some(Report::Ended(Ending::Failed(message))) => return Ending::Failed(message),
                // A drawing that was finished just before has not been delivered in full.
                Some(Report::Ended(_)) | None => return Ending::Canceled,
                Some(Report::Started(provenance)) => self.begin(&provenance),
                Some(Report::Frame { .. }) => {}
            }
        }
    }

    fn begin(&self, provenance: &Provenance) {
        self.prediction.start();
        self.prediction
            .metric("seed", self.input.spec().seed.into());
        self.say(&opening_line(
            self.input.prompt(),
            self.input.spec(),
            provenance,
        ));
    }

    /// Writes a line into the prediction's log and into the server's.
    fn say(&self, line: &str) {
        info!(target: "clipdraw::prediction", "{line}");
        self.prediction.log(line);
    }

    /// Makes a file of the frame and tells of it. The error is for the caller to read.
    async fn deliver(
        &self,
        frame: Frame,
        pace: f64,
        provenance: &Arc<Provenance>,
    ) -> Result<(), String> {
        let step = frame.step;
        let steps = self.input.spec().steps;
        let losses = frame.losses.clone();
        let (input, provenance) = (self.input.clone(), Arc::clone(provenance));
        let format = self.input.output_format();
        let encoding = tokio::task::spawn_blocking(move || {
            input
                .document(&frame, &provenance)
                .encode(format, PNG_SCALE)
        });
        let bytes = encoding
            .await
            .map_err(|panic| format!("Prediction failed: step {step} cannot be written: {panic}"))?
            .map_err(|cause| {
                format!("Prediction failed: step {step} cannot be written: {cause}")
            })?;
        let name = format!("drawing-{step:05}.{}", format.extension());
        let file = self.place(&name, bytes).await?;
        self.prediction.metric("step", step.into());
        self.prediction.metric("steps_per_second", pace.into());
        self.prediction.metric("losses", json!(losses));
        self.say(&step_line(step, steps, pace, &losses));
        self.prediction.output(file);
        Ok(())
    }

    /// Brings a file to where it belongs; its URL.
    async fn place(&self, name: &str, bytes: Vec<u8>) -> Result<Arc<str>, String> {
        let media_type = self.input.output_format().media_type();
        match &self.destination {
            Destination::Response => {
                let mut url = format!("data:{media_type};base64,");
                STANDARD.encode_string(bytes, &mut url);
                Ok(url.into())
            }
            Destination::Upload(uploader) => uploader
                .put(self.prediction.id(), name, media_type, bytes.into())
                .await
                .map(Into::into)
                .map_err(|cause| cause.to_string()),
        }
    }
}
