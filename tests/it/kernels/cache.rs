//! The cache of compiled kernels.

use std::cell::Cell;
use std::fs;
use std::path::Path;

use clipdraw::compute::cuda::{Architecture, KernelCache, UnmetRequirement};

const T4: Architecture = Architecture { major: 7, minor: 5 };

/// Asks a cache for kernels whose code is `code`, and returns what it gives and how often it compiled.
fn get(cache: &KernelCache, source: &str, code: &[u8]) -> (Vec<u8>, usize) {
    let compiled = Cell::new(0);
    let found = cache.get(source, T4, || {
        compiled.set(compiled.get() + 1);
        Ok(code.to_vec())
    });
    (found.unwrap(), compiled.get())
}

fn only_file(folder: &Path) -> std::path::PathBuf {
    let files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

#[test]
fn kernels_are_compiled_once_for_each_source_and_architecture() {
    let folder = tempfile::tempdir().unwrap();
    let cache = KernelCache::in_folder(folder.path().join("new/folder"));
    assert_eq!(get(&cache, "a", b"code"), (b"code".to_vec(), 1));
    assert_eq!(get(&cache, "a", b"other"), (b"code".to_vec(), 0));
    assert_eq!(get(&cache, "b", b"other"), (b"other".to_vec(), 1));
    let hopper = Architecture { major: 9, minor: 0 };
    let found = cache.get("a", hopper, || Ok(b"hopper".to_vec())).unwrap();
    assert_eq!(found, b"hopper");
}

#[test]
fn a_damaged_file_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let cache = KernelCache::in_folder(folder.path().to_owned());
    get(&cache, "a", b"the code of the kernels");
    let path = only_file(folder.path());
    let whole = fs::read(&path).unwrap();
    let mut changed = whole.clone();
    changed[40] ^= 1;
    for damaged in [&changed[..], &whole[..whole.len() - 1], &whole[..10], &[]] {
        fs::write(&path, damaged).unwrap();
        assert_eq!(
            get(&cache, "a", b"the code of the kernels").1,
            1,
            "{damaged:?}"
        );
        assert_eq!(fs::read(only_file(folder.path())).unwrap(), whole);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "no folder").unwrap();
    let cache = KernelCache::in_folder(file.join("kernels"));
    assert_eq!(get(&cache, "a", b"code"), (b"code".to_vec(), 1));
    assert_eq!(get(&cache, "a", b"code"), (b"code".to_vec(), 1));
}

#[test]
fn an_error_of_the_compiler_is_passed_on_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cache = KernelCache::in_folder(folder.path().to_owned());
    let missing = UnmetRequirement::Nvrtc("gone".to_owned());
    let error = cache.get("a", T4, || Err(missing.into())).unwrap_err();
    assert!(
        error.to_string().contains("NVRTC cannot be opened (gone)"),
        "{error}"
    );
    assert_eq!(get(&cache, "a", b"code"), (b"code".to_vec(), 1));
}
