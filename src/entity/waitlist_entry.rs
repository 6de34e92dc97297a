//! Table `waitlist_entry`: customers' entries in waitlists.
//! Not here: behaviour, and the meaning of the columns (`migration`).

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{EntryId, EventId, QuotaId, TicketTypeId, UserId};
use crate::status::WaitlistStatus;

/// A customer's entry in a waitlist.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "waitlist_entry")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EntryId,
    pub event_id: EventId,
    pub ticket_type_id: TicketTypeId,
    pub quota_id: QuotaId,
    pub user_id: UserId,
    pub status: WaitlistStatus,
    pub quantity: i64,
    pub granted: i64,
    pub accepts_part: i64,
    pub position_key: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub terms: i64,
    pub asked: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
