//! A folder with files, each with a line of JSON about it before its content.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tracing::warn;

use super::interface::{InputFile, is_input_file_id};

/// The maximum length of the line in bytes.
const MAX_LINE: u64 = 1 << 20;

/// What the name of a file ends with that is not completely written.
const PARTIAL: &str = ".partial";

/// A folder with files. It is made with the first one.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    fn path(&self, id: &str) -> PathBuf {
        self.0.join(id)
    }

    /// What is known of all files. Files that cannot be read are left out, with a line in the log, and what a crash has left
    /// unfinished is removed.
    pub(super) fn list(&self) -> Vec<InputFile> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                warn!(%error, folder = %self.0.display(), "the files of clients cannot be read");
                return Vec::new();
            }
        };
        let paths = entries.flatten().map(|entry| entry.path());
        paths.filter_map(|path| read_entry(&path)).collect()
    }

    /// Writes a file, which is on the disk when this returns.
    pub(super) fn write(&self, file: &InputFile, content: &[u8]) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(&self.0)?;
        let partial = self.0.join(format!("{}{PARTIAL}", file.id));
        let written = write_file(&partial, file, content);
        let moved = written.and_then(|()| fs::rename(&partial, self.path(&file.id)));
        if moved.is_err() {
            // The error is that of the write; the name may be gone.
            let _ = fs::remove_file(&partial);
        }
        moved?;
        // The name is on the disk only with its folder.
        File::open(&self.0)?.sync_all()
    }

    /// The content of a file.
    pub(super) fn read(&self, id: &str) -> io::Result<Bytes> {
        let mut reader = BufReader::new(File::open(self.path(id))?);
        read_line(&mut reader)?;
        let mut content = Vec::new();
        reader.read_to_end(&mut content)?;
        Ok(content.into())
    }

    /// Removes a file, if it exists.
    pub(super) fn remove(&self, id: &str) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn write_file(path: &Path, file: &InputFile, content: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut written = options.open(path)?;
    let mut line = serde_json::to_vec(file)?;
    line.push(b'\n');
    written.write_all(&line)?;
    written.write_all(content)?;
    written.sync_all()
}

fn read_entry(path: &Path) -> Option<InputFile> {
    let name = path.file_name()?.to_str()?;
    if let Some(id) = name.strip_suffix(PARTIAL) {
        if is_input_file_id(id) {
            // It is tried again at the next start.
            let _ = fs::remove_file(path);
        }
        return None;
    }
    if !is_input_file_id(name) {
        return None;
    }
    match read_description(path) {
        Ok(file) if file.id == name => Some(file),
        Ok(_) => None,
        Err(error) => {
            warn!(%error, file = %path.display(), "a file of a client cannot be read");
            None
        }
    }
}

fn read_description(path: &Path) -> io::Result<InputFile> {
    let opened = File::open(path)?;
    let size = opened.metadata()?.len();
    let line = read_line(&mut BufReader::new(opened))?;
    let file: InputFile = serde_json::from_slice(&line)?;
    if size != line.len() as u64 + file.length {
        return Err(io::Error::other("it is damaged"));
    }
    Ok(file)
}

fn read_line(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    reader.take(MAX_LINE).read_until(b'\n', &mut line)?;
    Ok(line)
}
