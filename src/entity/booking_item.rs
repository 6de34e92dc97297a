//! Table `booking_item`: items of a booking, each with a ticket type, a quantity and a price.
//! Not here: behaviour, and the meaning of the columns (`migration`).

use sea_orm::entity::prelude::*;

use crate::id::{BookingId, BookingItemId, TicketTypeId};

/// Item of a booking: a ticket type, a quantity and a price.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "booking_item")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BookingItemId,
    pub booking_id: BookingId,
    pub ticket_type_id: TicketTypeId,
    pub quantity: i64,
    pub unit_price_minor: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
