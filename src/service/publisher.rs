//! Publishes the worker's reports: encodes frames as files, stores the files, and appends events
//! with their URLs.
//!
//! There is one task for each leased prediction. Only this task ends the prediction, so it ends
//! exactly once.
//!
//! Files of several drawings come step by step, and within a step in the order of the drawings. At the end come the
//! animations of all of them, and then the finished drawings.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tracing::{Instrument, error, info, info_span, warn};

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
use crate::telemetry::join_trace;

/// A frame as the worker reports it.
struct DrawnFrame {
    /// The drawing that it belongs to, from 0.
    output: usize,
    frame: Arc<Frame>,
    steps_per_second: f64,
    /// Its place among the frames that are being published.
    _permit: OwnedSemaphorePermit,
}

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
    join_trace(&span, prediction.trace());
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
        known_files: AtomicUsize::new(prediction.files()),
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
            if !service.backends.store.is_shared() {
                service.watch_while_waiting(&prediction);
            }
        }
        Published::Crashed => match service.backends.queue.abandon(lease).await {
            None => warn!("the worker failed; another one may draw the prediction"),
            lease => {
                let outcome = Failure::WorkerCrashed.into();
                service.end(&prediction, outcome, lease).await;
            }
        },
    }
}

struct Publisher {
    service: Arc<Service>,
    prediction: Arc<Prediction>,
    job: Job,
    /// The inputs, shared because files may be among them.
    input: Arc<Input>,
    /// How many files of an earlier attempt are still to be passed over. A drawing has the same files each time, so those
    /// that exist are not published again, nor is what belongs to them. Files are counted rather than events, because
    /// another version of the program may have published other lines and metrics with each of them.
    known_files: AtomicUsize,
}

/// What has become of a leased prediction.
enum Published {
    Ended(Outcome),
    /// It was not begun, and waits again.
    Released,
    /// The worker failed while it drew it.
    Crashed,
}

impl From<Outcome> for Published {
    fn from(outcome: Outcome) -> Self {
        Self::Ended(outcome)
    }
}

