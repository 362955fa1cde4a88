//! The connections to the file of a store.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use tracing::{info, warn};

use super::room::is_lack_of_room;
use super::schema::{self, Found};

/// The write-ahead log is cut to this size in bytes after its content has been moved into the file.
const WAL_BYTES: i64 = 4 << 20;

/// How long a connection waits for the other one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The connections to a file.
#[derive(Debug)]
pub(super) struct Connections {
    /// The one that writes, or why there is none: the disk has no room.
    pub(super) writer: Result<Connection, String>,
    pub(super) reader: Connection,
    /// The secret of the server.
    pub(super) secret: Vec<u8>,
}

/// Why a file cannot be connected to.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("its schema is that of a later version")]
    Newer(i64),
    #[error("it is a file of another program")]
    Foreign,
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
}

/// Connects to a file, only to read it if the disk has no room for what is written.
pub(super) fn connect(path: &Path) -> Result<Connections, ConnectError> {
    let connected = connect_to_write(path).and_then(|(writer, reader)| {
        let secret = schema::secret(&writer)?;
        Ok((writer, reader, secret))
    });
    match connected {
        Ok((writer, reader, secret)) => Ok(Connections {
            writer: Ok(writer),
            reader,
            secret,
        }),
        Err(ConnectError::Database(cause)) if is_lack_of_room(&cause, path) => {
            warn!(%cause, store = %path.display(), "the disk of the store is full; it is only read until there is room");
            let (reader, secret) = connect_to_read(path)?;
            Ok(Connections {
                writer: Err(cause.to_string()),
                reader,
                secret,
            })
        }
        Err(error) => Err(error),
    }
}

/// The connection that writes and the one that reads, to a file that was only read so far.
pub(super) fn reconnect(
    path: &Path,
    secret: &[u8],
) -> Result<(Connection, Connection), ConnectError> {
    let (writer, reader) = connect_to_write(path)?;
    schema::keep_secret(&writer, secret)?;
    Ok((writer, reader))
}

fn connect_to_write(path: &Path) -> Result<(Connection, Connection), ConnectError> {
    let mut writer = Connection::open(path)?;
    inspect(&writer)?;
    prepare(&mut writer)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let reader = Connection::open_with_flags(path, flags)?;
    reader.busy_timeout(BUSY_TIMEOUT)?;
    Ok((writer, reader))
}

/// A connection that writes nothing to the disk, and the secret of the server. No other connection can be used beside it.
pub(super) fn connect_to_read(path: &Path) -> Result<(Connection, Vec<u8>), ConnectError> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Otherwise SQLite would need a file for the index of the write-ahead log.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    inspect(&connection)?;
    if schema::version(&connection)? == 0 {
        // There is nothing in it.
        connection = Connection::open_in_memory()?;
    }
    check(&connection)?;
    // What the file lacks is made in memory: this transaction is never committed.
    connection.pragma_update(None, "cache_spill", false)?;
    connection.execute_batch("BEGIN")?;
    if schema::version(&connection)? < schema::VERSION {
        schema::apply_migrations(&connection)?;
    }
    let secret = schema::secret(&connection)?;
    Ok((connection, secret))
}

fn inspect(connection: &Connection) -> Result<(), ConnectError> {
    match schema::inspect(connection)? {
        Found::Usable => Ok(()),
        Found::Newer(found) => Err(ConnectError::Newer(found)),
        Found::Foreign => Err(ConnectError::Foreign),
    }
}

fn prepare(writer: &mut Connection) -> rusqlite::Result<()> {
    writer.busy_timeout(BUSY_TIMEOUT)?;
    // It has an effect only before the first table is created.
    writer.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    writer.pragma_update(None, "journal_mode", "WAL")?;
    writer.pragma_update(None, "synchronous", "FULL")?;
    writer.pragma_update(None, "journal_size_limit", WAL_BYTES)?;
    check(writer)?;
    let version = schema::migrate(writer)?;
    if version != 0 && version != schema::VERSION {
        info!(
            from = version,
            to = schema::VERSION,
            "upgraded the schema of the store"
        );
    }
    writer.pragma_update(None, "foreign_keys", "ON")
}

/// Looks for damage.
fn check(connection: &Connection) -> rusqlite::Result<()> {
    let check: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
    if check != "ok" {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
            Some(check),
        ));
    }
    Ok(())
}
