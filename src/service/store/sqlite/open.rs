//! Opens the file of a store, and sets a damaged one aside.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode};
use tracing::error;

use super::connect::{ConnectError, Connections, connect};
use super::lock::{LockError, StoreLock, beside, real_path};
use super::schema;

/// Why a store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another server uses the file.
    #[error("another server uses the store {}", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// A later version of this program has written the file.
    #[error(
        "a later version of clipdraw has written the store {} (schema {found}, this version knows {known}); \
         use that version or another file",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version of its schema.
        found: i64,
        /// The latest version that this program knows.
        known: i64,
    },
    /// The file is a database or another file of another program.
    #[error("{} is not a store of clipdraw but a file of another program", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file or its folder cannot be read or written.
    #[error("cannot use the store {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        cause: io::Error,
    },
    /// SQLite cannot open the file.
    #[error("cannot open the store {}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// The reason.
        #[source]
        cause: rusqlite::Error,
    },
}

/// The file of a store, opened and locked.
#[derive(Debug)]
pub(super) struct OpenFile<T> {
    pub(super) path: PathBuf,
    pub(super) connections: Connections,
    /// What the first query has found.
    pub(super) found: T,
    pub(super) lock: StoreLock,
}

/// Opens the file of a store, and creates it and its folder if they do not exist. Only this user can read a new file,
/// because the addresses of webhooks in it may be secret. A damaged file is set aside, also if only the first query shows
/// that it is damaged.
pub(super) fn open<T>(
    path: &Path,
    query: impl Fn(&Connection) -> rusqlite::Result<T>,
) -> Result<OpenFile<T>, OpenError> {
    let io_error = |cause| OpenError::Io {
        path: path.to_owned(),
        cause,
    };
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder).map_err(io_error)?;
    }
    let path = real_path(path).map_err(io_error)?;
    if !may_be_store(&path).map_err(io_error)? {
        return Err(OpenError::Foreign { path });
    }
    let lock = StoreLock::take(&path).map_err(|error| match error {
        LockError::Taken => OpenError::InUse { path: path.clone() },
        LockError::Io(cause) => io_error(cause),
    })?;
    let connect = || {
        create(&path).map_err(io_error)?;
        let connections = connect(&path).map_err(|error| OpenError::of(error, &path))?;
        let found = query(&connections.reader);
        let found = found.map_err(|cause| OpenError::of(cause.into(), &path))?;
        Ok((connections, found))
    };
    let (connections, found) = match connect() {
        Err(OpenError::Database { cause, .. }) if is_damaged(&cause) => {
            set_aside(&path, &cause).map_err(io_error)?;
            connect()?
        }
        connected => connected?,
    };
    Ok(OpenFile {
        path,
        connections,
        found,
        lock,
    })
}

impl OpenError {
    fn of(error: ConnectError, path: &Path) -> Self {
        let path = path.to_owned();
        match error {
            ConnectError::Newer(found) => Self::Newer {
                path,
                found,
                known: schema::VERSION,
            },
            ConnectError::Foreign => Self::Foreign { path },
            ConnectError::Database(cause) => Self::Database { path, cause },
        }
    }
}

/// Whether a file is a database, or may be a damaged one: then its lock lies beside it. Any other file is left alone, and
/// only one that is missing or empty can become a store.
fn may_be_store(path: &Path) -> io::Result<bool> {
    const HEADER: &[u8] = b"SQLite format 3\0";
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        // To open a pipe would wait for its other end.
        Ok(found) if !found.is_file() => {
            return Err(io::Error::other("it is not a regular file"));
        }
        // The write-ahead log and the lock have the name of the file, so under another name the file would be a damaged store.
        Ok(found) if found.nlink() > 1 => {
            return Err(io::Error::other(
                "it has several names (hard links); remove all of them but the one that it had first",
            ));
        }
        found => found?,
    };
    let mut start = Vec::new();
    let file = fs::File::open(path)?;
    file.take(HEADER.len() as u64).read_to_end(&mut start)?;
    Ok(start.is_empty() || start == HEADER || beside(path, "lock").exists())
}

fn create(path: &Path) -> io::Result<()> {
    let mut options = fs::File::options();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(drop)
}

/// Whether an error means that the file is damaged.
pub(super) fn is_damaged(cause: &rusqlite::Error) -> bool {
    let code = cause.sqlite_error_code();
    matches!(
        code,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

/// Renames a damaged file and what belongs to it, so that the server can start with a new one.
fn set_aside(path: &Path, cause: &rusqlite::Error) -> io::Result<()> {
    let time = Timestamp::now().strftime("%Y%m%dT%H%M%S");
    let aside = beside(path, &format!("damaged-{time}"));
    fs::rename(path, &aside)?;
    for suffix in ["-wal", "-shm"] {
        let name = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push(suffix);
            PathBuf::from(name)
        };
        match fs::rename(name(path), name(&aside)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    error!(
        %cause,
        store = %path.display(),
        kept_as = %aside.display(),
        "the store is damaged; it was renamed, and the server starts with an empty one"
    );
    Ok(())
}
