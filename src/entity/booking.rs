//! Table `booking`: a customer's claim on tickets.
//! Not here: behaviour, and the meaning of the columns (`migration`).

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{BookingId, EntryId, EventId, SlotId, UserId};
use crate::status::{BookingStatus, CancelReason};

/// A customer's claim on tickets.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "booking")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BookingId,
    pub reference: String,
    pub event_id: EventId,
    pub slot_id: SlotId,
    pub user_id: UserId,
    pub status: BookingStatus,
    pub entry_id: Option<EntryId>,
    pub cancel_reason: Option<CancelReason>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
