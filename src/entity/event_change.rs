//! Table `event_change`: what one update of an event changed, old and new.
//! No behaviour here; what the columns mean stands in `migration/`.

use sea_orm::entity::prelude::*;

use crate::id::{ChangeId, EventId};

/// What one update of an event changed, old and new.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event_change")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ChangeId,
    pub event_id: EventId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub field: String,
    pub old_value: String,
    pub new_value: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
