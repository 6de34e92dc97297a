//! Table `quota`: capacity that ticket types share, with its counters.
//! Not here: behaviour, and the meaning of the columns (`migration`).

use sea_orm::entity::prelude::*;

use crate::id::{EventId, QuotaId};

/// Capacity that ticket types share, with its counters.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "quota")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: QuotaId,
    pub event_id: EventId,
    pub capacity: i64,
    pub sold: i64,
    pub held: i64,
    pub open: i64,
    pub waiting: i64,
    pub revision: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
