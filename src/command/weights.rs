//! `clipdraw weights`: lists, downloads and verifies CLIP weights.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use indicatif::{DecimalBytes, HumanDuration, ProgressBar, ProgressStyle};

use super::model::WeightsFolder;
use super::standard_output::standard_output;
use crate::clip::WeightsSource;
use crate::errors::chain;
use crate::model_store::{
    FetchEvent, FetchRequest, Folders, HubModel, HubRequest, InventoryEntry, ModelLocation,
    RetryPolicy, StoreError, Verification, choose, fetch, fetch_from_hub, inventory, passed_over,
    registry, verify, weights_files,
};

/// `clipdraw weights`.
#[derive(Debug, Args)]
pub(super) struct WeightsArguments {
    #[command(flatten)]
    folder: WeightsFolder,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the known weights and their files on this machine.
    List,
    /// Download weights and verify their SHA-256; resumes an interrupted download.
    Fetch {
        /// Name of the weights: one from the list, for example ViT-B/32; a repository on Hugging Face's hub,
        /// hf:ORGANIZATION/NAME; or a model of `open_clip`, for example ViT-B-32/laion2b_s34b_b79k.
        name: String,
        /// URL of a folder with the file, or of a mirror of the hub, instead of the publisher's.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// Compare the SHA-256 of weights files with the published ones.
    Verify {
        /// A file. Default: every file in the weights folders.
        path: Option<PathBuf>,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// If a download fails, or a file cannot be read or written.
pub(super) fn run(arguments: &WeightsArguments) -> anyhow::Result<ExitCode> {
    let folders = arguments.folder.folders();
    match &arguments.action {
        Action::List => list(&folders),
        Action::Fetch { name, url } => fetch_named(name, url.as_deref(), &folders),
        Action::Verify { path: Some(path) } => verify_one(path),
        Action::Verify { path: None } => verify_all(&folders),
    }
}

fn list(folders: &Folders) -> anyhow::Result<ExitCode> {
    let mut out = standard_output();
    writeln!(out, "{:<16}{:>11}  {:<12}PLACE", "NAME", "SIZE", "STATE")?;
    let default = choose(None, folders)?;
    for entry in inventory(folders) {
        let (state, place) = describe(&entry);
        let mark = if is_default(&entry, &default) {
            " (default)"
        } else {
            ""
        };
        let size = DecimalBytes(entry.model.size).to_string();
        writeln!(
            out,
            "{:<16}{size:>11}  {state:<12}{place}{mark}",
            entry.model.name
        )?;
    }
    for (model, folder) in HubModel::all_in(folders.all()) {
        writeln!(
            out,
            "{:<28} {:<12}{}",
            model.name(),
            "fetched",
            folder.display()
        )?;
    }
    for error in passed_over(&default, folders) {
        warn(&error);
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a warning about a file, with hints on how to fix it.
fn warn(error: &StoreError) {
    note(&format!("warning: {}", chain(error)));
    for line in error.hint().iter().flat_map(|hint| hint.lines()) {
        note(&format!("hint: {line}"));
    }
}

fn describe(entry: &InventoryEntry) -> (&'static str, String) {
    match &entry.location {
        ModelLocation::Embedded => ("embedded", "inside the program".to_owned()),
        ModelLocation::File(path) => ("ready", path.display().to_string()),
        ModelLocation::Invalid(flaw) => ("unusable", flaw.to_string()),
        ModelLocation::Missing => (
            "not fetched",
            format!("clipdraw weights fetch {}", entry.model.name),
        ),
    }
}

fn is_default(entry: &InventoryEntry, default: &WeightsSource) -> bool {
    match (&entry.location, default) {
        (ModelLocation::Embedded, WeightsSource::Embedded) => true,
        (ModelLocation::File(here), WeightsSource::File(there)) => here == there,
        _ => false,
    }
}

fn fetch_named(name: &str, mirror: Option<&str>, folders: &Folders) -> anyhow::Result<ExitCode> {
    let Some(model) = registry::find(name) else {
        let model = HubModel::find(name).ok_or_else(|| StoreError::UnknownName {
            name: name.to_owned(),
            suggestion: registry::suggestion(name),
        })?;
        return fetch_hub_model(&model, mirror, folders);
    };
    let request = FetchRequest {
        model,
        folder: folders.download_folder()?,
        mirror,
        retry: RetryPolicy::default(),
    };
    let bar = progress_bar(model.size, model.name.to_owned())?;
    let path = fetch(&request, &mut |event| show(&bar, &event));
    bar.finish_and_clear();
    writeln!(standard_output(), "{}", path?.display())?;
    Ok(ExitCode::SUCCESS)
}

fn fetch_hub_model(
    model: &HubModel,
    mirror: Option<&str>,
    folders: &Folders,
) -> anyhow::Result<ExitCode> {
    let request = HubRequest {
        model,
        folder: folders.download_folder()?,
        mirror,
        retry: RetryPolicy::default(),
    };
    let bar = progress_bar(0, model.name())?;
    let path = fetch_from_hub(&request, &mut |event| show(&bar, &event));
    bar.finish_and_clear();
    writeln!(standard_output(), "{}", path?.display())?;
    Ok(ExitCode::SUCCESS)
}

fn progress_bar(size: u64, name: String) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template(
        "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
    )?;
    Ok(ProgressBar::new(size).with_style(style).with_message(name))
}

fn show(bar: &ProgressBar, event: &FetchEvent<'_>) {
    match event {
        FetchEvent::FileStarted { name, size } => {
            bar.set_length(*size);
            bar.set_position(0);
            bar.set_message((*name).to_owned());
        }
        FetchEvent::AlreadyFetched => bar.suspend(|| note("already downloaded and verified")),
        FetchEvent::Received(length) => bar.set_position(*length),
        FetchEvent::Retrying { cause, pause } => {
            let pause = HumanDuration(*pause);
            bar.suspend(|| note(&format!("{}; retrying in {pause}", chain(cause))));
        }
    }
}

/// Prints a message to standard error, and not to standard output, where the result goes.
fn note(text: &str) {
    // If standard error is closed, there is nowhere to report that.
    let _ = writeln!(io::stderr(), "{text}");
}

fn verify_one(path: &Path) -> anyhow::Result<ExitCode> {
    // Here an unknown file is also an error, because the user named it.
    let verdict = verify(path)?;
    print_verdict(path, &verdict)?;
    Ok(match verdict {
        Verification::Intact(_) => ExitCode::SUCCESS,
        Verification::Wrong { .. } | Verification::Unknown { .. } => ExitCode::FAILURE,
    })
}

fn verify_all(folders: &Folders) -> anyhow::Result<ExitCode> {
    let mut wrong = false;
    for folder in folders.all() {
        for path in weights_files(folder)? {
            let verdict = verify(&path)?;
            print_verdict(&path, &verdict)?;
            wrong |= matches!(verdict, Verification::Wrong { .. });
        }
    }
    Ok(ExitCode::from(u8::from(wrong)))
}

fn print_verdict(path: &Path, verdict: &Verification) -> io::Result<()> {
    let mut out = standard_output();
    let path = path.display();
    match verdict {
        Verification::Intact(model) => writeln!(out, "{path}: intact, {}", model.name),
        Verification::Wrong { named, found } => writeln!(
            out,
            "{path}: WRONG, this is not the published {}\n  found    {found}\n  expected {}",
            named.name, named.sha256
        ),
        Verification::Unknown { found } => writeln!(out, "{path}: not a published file, {found}"),
    }
}
