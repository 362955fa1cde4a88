//! The tables of the store, and how those of earlier versions become the present ones.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::secret::Secret;

/// Marks a file as a store of this program (`PRAGMA application_id`): "cldr".
pub(super) const APPLICATION_ID: i32 = 0x636c_6472;

/// The changes from each version of the schema to the next one. A new file gets all of them.
const MIGRATIONS: [&str; 4] = [VERSION_1, VERSION_2, VERSION_3, VERSION_4];

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

/// Jobs in a table of their own, because files among their inputs make them large, and what callers see of them. Rows of
/// earlier versions have their job in `prediction.job`, which is empty in new rows. And the name of the last message to the
/// receiver of webhooks: that of predictions of earlier versions is unknown, so theirs is one after which nothing older is sent.
const VERSION_4: &str = "
CREATE TABLE job(
    prediction INTEGER PRIMARY KEY REFERENCES prediction ON DELETE CASCADE,
    data TEXT NOT NULL
) STRICT;
ALTER TABLE prediction ADD COLUMN shown TEXT;
ALTER TABLE prediction ADD COLUMN last_message TEXT;
UPDATE prediction
    SET last_message = id || CASE WHEN completed_at IS NULL THEN '.0.logs.0' ELSE '.0.completed' END
    WHERE undelivered = 1 AND EXISTS (SELECT 1 FROM event WHERE prediction = prediction.key);
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
    keep_secret(connection, &new)?;
    Ok(new)
}

/// Keeps the secret of the server, unless there is one.
pub(super) fn keep_secret(connection: &Connection, secret: &[u8]) -> rusqlite::Result<()> {
    let insert = "INSERT OR IGNORE INTO setting(name, value) VALUES (?1, ?2)";
    connection.execute(insert, params![SECRET, secret])?;
    Ok(())
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

/// The version of the tables of a file; 0 if it is new.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings the tables to the present version. Returns the version that they had.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<i64> {
    let before = version(connection)?;
    if before < VERSION {
        let transaction = Transaction::new(connection, TransactionBehavior::Immediate)?;
        apply_migrations(&transaction)?;
        transaction.commit()?;
    }
    Ok(before)
}

/// Brings the tables to the present version within a transaction.
pub(super) fn apply_migrations(connection: &Connection) -> rusqlite::Result<()> {
    for migration in MIGRATIONS.iter().skip(version(connection)? as usize) {
        connection.execute_batch(migration)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", VERSION)
}

/// Makes the tables of a version.
#[cfg(test)]
pub(super) fn create_version(connection: &Connection, version: i64) {
    for migration in &MIGRATIONS[..version as usize] {
        connection.execute_batch(migration).unwrap();
    }
    for (pragma, value) in [
        ("application_id", APPLICATION_ID.into()),
        ("user_version", version),
    ] {
        connection.pragma_update(None, pragma, value).unwrap();
    }
}
