//! Appending domain events: the last statement of every verb that changes something.
//! Not here: numbering (`relay`) and what follows (`reactions`). The verb knows nothing of who will hear of it.

use crate::clock::Timestamp;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Tx, record};
use crate::domain_event::{DomainEvent, VERSION};
use crate::id::{DomainEventId, EventId, OrganizerId, UserId};

record! {
    struct Row {
        id: DomainEventId,
        kind: &'static str,
        v: i64,
        occurred_at: Timestamp,
        actor_id: Option<UserId>,
        event_id: Option<EventId>,
        organizer_id: Option<OrganizerId>,
        user_id: Option<UserId>,
        data: String,
    }
}

/// A domain event with the id it will have; made before the transaction, so that a re-run records the same domain event.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its id.
    pub id: DomainEventId,
    /// When it happened.
    pub at: Timestamp,
    /// Who caused it.
    pub actor: Option<UserId>,
    /// What happened.
    pub domain_event: DomainEvent,
}

impl Draft {
    /// A domain event caused by the acting user, now.
    pub fn new(ctx: &Ctx, domain_event: DomainEvent) -> Self {
        Self { id: ctx.id(), at: ctx.now(), actor: ctx.actor.user_id(), domain_event }
    }

    /// The same with another cause; for transactions that serve several users at once.
    pub fn caused_by(self, actor: Option<UserId>) -> Self {
        Self { actor, ..self }
    }
}

/// Records domain events in the order given, with the change they tell of.
pub async fn append(tx: &Tx, drafts: &[Draft]) -> Result<(), DbError> {
    let rows: Vec<Row> = drafts
        .iter()
        .map(|draft| {
            let about = draft.domain_event.about();
            Row {
                id: draft.id,
                kind: draft.domain_event.kind(),
                v: VERSION,
                occurred_at: draft.at,
                actor_id: draft.actor,
                event_id: about.event,
                organizer_id: about.organizer,
                user_id: about.user,
                data: draft.domain_event.data().to_string(),
            }
        })
        .collect();
    if let Some(first) = rows.first() {
        tx.commit_marker(first.id);
    }
    db::insert(tx, "domain_event", &rows, "").await?;
    Ok(())
}
