//! Properties and settings of libtorch itself.

use std::sync::{Mutex, OnceLock, PoisonError};

use tch::Cuda;
use thiserror::Error;

use super::{accelerator, cuda};

/// The version of libtorch that the program was compiled with.
pub const LIBTORCH_VERSION: &str = match option_env!("CLIPDRAW_LIBTORCH_VERSION") {
    Some(version) => version,
    None => "2.11.0",
};

/// The program runs with another libtorch than the one that it was compiled with.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the program was compiled for libtorch {LIBTORCH_VERSION}, but libtorch {found} was found; remove it from \
     LD_LIBRARY_PATH, or run scripts/setup again"
)]
pub struct WrongVersion {
    /// The version that was found.
    pub found: String,
}

/// Checks that the libtorch that is running is the one that the program was compiled with. With another one, calls can
/// fail in any way.
///
/// # Errors
/// If its version is another one.
pub fn check_version() -> Result<(), WrongVersion> {
    match version_in(&accelerator::build_settings()) {
        Some(found) if found != number(LIBTORCH_VERSION) => Err(WrongVersion {
            found: found.to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The version in libtorch's build settings, `..., TORCH_VERSION=2.11.0, ...`.
fn version_in(settings: &str) -> Option<&str> {
    let (_, rest) = settings.split_once("TORCH_VERSION=")?;
    Some(number(rest)).filter(|version| !version.is_empty())
}

/// A version without what follows its numbers, such as `+cu130`.
fn number(version: &str) -> &str {
    let end = version.find(|character: char| !character.is_ascii_digit() && character != '.');
    &version[..end.unwrap_or(version.len())]
}

/// Loads libtorch's CUDA library, if there is one, and returns whether CUDA devices can be used.
/// A libtorch for the CPU has no such library, which is not an error.
pub fn cuda_is_usable() -> bool {
    static USABLE: OnceLock<bool> = OnceLock::new();
    *USABLE.get_or_init(|| {
        let usable = cuda::open_libtorch().is_ok() && Cuda::is_available();
        if usable && let Err(error) = accelerator::make_deterministic() {
            tracing::warn!(%error, "drawings with the same seed may differ on this device");
        }
        usable
    })
}

/// Whether this libtorch has Apple's Metal backend and a device for it.
pub fn metal_is_usable() -> bool {
    tch::utils::has_mps()
}

/// Sets the number of threads that libtorch uses within one operation, at least 1.
///
/// The setting applies to the calling thread, and to threads that never call this.
pub fn set_threads(count: usize) {
    tch::set_num_threads(i32::try_from(count.max(1)).unwrap_or(i32::MAX));
}

/// The number of threads that libtorch uses within one operation, when called from this thread.
pub fn threads() -> usize {
    usize::try_from(tch::get_num_threads()).unwrap_or(1)
}

/// Makes libtorch use one thread when called from this thread.
///
/// libtorch splits sums among its threads, so the rounding of a result depends on their number. Results
/// that must be the same everywhere are computed on one thread, several of them in parallel.
pub fn use_one_thread() {
    static LOCK: Mutex<()> = Mutex::new(());
    if threads() != 1 {
        // The setter creates a thread pool, which two threads must not do at the same time.
        let _guard = LOCK.lock().unwrap_or_else(PoisonError::into_inner);
        set_threads(1);
    }
}

/// One line for `--version`: libtorch's version and what it was built with.
pub fn describe() -> String {
    let mut parts = vec![format!("libtorch {LIBTORCH_VERSION}")];
    let features = [
        (tch::utils::has_mkl(), "MKL"),
        (tch::utils::has_mkldnn(), "oneDNN"),
        (tch::utils::has_openmp(), "OpenMP"),
        (cuda_is_usable(), "CUDA"),
        (metal_is_usable(), "Metal"),
    ];
    parts.extend(
        features
            .iter()
            .filter(|(present, _)| *present)
            .map(|(_, name)| (*name).to_owned()),
    );
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_libtorch_says_its_version() {
        let settings = accelerator::build_settings();
        assert_eq!(
            version_in(&settings),
            Some(number(LIBTORCH_VERSION)),
            "{settings}"
        );
        assert_eq!(check_version(), Ok(()));
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert_eq!(number("2.11.0+cu130"), "2.11.0");
        assert_eq!(
            version_in("USE_CUDA=ON, TORCH_VERSION=2.10.1, USE"),
            Some("2.10.1")
        );
        assert_eq!(version_in("PyTorch built with: GCC"), None);
        let error = WrongVersion {
            found: "2.10.1".to_owned(),
        }
        .to_string();
        assert!(error.contains("libtorch 2.10.1 was found"), "{error}");
    }
}
