//! The environment: every variable that the program reads is named here, and nothing else
//! asks for one.
//!
//! Variables that belong to a flag are read by clap, which gets the name from here.

use std::env;
use std::path::PathBuf;

/// The folder with CLIP weights; the flag `--weights-dir` wins over it.
pub const WEIGHTS_DIR: &str = "CLIPDRAW_WEIGHTS_DIR";

/// The CLIP weights to draw with, a name or a path; the flag `--weights` wins over it.
pub const WEIGHTS: &str = "CLIPDRAW_WEIGHTS";

/// Where a user's programs keep data, by the XDG base directory specification.
const XDG_DATA_HOME: &str = "XDG_DATA_HOME";

/// The user's folder for data of programs, or nothing on a machine without a home folder.
///
/// `XDG_DATA_HOME` counts on every platform, if it is absolute as its specification demands.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the module that reads the environment"
)]
pub fn user_data_folder() -> Option<PathBuf> {
    let chosen = env::var_os(XDG_DATA_HOME).map(PathBuf::from);
    chosen
        .filter(|folder| folder.is_absolute())
        .or_else(|| Some(env::home_dir()?.join(platform_data_folder())))
}

fn platform_data_folder() -> &'static str {
    if cfg!(target_os = "macos") {
        "Library/Application Support"
    } else {
        ".local/share"
    }
}

/// The checkout that the running program was built in, if it still lies in `target/<profile>/`.
pub fn checkout() -> Option<PathBuf> {
    let program = env::current_exe().ok()?.canonicalize().ok()?;
    let root = program.ancestors().nth(3)?;
    // A folder of that depth alone proves nothing: `~/.cargo/bin` has a home folder above it.
    let manifest = root.join("Cargo.toml").is_file() && root.join("src/model_store").is_dir();
    manifest.then(|| root.to_owned())
}
