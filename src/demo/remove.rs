//! Removal of the demo: deletes all data if no other user has an account, else only disables the demo accounts.
//! Not here: its creation (`demo`).

use sea_orm::DbBackend;

use super::DOMAIN;
use crate::clock::Timestamp;
use crate::db::{self, Db, DbError, Priority, Tx};

/// Tables with rows that belong to a user or event, in the order of deletion: referenced tables last.
const TABLES: &[&str] = &[
    "delivery",
    "notice",
    "inbox",
    "job",
    "parked_domain_event",
    "domain_event",
    "idempotency",
    "booking_item",
    "booking",
    "waitlist_entry",
    "event_change",
    "event_word",
    "stock",
    "ticket_type",
    "quota",
    "slot",
    "event",
    "refresh_token",
    "api_token",
    "revocation",
    "throttle",
    "known_network",
    "session",
    "membership_invitation",
    "membership",
    "organizer",
    "users",
];

/// Empties the database. Returns false and changes nothing if there are accounts outside of the demo, which the
/// transaction itself checks.
pub async fn wipe(db: &Db) -> Result<bool, DbError> {
    db.write(Priority::Worker, |tx| async move {
        let sql = "SELECT count(*) AS n FROM users WHERE email_key NOT LIKE $1";
        if db::number(&tx, sql, [format!("%{DOMAIN}").into()]).await? > 0 {
            return Ok(false);
        }
        for table in TABLES {
            db::run(&tx, &format!("DELETE FROM {table}"), []).await?;
        }
        new_history(&tx).await?;
        Ok(true)
    })
    .await
}

/// Starts the numbering of domain events again under a new epoch, so that a cursor into the old history is recognised.
async fn new_history(tx: &Tx) -> Result<(), DbError> {
    use sea_orm::ConnectionTrait;
    let epoch = match tx.get_database_backend() {
        DbBackend::Sqlite => "lower(hex(randomblob(6)))",
        _ => "substr(md5(random()::text || clock_timestamp()::text), 1, 12)",
    };
    db::run(tx, &format!("UPDATE stream_head SET last = 0, epoch = {epoch}"), []).await?;
    db::run(tx, "UPDATE consumer SET last = 0", []).await?;
    Ok(())
}

/// Disables every demo account. Returns the number of accounts disabled.
pub async fn disable(db: &Db, now: Timestamp) -> Result<u64, DbError> {
    db.write(Priority::Worker, |tx| async move {
        let demo = format!("%{DOMAIN}");
        let sql = "UPDATE session SET revoked_at = $1 WHERE revoked_at IS NULL AND user_id IN
                   (SELECT id FROM users WHERE email_key LIKE $2)";
        db::run(&tx, sql, [now.into(), demo.clone().into()]).await?;
        let sql = "UPDATE users SET disabled_at = $1 WHERE disabled_at IS NULL AND email_key LIKE $2";
        db::run(&tx, sql, [now.into(), demo.into()]).await
    })
    .await
}
