//! Refuses a PostgreSQL server behind a pooler in transaction or statement mode, such as PgBouncer.
//! Not here: the service's own pools (`settings`).
//!
//! LISTEN, prepared statements and the time limits of a session live on one server process. Such a pooler gives each
//! transaction another one. A service would start, and later miss wake-ups, fail at random and wait for locks without
//! limit.

use std::str::FromStr;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{Connection, Error, Executor, Row};

use super::{ConnectError, Settings, Target};

/// Time within which a server process must tell its number. The query is trivial, so a longer wait means that the
/// pooler has no server process to give.
const TELLS_WITHIN: Duration = Duration::from_secs(5);

/// Number of comparisons. A pooler that hands out server processes in turn may return the same one by chance.
const ROUNDS: usize = 3;

pub(super) async fn refuse(target: &Target, url: &str, settings: &Settings) -> Result<(), ConnectError> {
    let refused = |reason: &str| ConnectError::Pooled { target: target.shown(), reason: reason.to_owned() };
    let failed = |error: Error| target.unreachable_because(&error);
    let options = PgConnectOptions::from_str(url).map_err(failed)?.options(settings.session());
    let mut one = PgConnection::connect_with(&options).await.map_err(failed)?;
    let mut other = PgConnection::connect_with(&options).await.map_err(failed)?;
    // 0, the server's own default, means no limit.
    let limit = one.fetch_one("SELECT current_setting('lock_timeout')").await.map_err(failed)?;
    if limit.try_get::<String, _>(0).map_err(failed)? == "0" {
        return Err(refused("it does not pass on the settings of a connection, such as lock_timeout"));
    }
    for _ in 0..ROUNDS {
        let before = server_process(&mut one).await.map_err(failed)?;
        other.execute("BEGIN").await.map_err(failed)?;
        let of_other = server_process(&mut other).await.map_err(failed)?;
        let after = tokio::time::timeout(TELLS_WITHIN, server_process(&mut one)).await;
        if before == of_other || !matches!(after, Ok(Ok(after)) if after == before) {
            return Err(refused("two connections share one server process, as in PgBouncer's transaction mode"));
        }
        other.execute("ROLLBACK").await.map_err(failed)?;
    }
    let _ = (one.close().await, other.close().await); // no longer needed; an error does not matter
    Ok(())
}

/// Returns the number of the server process. Uses the simple protocol, which every pooler passes on.
async fn server_process(connection: &mut PgConnection) -> Result<i32, Error> {
    connection.fetch_one("SELECT pg_backend_pid()").await?.try_get(0)
}
