//! Appending facts: the last statement of every verb that changes something.
//! Not here: numbering (`relay`) and what follows (`reactions`). The verb knows nothing of who will hear of it.

use crate::clock::Micros;
use crate::ctx::Ctx;
use crate::db::{self, DbError, Tx, record};
use crate::fact::{Fact, VERSION};
use crate::id::{EventId, FactId, OrganizerId, UserId};

record! {
    struct Row {
        id: FactId,
        kind: &'static str,
        v: i64,
        occurred_at: Micros,
        actor_id: Option<UserId>,
        event_id: Option<EventId>,
        organizer_id: Option<OrganizerId>,
        user_id: Option<UserId>,
        data: String,
    }
}

/// A fact with the id it will have; made before the transaction, so that a re-run records the same fact.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its id.
    pub id: FactId,
    /// When it happened.
    pub at: Micros,
    /// Who caused it.
    pub actor: Option<UserId>,
    /// What happened.
    pub fact: Fact,
}

impl Draft {
    /// A fact caused by the acting user, now.
    pub fn new(ctx: &Ctx, fact: Fact) -> Self {
        Self { id: ctx.id(), at: ctx.now(), actor: ctx.actor.user_id(), fact }
    }

    /// The same with another cause; for transactions that serve several users at once.
    pub fn caused_by(self, actor: Option<UserId>) -> Self {
        Self { actor, ..self }
    }
}

/// Records facts in the order given, with the change they tell of.
pub async fn append(tx: &Tx, drafts: &[Draft]) -> Result<(), DbError> {
    let rows: Vec<Row> = drafts
        .iter()
        .map(|draft| {
            let about = draft.fact.about();
            Row {
                id: draft.id,
                kind: draft.fact.kind(),
                v: VERSION,
                occurred_at: draft.at,
                actor_id: draft.actor,
                event_id: about.event,
                organizer_id: about.organizer,
                user_id: about.user,
                data: draft.fact.data().to_string(),
            }
        })
        .collect();
    if let Some(first) = rows.first() {
        tx.witness(first.id);
    }
    db::insert(tx, "fact", &rows, "").await?;
    Ok(())
}
