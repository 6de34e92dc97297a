//! Table `notice`: messages to users in the app, numbered per user.
//! Not here: behaviour, and the meaning of the columns (`migration`).

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{BookingId, DomainEventId, EventId, UserId};

/// Message to a user in the app, numbered per user.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "notice")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub domain_event_id: DomainEventId,
    pub kind: String,
    pub audience: String,
    pub cause: String,
    pub v: i64,
    pub data: String,
    pub event_id: Option<EventId>,
    pub booking_id: Option<BookingId>,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
