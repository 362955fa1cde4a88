//! `clipdraw weights`: lists, downloads and verifies CLIP weights.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::OsStringValueParser;
use clap::{Args, Subcommand};
use indicatif::{DecimalBytes, HumanDuration, ProgressBar, ProgressStyle};

use crate::clip::WeightsSource;
use crate::environment;
use crate::errors::chain;
use crate::model_store::{
    Entry, Event, FetchRequest, Folders, HubModel, HubRequest, Place, RetryPolicy, StoreError,
    Verdict, choose, fetch, fetch_from_hub, inventory, passed_over, registry, verify,
    weights_files,
};

/// Which weights to draw with; for every subcommand that loads a model.
#[derive(Debug, Clone, Args)]
pub struct WeightsChoice {
    /// CLIP weights: a name from `clipdraw weights list`, a file, or a folder with one.
    ///
    /// Without it: the best full-size weights on this machine, else the embedded model.
    #[arg(long, value_name = "NAME|PATH", env = environment::WEIGHTS)]
    weights: Option<String>,
    #[command(flatten)]
    folder: WeightsFolder,
}

impl WeightsChoice {
    /// Finds the weights that were asked for.
    ///
    /// # Errors
    /// When they are unknown or not on this machine.
    pub fn resolve(&self) -> Result<WeightsSource, StoreError> {
        let wish = self.weights.as_deref().filter(|name| !name.is_empty());
        choose(wish, &self.folder.folders())
    }
}

impl WeightsChoice {
    /// What a person should know of files that were passed over for these weights.
    pub fn warnings(&self, chosen: &WeightsSource) -> Vec<String> {
        if self.weights.as_deref().is_some_and(|name| !name.is_empty()) {
            return Vec::new();
        }
        let flaws = passed_over(chosen, &self.folder.folders());
        flaws.iter().map(|flaw| chain(flaw)).collect()
    }
}

/// Where weights are stored.
#[derive(Debug, Clone, Args)]
pub struct WeightsFolder {
    /// The folder with CLIP weights, instead of the checkout's and the user's own.
    #[arg(long, value_name = "FOLDER", env = environment::WEIGHTS_DIR, global = true, value_parser = OsStringValueParser::new())]
    weights_dir: Option<OsString>,
}

impl WeightsFolder {
    fn folders(&self) -> Folders {
        // An empty value counts as none: Compose and CI files set unused variables to it.
        let named = self
            .weights_dir
            .as_ref()
            .filter(|folder| !folder.is_empty());
        Folders::new(named.map(PathBuf::from))
    }
}

