//! Table `event`: events that can be booked.
//! Not here: behaviour, and the meaning of the columns (`migration`).

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{EventId, OrganizerId};
use crate::status::{Confirmation, EventStatus};

/// Event that can be booked.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EventId,
    pub organizer_id: OrganizerId,
    pub slug: String,
    pub title: String,
    pub description: String,
    pub venue: String,
    pub time_zone: String,
    pub currency: String,
    pub status: EventStatus,
    pub confirmation: Confirmation,
    pub starts_at: Timestamp,
    pub ends_at: Timestamp,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub published_at: Option<Timestamp>,
    pub cheapest_minor: i64,
    pub search_version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
