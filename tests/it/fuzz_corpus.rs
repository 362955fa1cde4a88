//! The corpora of the fuzz targets, checked without a fuzzer.

use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;

#[path = "../../fuzz/properties/import.rs"]
mod import;
#[path = "../../fuzz/properties/input.rs"]
mod input;
#[path = "../../fuzz/properties/pickle.rs"]
mod pickle;
#[path = "../../fuzz/properties/prompt.rs"]
mod prompt;
#[path = "../../fuzz/properties/request.rs"]
mod request;
#[path = "../../fuzz/properties/safetensors.rs"]
mod safetensors;
#[path = "../../fuzz/properties/svg.rs"]
mod svg;
#[path = "../../fuzz/properties/torch_file.rs"]
mod torch_file;
#[path = "../../fuzz/properties/weights.rs"]
mod weights;

/// Panics unless the property of a target holds for these bytes.
type Property = fn(&[u8]);

/// Every fuzz target with its property.
const TARGETS: [(&str, Property); 8] = [
    ("import", import::check),
    ("input", input::check),
    ("pickle", pickle::check),
    ("prompt", prompt::check),
    ("request", request::check),
    ("safetensors", safetensors::check),
    ("svg", svg::check),
    ("torch_file", torch_file::check),
];

#[test]
fn every_input_of_every_corpus_has_the_property_of_its_fuzz_target() {
    for (target, check) in TARGETS {
        let folder = format!("fuzz/corpus/{target}");
        let mut files: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        assert!(!files.is_empty(), "{folder} is empty");
        for file in files {
            let bytes = fs::read(&file).unwrap();
            let checked = catch_unwind(|| check(&bytes));
            assert!(
                checked.is_ok(),
                "the property does not hold for {}",
                file.display()
            );
        }
    }
}

#[test]
fn every_fuzz_target_has_a_property_that_is_checked_here() {
    let mut targets: Vec<_> = fs::read_dir("fuzz/fuzz_targets")
        .unwrap()
        .map(|entry| entry.unwrap().path().with_extension(""))
        .collect();
    targets.sort();
    let checked = TARGETS.map(|(target, _)| PathBuf::from("fuzz/fuzz_targets").join(target));
    assert_eq!(targets, checked);
}
