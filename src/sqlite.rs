//! Opening small databases: an application id that identifies the owner, and a schema with
//! migrations. Several processes may open one at once, also for the first time.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

/// How long to wait for another process that writes, which takes milliseconds.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The kind of a database.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// What it holds, for error messages.
    pub(crate) what: &'static str,
    /// The application id, which `file` shows.
    pub(crate) mark: i32,
    /// The migrations from each version of the schema to the next. Never change one; only add.
    pub(crate) migrations: &'static [&'static str],
}

/// Why a database cannot be used.
pub(crate) type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Makes a connection wait for other processes, and refuses a database of another kind. Errors if
/// it is of another kind, its schema is newer, or it cannot be read.
pub(crate) fn check(connection: &mut Connection, plan: Plan) -> Result<(), Trouble> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // In one transaction: another process may be creating the database.
    let tx = connection.transaction()?;
    let mark: i32 = tx.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = tx.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if mark != plan.mark && tables > 0 {
        return Err(format!("it is no {}", plan.what).into());
    }
    match version(&tx)? {
        now if now > plan.migrations.len() => Err(newer(now)),
        _ => Ok(()),
    }
}

/// Migrates a database, which may be empty, to the newest version of its schema. Errors if its
/// schema is newer, or it cannot be written.
pub(crate) fn migrate(connection: &mut Connection, plan: Plan) -> Result<(), Trouble> {
    if version(connection)? == plan.migrations.len() {
        return Ok(());
    }
    // Another process may be migrating it: read the version again under the lock.
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = version(&change)?;
    let Some(missing) = plan.migrations.get(now..) else {
        return Err(newer(now));
    };
    for migration in missing {
        change.execute_batch(migration)?;
    }
    change.pragma_update(None, "application_id", plan.mark)?;
    change.pragma_update(None, "user_version", plan.migrations.len() as i64)?;
    Ok(change.commit()?)
}

fn newer(version: usize) -> Trouble {
    NewerSchema(version).into()
}

/// A newer Chinwag has made a database.
#[derive(Debug, thiserror::Error)]
#[error("its schema has version {0}: a newer Chinwag made it")]
pub(crate) struct NewerSchema(usize);

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}