/// The arguments of `clipdraw weights`.
#[derive(Debug, Args)]
pub struct WeightsArguments {
    #[command(flatten)]
    folder: WeightsFolder,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the known weights and says which are on this machine.
    List,
    /// Downloads weights and checks their SHA-256; continues a download that broke off.
    Fetch {
        /// The name of the weights: one from the list, for example ViT-B/32, a repository of Hugging Face's hub,
        /// hf:ORGANISATION/NAME, or a model of `open_clip`'s, for example ViT-B-32/laion2b_s34b_b79k.
        name: String,
        /// The address of a folder with the file, or of a mirror of the hub, instead of the publisher's.
        #[arg(long, value_name = "URL")]
        url: Option<String>,
    },
    /// Compares weights files with the published SHA-256 sums.
    Verify {
        /// A file; without it every file in the weights folders.
        path: Option<PathBuf>,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// If a download fails, or a file cannot be read or written.
pub fn run(arguments: &WeightsArguments) -> anyhow::Result<ExitCode> {
    let folders = arguments.folder.folders();
    match &arguments.action {
        Action::List => list(&folders),
        Action::Fetch { name, url } => fetch_named(name, url.as_deref(), &folders),
        Action::Verify { path: Some(path) } => verify_one(path),
        Action::Verify { path: None } => verify_all(&folders),
    }
}

fn list(folders: &Folders) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
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
    for flaw in passed_over(&default, folders) {
        warn(&flaw);
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints a warning about a file with hints on how to mend it.
fn warn(flaw: &StoreError) {
    note(&format!("warning: {}", chain(flaw)));
    for line in flaw.hint().iter().flat_map(|hint| hint.lines()) {
        note(&format!("hint: {line}"));
    }
}

fn describe(entry: &Entry) -> (&'static str, String) {
    match &entry.place {
        Place::Embedded => ("embedded", "inside the program".to_owned()),
        Place::File(path) => ("ready", path.display().to_string()),
        Place::Damaged(flaw) => ("unusable", flaw.to_string()),
        Place::Elsewhere => (
            "not fetched",
            format!("clipdraw weights fetch {}", entry.model.name),
        ),
    }
}

fn is_default(entry: &Entry, default: &WeightsSource) -> bool {
    match (&entry.place, default) {
        (Place::Embedded, WeightsSource::Embedded) => true,
        (Place::File(here), WeightsSource::File(there)) => here == there,
        _ => false,
    }
}

fn fetch_named(name: &str, mirror: Option<&str>, folders: &Folders) -> anyhow::Result<ExitCode> {
    let Some(model) = registry::find(name) else {
        let model = HubModel::find(name).ok_or_else(|| StoreError::UnknownName {
            name: name.to_owned(),
            nearest: registry::nearest(name),
        })?;
        return fetch_hub_model(&model, mirror, folders);
    };
    let request = FetchRequest {
        model,
        folder: folders.receiving()?,
        mirror,
        retry: RetryPolicy::default(),
    };
    let bar = progress_bar(model.size, model.name.to_owned())?;
    let path = fetch(&request, &mut |event| show(&bar, &event));
    bar.finish_and_clear();
    writeln!(io::stdout(), "{}", path?.display())?;
    Ok(ExitCode::SUCCESS)
}

fn fetch_hub_model(
    model: &HubModel,
    mirror: Option<&str>,
    folders: &Folders,
) -> anyhow::Result<ExitCode> {
    let request = HubRequest {
        model,
        folder: folders.receiving()?,
        mirror,
        retry: RetryPolicy::default(),
    };
    let bar = progress_bar(0, model.name())?;
    let path = fetch_from_hub(&request, &mut |event| show(&bar, &event));
    bar.finish_and_clear();
    writeln!(io::stdout(), "{}", path?.display())?;
    Ok(ExitCode::SUCCESS)
}

fn progress_bar(size: u64, name: String) -> anyhow::Result<ProgressBar> {
    let style = ProgressStyle::with_template(
        "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
    )?;
    Ok(ProgressBar::new(size).with_style(style).with_message(name))
}

fn show(bar: &ProgressBar, event: &Event<'_>) {
    match event {
        Event::Begun { name, size } => {
            bar.set_length(*size);
            bar.set_position(0);
            bar.set_message((*name).to_owned());
        }
        Event::AlreadyHere => bar.suspend(|| note("it is here already, and intact")),
        Event::Arrived(length) => bar.set_position(*length),
        Event::Retrying { cause, pause } => {
            let again = HumanDuration(*pause);
            bar.suspend(|| note(&format!("{}; once more in {again}", chain(cause))));
        }
    }
}

/// Prints progress, which is not a result, to standard error. A closed one is ignored.
fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

fn verify_one(path: &Path) -> anyhow::Result<ExitCode> {
    // A file that was named explicitly must be a known one, or the command fails.
    let verdict = verify(path)?;
    print_verdict(path, &verdict)?;
    Ok(match verdict {
        Verdict::Intact(_) => ExitCode::SUCCESS,
        Verdict::Wrong { .. } | Verdict::Unknown { .. } => ExitCode::FAILURE,
    })
}

fn verify_all(folders: &Folders) -> anyhow::Result<ExitCode> {
    let mut wrong = false;
    for folder in folders.all() {
        for path in weights_files(folder)? {
            let verdict = verify(&path)?;
            print_verdict(&path, &verdict)?;
            wrong |= matches!(verdict, Verdict::Wrong { .. });
        }
    }
    Ok(ExitCode::from(u8::from(wrong)))
}

fn print_verdict(path: &Path, verdict: &Verdict) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let path = path.display();
    match verdict {
        Verdict::Intact(model) => writeln!(out, "{path}: intact, {}", model.name),
        Verdict::Wrong { named, found } => writeln!(
            out,
            "{path}: WRONG, this is not the published {}\n  found    {found}\n  expected {}",
            named.name, named.sha256
        ),
        Verdict::Unknown { found } => writeln!(out, "{path}: not a published file, {found}"),
    }
}