impl Publisher {
    async fn publish(self, mut inbox: UnboundedReceiver<WorkerMessage>) -> Published {
        let drawings = 0..self.input.outputs();
        let mut recordings: Vec<_> = drawings
            .map(|output| Recording::new(&self.input, output))
            .collect();
        let mut finished = Vec::new();
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
                    output,
                    frame,
                    steps_per_second,
                    permit,
                }) => {
                    let Some(by) = &provenance else { continue };
                    let drawn = DrawnFrame {
                        output,
                        frame: Arc::new(frame),
                        steps_per_second,
                        _permit: permit,
                    };
                    let delivering = async {
                        self.record(&mut recordings[output], &drawn.frame, by)
                            .await?;
                        self.deliver_in_order(drawn, &mut finished, by).await
                    };
                    let delivered = tokio::select! {
                        () = self.service.shutdown.cancel_now_requested() => return Outcome::Canceled.into(),
                        () = self.prediction.cancel_requested() => return self.stopped(inbox).await.into(),
                        delivered = delivering => delivered,
                    };
                    if let Err(failure) = delivered {
                        // The worker sees the request at its next step and stops.
                        self.prediction.cancel();
                        self.stopped(inbox).await;
                        return Outcome::from(failure).into();
                    }
                }
                Some(WorkerMessage::Released) => return Published::Released,
                Some(WorkerMessage::Ended(outcome)) => return outcome.into(),
                None => return Published::Crashed,
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
        let line = opening_line(spec, self.input.outputs(), provenance);
        info!(target: "clipdraw::prediction", "{line}");
        if self.prediction.drawn_events() > 0 {
            self.prediction.begin_again();
            return;
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

    /// Publishes a frame. The finished drawings, which are collected in `finished`, are published once all of them are there.
    async fn deliver_in_order(
        &self,
        drawn: DrawnFrame,
        finished: &mut Vec<DrawnFrame>,
        provenance: &Arc<Provenance>,
    ) -> Result<(), Failure> {
        if drawn.frame.step < self.input.spec().steps {
            return self.deliver(&drawn, provenance).await;
        }
        finished.push(drawn);
        if finished.len() < self.input.outputs() {
            return Ok(());
        }
        for drawn in finished.drain(..) {
            self.deliver(&drawn, provenance).await?;
        }
        Ok(())
    }

    /// Encodes the frame as a file, stores it, and publishes it.
    async fn deliver(
        &self,
        drawn: &DrawnFrame,
        provenance: &Arc<Provenance>,
    ) -> Result<(), Failure> {
        let (frame, steps_per_second) = (&drawn.frame, drawn.steps_per_second);
        let number = self.number_of(drawn.output);
        let mut events = Vec::from_iter(number.map(|number| metric("drawing", number)));
        let line = step_line(
            frame.step,
            self.input.spec().steps,
            steps_per_second,
            &frame.losses,
        );
        let line = match number {
            Some(number) => format!("drawing {number}/{}  {line}", self.input.outputs()),
            None => line,
        };
        events.extend([
            metric("step", frame.step),
            metric("steps_per_second", steps_per_second),
            metric("losses", json!(frame.losses)),
            Event::log(&line),
        ]);
        if self.has_next_file() {
            return Ok(());
        }
        let bytes = self.encode(drawn, Arc::clone(provenance)).await?;
        let format = self.input.output_format();
        let step = frame.step;
        let extension = format.extension();
        let name = match number {
            Some(number) => format!("drawing-{number}-{step:05}.{extension}"),
            None => format!("drawing-{step:05}.{extension}"),
        };
        let file = self.store(name, format.media_type(), bytes).await?;
        info!(target: "clipdraw::prediction", "{line}");
        let index = self.prediction.files();
        events.push(Event::Output { index, file });
        self.append(events).await;
        Ok(())
    }

    /// The number of a drawing, from 1; `None` if it is the only one.
    fn number_of(&self, output: usize) -> Option<usize> {
        (self.input.outputs() > 1).then_some(output + 1)
    }

    /// Adds a frame to the animation. After the last frame, stores and publishes the animation.
    async fn record(
        &self,
        recording: &mut Recording,
        frame: &Arc<Frame>,
        provenance: &Arc<Provenance>,
    ) -> Result<(), Failure> {
        // It needs the frames of an earlier attempt as well.
        let animation = recording.add(frame, &self.input, provenance).await?;
        let Some(animation) = animation else {
            return Ok(());
        };
        if self.has_next_file() {
            return Ok(());
        }
        let extension = animation.format.extension();
        let name = match self.number_of(recording.output()) {
            Some(number) => format!("animation-{number}.{extension}"),
            None => format!("animation.{extension}"),
        };
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
        drawn: &DrawnFrame,
        provenance: Arc<Provenance>,
    ) -> Result<Vec<u8>, Failure> {
        let output = drawn.output;
        let frame = Arc::clone(&drawn.frame);
        let step = frame.step;
        let input = Arc::clone(&self.input);
        let encoding = tokio::task::spawn_blocking(move || {
            let document = input.document_of(output, &frame, &provenance);
            document.encode(input.output_format(), PNG_SCALE)
        });
        encoding
            .await
            .map_err(|cause| Failure::EncodingPanicked { step, cause })?
            .map_err(|cause| Failure::Encoding { step, cause })
    }

    async fn append(&self, events: Vec<Event>) {
        let store = &self.service.backends.store;
        store.append(&self.prediction, events).await;
    }

    /// Whether the next file exists from an earlier attempt. It is passed over then.
    fn has_next_file(&self) -> bool {
        let known = self.known_files.load(Ordering::Relaxed);
        if known > 0 {
            self.known_files.store(known - 1, Ordering::Relaxed);
        }
        known > 0
    }
}

fn metric(name: &'static str, value: impl Into<Value>) -> Event {
    Event::Metric {
        name: name.into(),
        value: value.into(),
    }
}
