//! Appends domain events: the last statement of every verb that changes data.
//! Not here: numbering (`relay`) and reactions (`reactions`). The verb does not know its consumers.

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

/// Domain event with its id. Both are made before the transaction, so that a re-run records the same domain event.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Id of the domain event.
    pub id: DomainEventId,
    /// Time at which it happened.
    pub at: Timestamp,
    /// User who caused it.
    pub actor: Option<UserId>,
    /// Content of the domain event.
    pub domain_event: DomainEvent,
}

impl Draft {
    /// Creates a domain event that the acting user caused now.
    pub fn new(ctx: &Ctx, domain_event: DomainEvent) -> Self {
        Self { id: ctx.id(), at: ctx.now(), actor: ctx.actor.user_id(), domain_event }
    }

    /// Replaces the user who caused it; for transactions that contain requests of several users.
    pub fn caused_by(self, actor: Option<UserId>) -> Self {
        Self { actor, ..self }
    }
}

/// Records domain events in the order given, in the transaction of the change they describe.
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
