//! Deleting a draft: the only change of an event that leaves no record, because no customer ever saw it.
//! Not here: events with bookings, which are called off and never deleted.

use super::{Error, may_manage, store};
use crate::ctx::Ctx;
use crate::db::{self, Priority};
use crate::id::EventId;
use crate::status::EventStatus;

/// Deletes a draft and its parts.
#[tracing::instrument(level = "debug", skip_all, fields(event = %id))]
pub async fn delete(ctx: &Ctx, id: EventId) -> Result<EventId, Error> {
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            // The row of the stock first, the same order of locks as in changes of capacity.
            db::run(&tx, "UPDATE stock SET revision = revision WHERE event_id = $1", [id.into()]).await?;
            let event = may_manage(ctx, store::lock(&tx, id).await?)?;
            if event.status != EventStatus::Draft {
                return Err(Error::InvalidTransition(event.status));
            }
            for part in ["event_change", "event_word", "ticket_type", "quota", "slot", "stock"] {
                db::run(&tx, &format!("DELETE FROM {part} WHERE event_id = $1"), [id.into()]).await?;
            }
            db::run(&tx, "DELETE FROM event WHERE id = $1", [id.into()]).await?;
            Ok(id)
        })
        .await
}
