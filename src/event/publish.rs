//! Publishing an event: from now on all clients see it and customers may book.
//! Not here: calling it off (`booking::call_off`).

use super::bookable::has_begun;
use super::{Error, may_manage, store};
use crate::ctx::Ctx;
use crate::db::Priority;
use crate::domain_event::DomainEvent;
use crate::id::EventId;
use crate::outbox::{self, Draft};
use crate::status::EventStatus;

/// Publishes a draft with a slot that has not begun.
#[tracing::instrument(level = "debug", skip_all, fields(event = %id))]
pub async fn publish(ctx: &Ctx, id: EventId) -> Result<EventId, Error> {
    let domain_event_id = ctx.id();
    ctx.db
        .write(Priority::Interactive, |tx| async move {
            let event = may_manage(ctx, store::lock(&tx, id).await?)?;
            if !event.status.may_become(EventStatus::Published) {
                return Err(Error::InvalidTransition(event.status));
            }
            if store::last_start(&tx, id).await?.is_none_or(|last| has_begun(last, ctx.now())) {
                return Err(Error::Over);
            }
            store::change_status(&tx, id, event.status, EventStatus::Published, ctx.now()).await?;
            let domain_event = DomainEvent::EventPublished { event: id, organizer: event.organizer_id };
            outbox::append(&tx, &[Draft { id: domain_event_id, ..Draft::new(ctx, domain_event) }]).await?;
            Ok(id)
        })
        .await
}
