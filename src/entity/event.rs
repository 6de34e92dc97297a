//! Table `event`: what can be booked.
//! No behaviour here; what the columns mean stands in `migration/`.

use sea_orm::entity::prelude::*;

use crate::clock::Micros;
use crate::id::{EventId, OrganizerId};
use crate::status::{Confirmation, EventStatus};

/// What can be booked.
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
    pub starts_at: Micros,
    pub ends_at: Micros,
    pub search: String,
    pub created_at: Micros,
    pub updated_at: Micros,
    pub published_at: Option<Micros>,
    pub cheapest_minor: i64,
    pub search_version: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
