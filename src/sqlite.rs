//! What all small databases have in common: a mark that tells whose they are, and a schema that grows
//! by migrations. Several processes may open one at once, also the first time.

use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

/// How long to wait for another process that writes: it is done in milliseconds.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// What a database is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// What it holds, for the person who has another file in its place.
    pub(crate) what: &'static str,
    /// Marks it (`file` and SQLite show it).
    pub(crate) mark: i32,
    /// What leads from each version of the schema to the next. Never changed, only added to.
    pub(crate) migrations: &'static [&'static str],
}

/// Why a database cannot be used.
pub(crate) type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// Makes a connection wait for other processes, and refuses a database that is something else.
///
/// # Errors
///
/// Where it is something else, or cannot be read.
pub(crate) fn check(connection: &mut Connection, plan: Plan) -> Result<(), Trouble> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // Both as of one moment: in the next, another process may have made the database.
    let look = connection.transaction()?;
    let mark: i32 = look.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = look.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if mark != plan.mark && tables > 0 {
        return Err(format!("it is no {}", plan.what).into());
    }
    Ok(())
}

/// Brings a database, perhaps an empty one, to the newest version of its schema.
///
/// # Errors
///
/// Where it is newer than that, or cannot be written.
pub(crate) fn migrate(connection: &mut Connection, plan: Plan) -> Result<(), Trouble> {
    if version(connection)? == plan.migrations.len() {
        return Ok(());
    }
    // Another process may be at it: what counts is what is read under the lock.
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let now = version(&change)?;
    let Some(missing) = plan.migrations.get(now..) else {
        return Err(format!("its schema has version {now}: a newer Chinwag made it").into());
    };
    for migration in missing {
        change.execute_batch(migration)?;
    }
    change.pragma_update(None, "application_id", plan.mark)?;
    change.pragma_update(None, "user_version", plan.migrations.len() as i64)?;
    Ok(change.commit()?)
}

fn version(connection: &Connection) -> rusqlite::Result<usize> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(usize::try_from(version).unwrap_or(usize::MAX))
}
