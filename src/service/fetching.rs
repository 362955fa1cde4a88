//! Files that inputs refer to by their address are fetched after a prediction was leased and before it gets a slot. So the
//! request is answered at once, other predictions are drawn meanwhile, and the place in the queue stays taken.

use std::cell::{Cell, RefCell};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tracing::{Instrument, error, info_span};
use url::Url;

use super::fault::{Failure, FetchError};
use super::lifecycle::Service;
use super::outcome::Outcome;
use super::prediction::Prediction;
use super::queue::Lease;
use crate::inputs::Input;

/// A leased prediction.
pub(super) struct Leased {
    pub(super) prediction: Arc<Prediction>,
    pub(super) lease: Lease,
}

/// The predictions whose files are being fetched.
pub(super) struct Fetching {
    /// How many there are.
    count: Cell<usize>,
    sender: UnboundedSender<Option<Leased>>,
    results: RefCell<UnboundedReceiver<Option<Leased>>>,
}

impl Fetching {
    pub(super) fn new() -> Self {
        let (sender, results) = mpsc::unbounded_channel();
        Self {
            count: Cell::new(0),
            sender,
            results: RefCell::new(results),
        }
    }

    /// Starts to fetch the files of a prediction. If that fails, the prediction ends.
    pub(super) fn start(&self, service: &Arc<Service>, runtime: &Handle, leased: Leased) {
        self.count.set(self.count.get() + 1);
        let (service, sender) = (Arc::clone(service), self.sender.clone());
        let span = info_span!("prediction", prediction_id = leased.prediction.id());
        let tasks = service.shutdown.tasks().clone();
        let task = async move {
            let fetched = fetch_or_end(&service, leased).await;
            // Without a receiver the worker is gone, and with it the service.
            let _ = sender.send(fetched);
        };
        tasks.spawn_on(task.instrument(span), runtime);
    }

    /// A prediction whose files were fetched, if there is one.
    pub(super) fn try_next(&self) -> Option<Leased> {
        loop {
            let result = self.results.borrow_mut().try_recv().ok()?;
            self.count.set(self.count.get() - 1);
            if result.is_some() {
                return result;
            }
        }
    }

    /// Waits for the next result, `None` if a prediction has ended instead; forever if no file is being fetched.
    #[expect(
        clippy::await_holding_refcell_ref,
        reason = "only the one thread that waits here borrows the receiver"
    )]
    pub(super) async fn next(&self) -> Option<Leased> {
        // The receiver never sees the end, because a sender is beside it.
        let result = self.results.borrow_mut().recv().await.flatten();
        self.count.set(self.count.get() - 1);
        result
    }

    /// Whether no file is being fetched.
    pub(super) fn is_empty(&self) -> bool {
        self.count.get() == 0
    }
}

/// The prediction with its files, or `None` if it has ended: it was cancelled, or a file could not be fetched or used.
async fn fetch_or_end(service: &Arc<Service>, mut leased: Leased) -> Option<Leased> {
    let input = leased.lease.job.input.clone();
    // A separate task, so that the prediction ends even if it panics.
    let fetching = tokio::spawn(fetch(Arc::clone(service), input).in_current_span());
    let abort = fetching.abort_handle();
    let outcome = tokio::select! {
        biased;
        () = service.shutdown.cancel_now_requested() => Outcome::Canceled,
        () = leased.prediction.cancel_requested() => Outcome::Canceled,
        fetched = fetching => match fetched {
            Ok(Ok(input)) => {
                let job = &mut leased.lease.job;
                // What is to be said about the files is known only now.
                let notes = input.prompt_notes(usize::MAX).into_iter();
                let new: Vec<_> = notes.filter(|note| !job.notes.contains(note)).collect();
                job.notes.extend(new);
                job.input = input;
                return Some(leased);
            }
            Ok(Err(error)) => Failure::from(error).into(),
            Err(panic) => {
                error!(%panic, "reading a fetched file panicked");
                Failure::FetchPanicked(panic).into()
            }
        },
    };
    abort.abort();
    service
        .end(&leased.prediction, outcome, Some(leased.lease))
        .await;
    None
}

async fn fetch(service: Arc<Service>, input: Input) -> Result<Input, FetchError> {
    let mut files = Vec::new();
    for (name, url) in input.links() {
        let fetched = service.backends.sources.get(&url).await;
        let file = fetched.map_err(|cause| FetchError::Unavailable {
            name,
            host: host(&url),
            cause,
        })?;
        files.push((name, file));
    }
    // To decode a picture takes long.
    let checked = tokio::task::spawn_blocking(move || input.with_files(files)).await;
    match checked {
        Ok(checked) => checked.map_err(FetchError::Refused),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// The host of an address. The rest may be a secret.
fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
