//! The tables of the store, and how those of earlier versions become the present ones.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::secret::Secret;

/// Marks a file as a store of this program (`PRAGMA application_id`): "cldr".
pub(super) const APPLICATION_ID: i32 = 0x636c_6472;

/// The changes from each version of the schema to the next one. A new file gets all of them.
const MIGRATIONS: [&str; 3] = [VERSION_1, VERSION_2, VERSION_3];

/// The version of the schema that this program writes (`PRAGMA user_version`).
pub(super) const VERSION: i64 = MIGRATIONS.len() as i64;

/// Times are nanoseconds since 1970. The key distinguishes predictions that had the same id one after another.
const VERSION_1: &str = "
CREATE TABLE prediction(
    key INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    status TEXT NOT NULL,
    job TEXT NOT NULL,
    draw_again INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    provenance TEXT,
    cancel INTEGER NOT NULL DEFAULT 0,
    completed_at INTEGER,
    receiver TEXT,
    undelivered INTEGER NOT NULL DEFAULT 0,
    replaced INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX by_id ON prediction(id);
CREATE INDEX newest ON prediction(created_at DESC, id DESC) WHERE replaced = 0;
CREATE INDEX unfinished ON prediction(created_at) WHERE completed_at IS NULL;
CREATE INDEX undelivered ON prediction(created_at) WHERE undelivered = 1;
CREATE TABLE event(
    prediction INTEGER NOT NULL REFERENCES prediction ON DELETE CASCADE,
    number INTEGER NOT NULL,
    kind TEXT NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY(prediction, number)
) STRICT, WITHOUT ROWID;
";

/// The size of the output, to bound it, and a table to try whether the disk has room.
const VERSION_2: &str = "
ALTER TABLE prediction ADD COLUMN output_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE prediction SET output_bytes = (
    SELECT coalesce(sum(length(data)), 0) FROM event WHERE prediction = prediction.key AND kind = 'output');
CREATE INDEX kept ON prediction(completed_at, key, output_bytes)
    WHERE completed_at IS NOT NULL AND undelivered = 0;
CREATE TABLE probe(data BLOB NOT NULL) STRICT;
";

/// What the server keeps beside predictions, by name.
const VERSION_3: &str = "
CREATE TABLE setting(
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
";

/// The name of the setting with the server's secret.
const SECRET: &str = "secret";

/// The secret of the server. It is made when a file is opened for the first time.
pub(super) fn secret(connection: &Connection) -> rusqlite::Result<Vec<u8>> {
    let select = "SELECT value FROM setting WHERE name = ?1";
    let kept = connection.query_row(select, [SECRET], |row| row.get(0));
    if let Some(kept) = kept.optional()? {
        return Ok(kept);
    }
    let new = Secret::generate().expose_bytes().to_vec();
    let insert = "INSERT INTO setting(name, value) VALUES (?1, ?2)";
    connection.execute(insert, params![SECRET, new])?;
    Ok(new)
}

/// How the tables of a file compare with those of this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// A store of this or an earlier version, or a new file.
    Usable,
    /// A store of a later version.
    Newer(i64),
    /// A database of another program.
    Foreign,
}

pub(super) fn inspect(connection: &Connection) -> rusqlite::Result<Found> {
    let application: i32 =
        connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(match (application, tables) {
        (APPLICATION_ID, _) if version > VERSION => Found::Newer(version),
        (APPLICATION_ID, _) if version >= 1 => Found::Usable,
        (0, 0) if version == 0 => Found::Usable,
        _ => Found::Foreign,
    })
}

/// Brings the tables to the present version. Returns the version that they had.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<i64> {
    let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for migration in MIGRATIONS.iter().skip(version as usize) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", VERSION)?;
    transaction.commit()?;
    Ok(version)
}

#[cfg(test)]
pub(super) fn create_version_1(connection: &Connection) {
    connection.execute_batch(VERSION_1).unwrap();
    connection
        .pragma_update(None, "application_id", APPLICATION_ID)
        .unwrap();
    connection.pragma_update(None, "user_version", 1).unwrap();
}
