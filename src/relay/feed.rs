//! Feed: reads numbered domain events from the table, publishes them on this process's bus, and refreshes connected
//! inboxes.
//! Not here: numbering. Every process runs a feed, whichever process numbers.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::FromQueryResult;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{AFTER_ERROR, LOOK_EVERY, history};
use crate::bus::{Bus, InboxHead};
use crate::ctx::Ctx;
use crate::db::{self, DbError, record};
use crate::id::UserId;

/// Most domain events read by one query.
const CHUNK: i64 = 500;

/// Shortest interval between two comparisons of connected inboxes with the table.
const INBOXES_EVERY: Duration = Duration::from_millis(50);

/// Pause after reading, in which domain events accumulate, so that a burst is read in a few statements.
const GATHER: Duration = Duration::from_millis(2);

record! {
    struct Watched {
        user_id: UserId,
    }
}

#[derive(FromQueryResult)]
struct Newest {
    user_id: UserId,
    last_seq: i64,
    read_seq: i64,
}

/// Feeds the bus until `stop`, from the present head on.
pub(super) async fn run(ctx: Ctx, bus: Bus, numbered: Arc<Notify>, stop: CancellationToken) {
    let feeding = async {
        let mut last = loop {
            match history::head(ctx.db.read()).await {
                Ok(head) => break head.last,
                Err(error) => tracing::error!(%error, "cannot read the head of the domain events"),
            }
            tokio::time::sleep(AFTER_ERROR).await;
        };
        loop {
            if let Err(error) = feed(&ctx, &bus, &mut last).await {
                tracing::error!(%error, "cannot feed the bus");
            }
            // A signal during the pause leaves a permit, so nothing is missed and a burst is read at once.
            tokio::time::sleep(GATHER).await;
            tokio::select! {
                () = numbered.notified() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    };
    let inboxes = async {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(error) = look_after_inboxes(&ctx, &bus).await {
                tracing::error!(%error, "cannot refresh connected inboxes");
            }
        }
    };
    let elsewhere = async {
        // Another process may have written notices: domain events on the local bus are the sign of it.
        let mut domain_events = bus.listen();
        loop {
            if let Err(tokio::sync::broadcast::error::RecvError::Closed) = domain_events.recv().await {
                return std::future::pending::<()>().await;
            }
            tokio::time::sleep(INBOXES_EVERY).await;
            domain_events = domain_events.resubscribe();
            if let Err(error) = look_after_inboxes(&ctx, &bus).await {
                tracing::error!(%error, "cannot refresh connected inboxes");
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = feeding => {}
        () = inboxes => {}
        () = elsewhere => {}
    }
}

async fn feed(ctx: &Ctx, bus: &Bus, last: &mut i64) -> Result<(), DbError> {
    loop {
        let rows = history::since(ctx.db.read(), history::About::Anything, *last, CHUNK).await?;
        let full = rows.len() as i64 == CHUNK;
        for row in rows {
            *last = row.seq;
            match row.read() {
                Ok(domain_event) => bus.publish(Arc::new(domain_event)),
                Err(error) => tracing::warn!(domain_event = %row.id, %error, "a domain event cannot be published"),
            }
        }
        bus.set_head(*last);
        if !full {
            return Ok(());
        }
    }
}

/// Passes the numbers of the newest and the newest read notice to the streams of each connected user.
async fn look_after_inboxes(ctx: &Ctx, bus: &Bus) -> Result<(), DbError> {
    let watched: Vec<Watched> = bus.watched_inboxes().into_iter().map(|user_id| Watched { user_id }).collect();
    let sql = "SELECT i.user_id, i.last_seq, i.read_seq FROM {records} JOIN inbox i ON i.user_id = r.user_id";
    let newest: Vec<Newest> = db::select_by(ctx.db.read(), sql, &watched, []).await?;
    let head = |row: &Newest| InboxHead { last: row.last_seq, read: row.read_seq };
    bus.note_heads(newest.iter().map(|row| (row.user_id, head(row))));
    Ok(())
}
