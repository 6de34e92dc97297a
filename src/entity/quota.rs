//! Table `quota`: the tickets that ticket types share, counted.
//! No behaviour here; what the columns mean stands in `migration/`.

use sea_orm::entity::prelude::*;

use crate::id::{EventId, QuotaId};

/// The tickets that ticket types share, counted.
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
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
