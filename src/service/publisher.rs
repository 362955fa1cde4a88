//! Publishes the worker's reports: encodes frames as files, stores the files, and appends events
//! with their URLs.
//!
//! There is one task for each leased prediction. Only this task ends the prediction, so it ends
//! exactly once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tracing::{Instrument, error, info, info_span};

use super::event::Event;
use super::fault::Failure;
use super::file_sink::OutputFile;
use super::job::Job;
use super::lifecycle::Service;
use super::message::WorkerMessage;
use super::outcome::Outcome;
use super::prediction::Prediction;
use super::queue::Lease;
use super::recording::Recording;
use crate::draw::Frame;
use crate::inputs::Input;
use crate::output::{Provenance, opening_line, step_line};

/// The number of events of a frame.
const FRAME_EVENTS: usize = 5;

/// Pixels of a PNG for one of the canvas.
const PNG_SCALE: f32 = 1.0;

/// Starts the publisher of a leased prediction and returns the channel to it. If all senders are
/// dropped before [`WorkerMessage::Ended`], the prediction fails.
pub(super) fn spawn(
    service: &Arc<Service>,
    runtime: &Handle,
    prediction: Arc<Prediction>,
    lease: Lease,
) -> UnboundedSender<WorkerMessage> {
    let (sender, inbox) = mpsc::unbounded_channel();
    let span = info_span!("prediction", prediction_id = prediction.id());
    let task = run(Arc::clone(service), prediction, lease, inbox).instrument(span);
    service.shutdown.tasks().spawn_on(task, runtime);
    sender
}

async fn run(
    service: Arc<Service>,
    prediction: Arc<Prediction>,
    lease: Lease,
    inbox: UnboundedReceiver<WorkerMessage>,
) {
    let publisher = Publisher {
        service: Arc::clone(&service),
        known: AtomicUsize::new(prediction.drawn_events()),
        prediction: Arc::clone(&prediction),
        input: Arc::new(lease.job.input.clone()),
        job: lease.job.clone(),
    };
    // This is a separate task, so that the prediction ends even if it panics.
    let published = tokio::spawn(publisher.publish(inbox).in_current_span()).await;
    let outcome = published.unwrap_or_else(|panic| {
        error!(%panic, "the publisher of a prediction panicked");
        Outcome::from(Failure::PublisherPanicked(panic)).into()
    });
    match outcome {
        Published::Ended(outcome) => service.end(&prediction, outcome, Some(lease)).await,
        Published::Released => {
            service.backends.queue.release(lease).await;
            service.watch_while_waiting(&prediction);
        }
    }
}

struct Publisher {
    service: Arc<Service>,
    prediction: Arc<Prediction>,
    job: Job,
    /// The inputs, shared because files may be among them.
    input: Arc<Input>,
    /// How many events of an earlier attempt are still to be passed over. A drawing has the same events each time, so
    /// those that exist are not published again.
    known: AtomicUsize,
}

/// What has become of a leased prediction.
enum Published {
    Ended(Outcome),
    /// It was not begun, and waits again.
    Released,
}

impl From<Outcome> for Published {
    fn from(outcome: Outcome) -> Self {
        Self::Ended(outcome)
    }
}

impl Publisher {
    async fn publish(self, mut inbox: UnboundedReceiver<WorkerMessage>) -> Published {
        let mut recording = Recording::new(&self.job.input);
        let mut provenance = None;
        loop {
            let message = tokio::select! {
                biased;
                () = self.service.shutdown.cancel_now_requested() => return Outcome::Canceled.into(),
                () = self.prediction.cancel_requested() => return self.stopped(inbox).await.into(),
                message = inbox.recv() => message,
            };
            match message {
                Some(WorkerMessage::Started(by)) => {
                    self.begin(&by).await;
                    provenance = Some(by);
                }
                Some(WorkerMessage::Frame {
                    frame,
                    steps_per_second,
                    permit,
                }) => {
                    let Some(by) = &provenance else { continue };
                    let frame = Arc::new(frame);
                    let delivered = tokio::select! {
                        () = self.service.shutdown.cancel_now_requested() => return Outcome::Canceled.into(),
                        () = self.prediction.cancel_requested() => return self.stopped(inbox).await.into(),
                        delivered = self.deliver(&frame, steps_per_second, by, &mut recording) => delivered,
                    };
                    drop(permit);
                    if let Err(failure) = delivered {
                        // The worker sees the request at its next step and stops.
                        self.prediction.cancel();
                        self.stopped(inbox).await;
                        return Outcome::from(failure).into();
                    }
                }
                Some(WorkerMessage::Released) => return Published::Released,
                Some(WorkerMessage::Ended(outcome)) => return outcome.into(),
                None => return Outcome::from(Failure::WorkerCrashed).into(),
            }
        }
    }

