//! Reads numbered domain events: all after a number, or those about a user or organizer.
//! Not here: waiting for new ones.

use sea_orm::{ConnectionTrait, FromQueryResult, Value};

use crate::clock::Timestamp;
use crate::db::{self, DbError};
use crate::domain_event::{DomainEvent, Recorded, UnreadableDomainEvent};
use crate::id::{DomainEventId, EventId, OrganizerId, UserId};

/// Row of `domain_event` that has its number.
#[derive(Debug, Clone, FromQueryResult)]
pub struct Row {
    /// Id of the domain event.
    pub id: DomainEventId,
    /// Number in the history.
    pub seq: i64,
    /// Kind, as stored.
    pub kind: String,
    /// Version of the data, as stored.
    pub v: i64,
    /// Time at which it happened.
    pub occurred_at: Timestamp,
    /// User who caused it.
    pub actor_id: Option<UserId>,
    /// Event it is about; readable whatever the kind.
    pub event_id: Option<EventId>,
    /// Data as JSON, as stored.
    pub data: String,
}

impl Row {
    /// Reads the domain event from the row.
    pub fn read(&self) -> Result<Recorded, UnreadableDomainEvent> {
        let domain_event = DomainEvent::read(&self.kind, self.v, &self.data)?;
        Ok(Recorded { id: self.id, seq: self.seq, occurred_at: self.occurred_at, actor: self.actor_id, domain_event })
    }
}

/// Epoch of the history and its last number.
#[derive(Debug, Clone, PartialEq, Eq, FromQueryResult)]
pub struct Head {
    /// Last number given.
    pub last: i64,
    /// Identifier of the history; changes when the database is restored from a backup.
    pub epoch: String,
}

/// Returns the head of the history.
pub async fn head(c: &impl ConnectionTrait) -> Result<Head, DbError> {
    let head = db::one(c, "SELECT last, epoch FROM stream_head WHERE one = 1", []).await?;
    Ok(head.ok_or_else(|| sea_orm::DbErr::RecordNotFound("stream_head".into()))?)
}

/// Filter for domain events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Every domain event.
    Anything,
    /// Domain events that concern this customer.
    Customer(UserId),
    /// Domain events about events of this organizer.
    Organizer(OrganizerId),
}

/// Returns the domain events after the number `after`, in order, at most `limit`.
pub async fn since(c: &impl ConnectionTrait, about: About, after: i64, limit: i64) -> Result<Vec<Row>, DbError> {
    let columns = "SELECT id, seq, kind, v, occurred_at, actor_id, event_id, data FROM domain_event WHERE";
    let order = "seq > $1 ORDER BY seq LIMIT $2";
    match about {
        About::Anything => db::all(c, &format!("{columns} {order}"), [after.into(), limit.into()]).await,
        About::Customer(user) => {
            let binds: [Value; 3] = [after.into(), limit.into(), user.into()];
            db::all(c, &format!("{columns} user_id = $3 AND {order}"), binds).await
        }
        About::Organizer(organizer) => {
            let binds: [Value; 3] = [after.into(), limit.into(), organizer.into()];
            db::all(c, &format!("{columns} organizer_id = $3 AND {order}"), binds).await
        }
    }
}

/// Returns the number of the newest such domain event up to `head`; 0 if there is none.
pub async fn newest(c: &impl ConnectionTrait, about: About, head: i64) -> Result<i64, DbError> {
    let newest =
        |of: &str| format!("SELECT seq AS n FROM domain_event WHERE {of} = $1 AND seq <= $2 ORDER BY seq DESC LIMIT 1");
    match about {
        About::Anything => Ok(head),
        About::Customer(user) => db::number(c, &newest("user_id"), [user.into(), head.into()]).await,
        About::Organizer(organizer) => db::number(c, &newest("organizer_id"), [organizer.into(), head.into()]).await,
    }
}
