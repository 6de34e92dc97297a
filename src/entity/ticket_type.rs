//! Table `ticket_type`: categories of tickets at a price.
//! Not here: behaviour, and the meaning of the columns (`migration`).

use sea_orm::entity::prelude::*;

use crate::id::{EventId, QuotaId, SlotId, TicketTypeId};

/// Category of tickets at a price.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ticket_type")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TicketTypeId,
    pub event_id: EventId,
    pub slot_id: SlotId,
    pub quota_id: QuotaId,
    pub name: String,
    pub price_minor: i64,
    pub position: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