    /// Waits until the worker has stopped drawing a prediction after a request to cancel it.
    async fn stopped(&self, mut inbox: UnboundedReceiver<WorkerMessage>) -> Outcome {
        loop {
            let message = tokio::select! {
                biased;
                () = self.service.shutdown.cancel_now_requested() => return Outcome::Canceled,
                message = inbox.recv() => message,
            };
            match message {
                Some(WorkerMessage::Ended(failed @ Outcome::Failed(_))) => return failed,
                // A drawing that was finished just before has not been published completely.
                Some(WorkerMessage::Ended(_) | WorkerMessage::Released) | None => {
                    return Outcome::Canceled;
                }
                Some(WorkerMessage::Started(provenance)) => self.begin(&provenance).await,
                Some(WorkerMessage::Frame { .. }) => {}
            }
        }
    }

    async fn begin(&self, provenance: &Provenance) {
        let spec = self.job.input.spec();
        let line = opening_line(spec, provenance);
        info!(target: "clipdraw::prediction", "{line}");
        if self.prediction.drawn_events() > 0 {
            self.prediction.begin_again();
        }
        let mut events = vec![
            Event::Start {
                started_at: Timestamp::now(),
            },
            metric("seed", spec.seed),
            Event::log(&line),
        ];
        events.extend(self.job.notes.iter().map(|note| Event::log(note)));
        self.append(events).await;
    }

    /// Encodes the frame as a file, stores it, and publishes it.
    async fn deliver(
        &self,
        frame: &Arc<Frame>,
        steps_per_second: f64,
        provenance: &Arc<Provenance>,
        recording: &mut Recording,
    ) -> Result<(), Failure> {
        // The animation needs the frames of an earlier attempt as well.
        self.record(recording, frame, provenance).await?;
        if self.pass_over(FRAME_EVENTS) {
            return Ok(());
        }
        let step = frame.step;
        let steps = self.job.input.spec().steps;
        let losses = frame.losses.clone();
        let bytes = self
            .encode(Arc::clone(frame), Arc::clone(provenance))
            .await?;
        let format = self.job.input.output_format();
        let name = format!("drawing-{step:05}.{}", format.extension());
        let url = self.store(name, format.media_type(), bytes).await?;
        let line = step_line(step, steps, steps_per_second, &losses);
        info!(target: "clipdraw::prediction", "{line}");
        let events = vec![
            metric("step", step),
            metric("steps_per_second", steps_per_second),
            metric("losses", json!(losses)),
            Event::log(&line),
            Event::Output {
                index: self.prediction.files(),
                file: url,
            },
        ];
        self.append(events).await;
        Ok(())
    }

    /// Adds a frame to the animation. After the last frame, stores and publishes the animation.
    async fn record(
        &self,
        recording: &mut Recording,
        frame: &Arc<Frame>,
        provenance: &Arc<Provenance>,
    ) -> Result<(), Failure> {
        let input = &self.job.input;
        let Some(animation) = recording.add(frame, input, provenance).await? else {
            return Ok(());
        };
        if self.pass_over(1) {
            return Ok(());
        }
        let name = format!("animation.{}", animation.format.extension());
        let media_type = animation.format.media_type();
        let file = self.store(name, media_type, animation.bytes).await?;
        let index = self.prediction.files();
        self.append(vec![Event::Output { index, file }]).await;
        Ok(())
    }

    /// Stores a file and returns its URL.
    async fn store(
        &self,
        name: String,
        media_type: &'static str,
        bytes: Vec<u8>,
    ) -> Result<Arc<str>, Failure> {
        let file = OutputFile {
            prediction_id: self.job.id.clone(),
            name,
            media_type,
            bytes,
        };
        let sink = &self.service.backends.files;
        Ok(sink.put(&self.job.destination, file).await?)
    }

    /// The file of a frame. Large files take long to encode, so this runs on a blocking thread.
    async fn encode(
        &self,
        frame: Arc<Frame>,
        provenance: Arc<Provenance>,
    ) -> Result<Vec<u8>, Failure> {
        let step = frame.step;
        let input = Arc::clone(&self.input);
        let encoding = tokio::task::spawn_blocking(move || {
            let document = input.document(&frame, &provenance);
            document.encode(input.output_format(), PNG_SCALE)
        });
        encoding
            .await
            .map_err(|cause| Failure::EncodingPanicked { step, cause })?
            .map_err(|cause| Failure::Encoding { step, cause })
    }

    async fn append(&self, events: Vec<Event>) {
        if self.pass_over(events.len()) {
            return;
        }
        let store = &self.service.backends.store;
        store.append(&self.prediction, events).await;
    }

    /// Whether the next `count` events, which are stored together, exist from an earlier attempt. They are passed over then.
    fn pass_over(&self, count: usize) -> bool {
        let known = self.known.load(Ordering::Relaxed);
        let exist = known >= count;
        if exist {
            self.known.store(known - count, Ordering::Relaxed);
        }
        exist
    }
}

fn metric(name: &'static str, value: impl Into<Value>) -> Event {
    Event::Metric {
        name: name.into(),
        value: value.into(),
    }
}
