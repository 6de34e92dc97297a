//! Table `membership`: who acts for which organizer.
//! No behaviour here; what the columns mean stands in `migration/`.

use sea_orm::entity::prelude::*;

use crate::clock::Timestamp;
use crate::id::{OrganizerId, UserId};

/// Who acts for which organizer.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "membership")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub organizer_id: OrganizerId,
    pub created_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
