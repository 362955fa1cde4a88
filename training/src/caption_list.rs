//! Every caption of every pack, once.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::captions;
use super::pack::Record;

/// The name of the list in the folder of training.
pub const CAPTIONS: &str = "captions.txt";

/// Writes the captions of all packs below `packs` in the folder of training, sorted, one a line, and says
/// how many there are.
///
/// # Errors
/// When a pack cannot be read or the list cannot be written.
pub fn write(training: &Path) -> io::Result<usize> {
    let mut captions = BTreeSet::new();
    for entry in fs::read_dir(training.join("packs"))? {
        let records = entry?.path().join("pictures.jsonl");
        if records.is_file() {
            for line in BufReader::new(fs::File::open(records)?).lines() {
                let record: Record = serde_json::from_str(&line?)?;
                captions.extend(captions::all(&record).map(str::to_owned));
            }
        }
    }
    let mut text = captions.iter().cloned().collect::<Vec<_>>().join("\n");
    text.push('\n');
    fs::write(training.join(CAPTIONS), text)?;
    Ok(captions.len())
}
